"""A message becomes a task at work: a new one, or one that waited for just this."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, cast

from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import InvalidParamsError, TaskNotFoundError, UnsupportedOperationError
from a2a.utils.proto_utils import validate_proto_required_fields
from pydantic import JsonValue

from omniroute_agent.doors.a2a.conversation import metadata_of, said_in, spoken
from omniroute_agent.doors.a2a.live import LiveTask
from omniroute_agent.doors.a2a.outcome import OPTIONS
from omniroute_agent.doors.a2a.runs import Runs
from omniroute_agent.doors.a2a.skills.choose import choose
from omniroute_agent.doors.a2a.skills.skill import Ask, Skill
from omniroute_agent.doors.a2a.skills.table import SkillTable
from omniroute_agent.doors.a2a.states import PARKED, TERMINAL
from omniroute_agent.doors.a2a.stored import envelope_of, task_in
from omniroute_agent.doors.a2a.visit import Visit
from omniroute_agent.doors.a2a.withheld import NOT_KEPT, kept
from omniroute_agent.doors.a2a.words import EXTENSION
from omniroute_agent.kernel.caller import OWNER_ID
from omniroute_agent.kernel.chat import Message
from omniroute_agent.kernel.errors import LimitReached, NotFound
from omniroute_agent.store.tasks import Moved, TaskRow
from omniroute_agent.tooling.view import allowed

MOST_RUNNING: Final = 256
"""Tasks of one owner at work at a time."""
LONGEST_ID: Final = 256

_PLAIN: Final = (
    "model",
    "combo",
    "budget",
    "role",
    "task",
    "max_tokens",
    "system",
    "deadline_seconds",
    "data",
    "receipt",
)
"""Options that may stand in `metadata` itself, beside those under the extension's URI."""
_YES: Final = frozenset(("yes", "allow", "allow this once", "approve", "approved"))
_NO: Final = frozenset(("no", "refuse", "deny", "cancel"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    runs: Runs
    table: SkillTable

    async def take(
        self,
        visit: Visit,
        request: pb.SendMessageRequest,
        *,
        streams: bool,
        durable: bool,
        earlier: Sequence[pb.Message] = (),
    ) -> LiveTask:
        """`durable`: somebody may ask for the task before it is over. `earlier`: what was said before the message.

        Raises:
            A2AError: the message is not one that can be taken.
            NotAllowed: its sender lacks scopes for the skill.
        """
        message = request.message
        if not (message.message_id and message.role and message.parts):
            # Only then: it walks the description of every type, which takes as long as all the rest of reading.
            validate_proto_required_fields(request)
        for name, value in (("messageId", message.message_id), ("contextId", message.context_id)):
            if len(value) > LONGEST_ID or not value.isprintable():
                raise InvalidParamsError(f"`{name}` is longer than {LONGEST_ID} characters or does not print.")
        if message.role != pb.ROLE_USER:
            raise InvalidParamsError("A message to this agent has the role of a user.")
        if self.runs.running(visit.caller.id) >= MOST_RUNNING:
            raise LimitReached(f"{MOST_RUNNING} tasks of this key are at work.", hint="Wait for one of them to end.")
        if message.task_id:
            return await self._go_on(visit, request, streams=streams)
        return await self._begin(visit, request, earlier, streams=streams, durable=durable)

    async def _begin(
        self,
        visit: Visit,
        request: pb.SendMessageRequest,
        earlier: Sequence[pb.Message],
        *,
        streams: bool,
        durable: bool,
    ) -> LiveTask:
        message, ports = request.message, self.runs.ports
        said = spoken(message)
        metadata = metadata_of(message, request)
        skill, because = self._skill(visit, said_in(said.parts), metadata)
        task_id = ports.new_id()
        context_id = message.context_id or ports.new_id()
        stored = kept(message)
        stored.task_id, stored.context_id = task_id, context_id
        task = pb.Task(id=task_id, context_id=context_id, history=[*earlier, stored])
        row = self._row(visit, task, skill)
        live = LiveTask(row, task)
        live.stands(row)
        conversation = (*map(spoken, earlier), said)
        options = options_of(metadata)
        if skill.spends:
            options.setdefault("idempotency_key", _sent_once(request))
        ask = self._ask(visit, row, conversation, options, because, streams=streams)
        await self.runs.begin(live, skill, ask, durable=durable)
        return live

    async def _go_on(self, visit: Visit, request: pb.SendMessageRequest, *, streams: bool) -> LiveTask:
        """The answer to what a parked task asked."""
        message, owner = request.message, visit.caller.id
        row, task = await self._parked(owner, message)
        said = spoken(message)
        envelope = envelope_of(task)
        options = changed(options_in(envelope), options_of(metadata_of(message, request)))
        if _handle(options) == NOT_KEPT:
            raise InvalidParamsError("Budget handles are not kept: send this task's `budget` again.")
        skill = self.table.find(row.skill)
        visit.caller.require(skill.scopes)
        conversation = tuple(map(spoken, _asked(task)))
        stored = kept(message)
        stored.context_id = row.context_id
        task.history.append(stored)
        task.ClearField("metadata")
        # From here on it is in the hands of this process, and whatever goes wrong puts it back.
        taken = await self.runs.rows.take(owner, row.id, version=row.version, instance=self.runs.instance)
        if taken is None:
            raise UnsupportedOperationError("Another message to this task came first.")
        live = LiveTask(taken, task)
        live.stored = True
        # It may have been given hooks while it waited.
        live.hooked = True
        try:
            options = changed(options, await self._verdict(visit, said_in(said.parts), envelope))
            ask = self._ask(visit, row, conversation, options, "the task is of this skill", streams=streams)
            live.stands(_at_work(taken, self.runs.ports.now().timestamp()))
            await self.runs.begin(live, skill, ask, durable=True, before=taken.version)
        except Moved:
            raise UnsupportedOperationError("The task was canceled before this message reached it.") from None
        except BaseException:
            await self.runs.park_again(taken)
            raise
        return live

    async def _parked(self, owner: str, message: pb.Message) -> tuple[TaskRow, pb.Task]:
        """
        Raises:
            TaskNotFoundError: there is none, or it is somebody else's.
            UnsupportedOperationError: it does not wait for a message.
            InvalidParamsError: it is of another context.
        """
        if self.runs.find(owner, message.task_id) is not None:
            raise UnsupportedOperationError("The task is at work: subscribe to it, or cancel it.")
        found = await self.runs.look(owner, message.task_id)
        if found is None:
            raise TaskNotFoundError
        row = found.row
        if message.context_id and message.context_id != row.context_id:
            raise InvalidParamsError("The task is of another context.")
        if row.state in TERMINAL:
            raise UnsupportedOperationError("The task is over: begin a new one, in the same context if you like.")
        if row.state not in PARKED:
            raise UnsupportedOperationError("The task is at work: subscribe to it, or cancel it.")
        return row, task_in(row)

    async def _verdict(self, visit: Visit, text: str, envelope: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """What the follow-up decides: options that it adds to the task's.

        A yes counts only behind the owner's own key, as with a question in an MCP client's window: what anybody else
        sends is no consent, and they are told again what the owner has to do. A target among the options is chosen.
        """
        consent = envelope.get("consent")
        if not isinstance(consent, dict):
            return {}
        word = " ".join(text.lower().split()).rstrip(".!")
        code = str(consent.get("code", ""))
        if visit.caller.id == OWNER_ID and code and word in _YES | _NO:
            # Answered elsewhere, or its time is up: the task asks again if it has to.
            with suppress(NotFound):
                await self.runs.context.parts.consents.answer(code, approved=word in _YES)
        options = cast("list[JsonValue]", consent.get("options") or [])
        targets = {str(option["target"]) for option in options if isinstance(option, dict) and "target" in option}
        return {"model": text.strip(), "combo": None} if text.strip() in targets else {}

    def _skill(self, visit: Visit, text: str, metadata: dict[str, JsonValue]) -> tuple[Skill, str]:
        """
        Raises:
            NotFound: it names a skill that does not exist, or that the caller is not shown.
            NotAllowed: scopes are missing.
        """
        chosen = choose(text, metadata, self.table)
        skill, caller = chosen.skill, visit.caller
        if not all(allowed(caller.view, self.table.tool(name)) for name in skill.tools):
            raise NotFound(f"No skill is called `{skill.id}` for this key.", hint="list-capabilities says which are.")
        caller.require(skill.scopes)
        return skill, chosen.because

    def _row(self, visit: Visit, task: pb.Task, skill: Skill) -> TaskRow:
        now = self.runs.ports.now().timestamp()
        return TaskRow(
            owner=visit.caller.id,
            id=task.id,
            context_id=task.context_id,
            skill=skill.id,
            state="working",
            status_at=now,
            note="",
            version=1,
            instance=self.runs.instance,
            body=b"",
            created_at=now,
            updated_at=now,
            expires_at=None,
        )

    def _ask(
        self,
        visit: Visit,
        row: TaskRow,
        messages: Sequence[Message],
        options: dict[str, JsonValue],
        because: str,
        *,
        streams: bool,
    ) -> Ask:
        return Ask(
            caller=replace(visit.caller, session=row.context_id),
            task_id=row.id,
            context_id=row.context_id,
            text=said_in(messages[-1].parts),
            messages=tuple(messages),
            options=options,
            because=because,
            streams=streams,
            traceparent=visit.traceparent or _text(options.get("traceparent")),
        )


def _asked(task: pb.Task) -> Sequence[pb.Message]:
    """The message that began the task, and before it what was said earlier, which is of no task."""
    begins = next((place for place, message in enumerate(task.history) if message.task_id), 0)
    return task.history[: begins + 1]


def options_of(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """What is asked beside the words: the extension's members go before those that stand in the metadata itself."""
    plain = {name: metadata[name] for name in _PLAIN if name in metadata}
    own = metadata.get(EXTENSION)
    if own is not None and not isinstance(own, dict):
        raise InvalidParamsError(f"`metadata[{EXTENSION}]` must be an object.")
    return plain | (own or {})


def _at_work(taken: TaskRow, now: float) -> TaskRow:
    """While it is, it does not grow too old: it has waited as long as it may, perhaps."""
    return replace(taken, state="working", note="", status_at=now, version=taken.version + 1, expires_at=None)


def _sent_once(request: pb.SendMessageRequest) -> str:
    """The same for a message that is sent again because its answer got lost: it is answered again, and billed once.

    Over the whole message and what is asked beside it, because some clients give every message the same id.
    """
    said = pb.SendMessageRequest(message=request.message)
    if request.HasField("metadata"):
        said.metadata.CopyFrom(request.metadata)
    return f"a2a-{hashlib.sha256(said.SerializeToString(deterministic=True)).hexdigest()[:40]}"


def options_in(envelope: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Those that a parked task was asked with."""
    found = envelope.get(OPTIONS)
    return dict(found) if isinstance(found, dict) else {}


def changed(options: dict[str, JsonValue], by: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """What a follow-up says goes before what was asked; a model takes the place of a combo, and a combo that of one."""
    gone = {"combo" if "model" in by else "", "model" if "combo" in by else "", "task" if "role" in by else ""}
    return {name: value for name, value in options.items() if name not in gone} | by


def _handle(options: Mapping[str, JsonValue]) -> JsonValue:
    budget = options.get("budget")
    return budget.get("handle") if isinstance(budget, dict) else None


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
