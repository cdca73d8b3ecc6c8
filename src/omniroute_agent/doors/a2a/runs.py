"""Runs tasks apart from the requests that brought them: a client may leave, its task goes on under its own deadline.

A task is on the disk before its skill spends anything, and its end is on the disk before anybody is told of it. What
it says in between is told at once and written behind, several pieces in one go.
"""

import logging
from collections.abc import Callable
from contextlib import aclosing, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Final

import anyio
from a2a.types import a2a_pb2 as pb
from anyio.abc import TaskGroup

from omniroute_agent.doors.a2a.behind import Behind
from omniroute_agent.doors.a2a.live import LiveTask
from omniroute_agent.doors.a2a.outcome import INSIDE, Outcome, completed, refused, silence, unanswered
from omniroute_agent.doors.a2a.render import ANSWER, struct
from omniroute_agent.doors.a2a.skills.skill import Ask, Discard, Finished, Skill, SkillContext, Words
from omniroute_agent.doors.a2a.stored import task_of
from omniroute_agent.doors.a2a.terms import Terms
from omniroute_agent.doors.a2a.withheld import withheld
from omniroute_agent.doors.a2a.witness import Witnessed
from omniroute_agent.doors.a2a.words import EXTENSION
from omniroute_agent.kernel.errors import (
    StoreUnavailable,
)
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.store.living import lives
from omniroute_agent.store.tasks import RUNNING, STOPPED, Found, Moved, TaskRow, TaskRows

GRACE_SECONDS: Final = 5.0
"""How long tasks may go on when the server is told to stop."""
LAST_WRITE_SECONDS: Final = 3.0
"""How long whoever waits for a task waits for its end to be written."""
SWEEP_SECONDS: Final = 0.25
"""How often a process with running tasks looks whether another one was asked to cancel them."""

_CANCELED: Final = "Canceled."
_UNKEPT: Final = "This agent cannot write its database, so the end of the task is not kept."

_log = logging.getLogger(__name__)

Key = tuple[str, str]


@dataclass(slots=True, kw_only=True)
class Runs:
    rows: TaskRows
    instance: str
    ports: Ports
    context: SkillContext
    terms: Terms
    changed: Callable[[], None]
    """Called whenever the state of a task has changed on the disk."""
    group: TaskGroup
    """Of the server's whole life: tasks run in it."""
    _live: dict[Key, LiveTask] = field(default_factory=dict[Key, LiveTask])
    _beginning: set[Key] = field(default_factory=set[Key])
    """Being written before they run."""
    _stopped: bool = False

    def find(self, owner: str, task_id: str) -> LiveTask | None:
        return self._live.get((owner, task_id))

    def running(self, owner: str) -> int:
        return sum(1 for whose, _ in (*self._live, *self._beginning) if whose == owner)

    async def stop(self) -> None:
        """The server ends: tasks have a moment to end by themselves, then they fail and say why."""
        with anyio.move_on_after(GRACE_SECONDS):
            for live in list(self._live.values()):
                await live.ended()
        self._stopped = True
        for live in self._live.values():
            live.scope.cancel()

    async def look(self, owner: str, task_id: str, *, skip: int = 0) -> Found | None:
        """The stored task. One in the hands of a process that died is settled first: its turn in that would come within
        a minute.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        found = await self.rows.find(owner, task_id, skip=skip)
        key = owner, task_id
        if found is None or found.row.instance is None or key in self._live or key in self._beginning:
            return found
        if found.row.instance == self.instance:
            return await self._given_up(owner, task_id, _UNKEPT) if found.row.state in RUNNING else found
        ledger = self.context.parts.ledger
        directory, instance = ledger.database.path.parent, found.row.instance
        if lives(directory, instance):
            return found
        await ledger.settle_orphans(directory, self.ports.now().timestamp())
        found = await self.rows.find(owner, task_id, skip=skip)
        if found is None or found.row.instance != instance:
            return found
        # That process ended in good order, but without a last word of this task.
        return await self._given_up(owner, task_id, STOPPED)

    async def _given_up(self, owner: str, task_id: str, note: str) -> Found | None:
        """A task that nobody works on, as its end could not be written when it came. It is told also where it still
        cannot. One that waits for its caller goes on waiting.
        """
        found = await self.rows.find(owner, task_id)
        if found is None or found.row.instance is None:
            return found
        if found.row.state not in RUNNING:
            await self.park_again(found.row)
            return await self.rows.find(owner, task_id)
        now = self.ports.now().timestamp()
        row = replace(
            found.row,
            state="failed",
            note=note,
            status_at=now,
            updated_at=now,
            version=found.row.version + 1,
            instance=None,
            expires_at=now + self.terms.kept,
        )
        task = task_of(found)
        row = replace(row, body=task.SerializeToString())
        try:
            await self.rows.put(row, expected=found.row.version)
        except Moved:
            return await self.rows.find(row.owner, row.id)
        except StoreUnavailable as error:
            _log.warning("The end of the task %s is still not kept: %s", row.id, error.sentence())
        return Found(row, ())

    async def begin(self, live: LiveTask, skill: Skill, ask: Ask, *, durable: bool, before: int | None = None) -> None:
        """Set a task going. `before` is the version of the row that it goes on from; `durable` writes it first, also
        where its skill spends nothing.

        Raises:
            StoreUnavailable: it has to be on the disk first and cannot.
            Moved: another process has it.
        """
        key = live.row.owner, live.row.id
        if skill.spends or durable:
            self._beginning.add(key)
            try:
                await self.keep(live, live.row, expected=before)
            finally:
                self._beginning.discard(key)
            self._live[key] = live
            self.group.start_soon(self._run, live, skill, ask)
            return
        # It takes milliseconds and reaches nobody: not worth a task of its own, nor breaking off.
        self._live[key] = live
        with anyio.CancelScope(shield=True):
            await self._run(live, skill, ask)

    async def keep(self, live: LiveTask, row: TaskRow, *, expected: int | None) -> None:
        """Write a task as it is.

        Raises:
            StoreUnavailable: it cannot be written.
            Moved: it is not as expected.
        """
        body = live.task.SerializeToString()
        row = replace(row, body=body, updated_at=self.ports.now().timestamp())
        await self.rows.put(row, expected=expected)
        live.stored = True
        live.row = row
        if live.hooked:
            self.changed()

    async def cancel_parked(self, row: TaskRow) -> TaskRow | None:
        """End a task that waits for its caller; None: it does not any more.

        Raises:
            StoreUnavailable: it cannot be written.
        """
        now = self.ports.now().timestamp()
        ended = replace(
            row,
            state="canceled",
            note=_CANCELED,
            status_at=now,
            updated_at=now,
            version=row.version + 1,
            expires_at=now + self.terms.kept,
        )
        try:
            await self.rows.put(ended, expected=row.version)
        except Moved:
            return None
        self.changed()
        return ended

    async def park_again(self, taken: TaskRow) -> None:
        """A task that was picked up and could not go on waits as before."""
        with anyio.CancelScope(shield=True), suppress(Moved, StoreUnavailable):
            await self.rows.put(replace(taken, instance=None, version=taken.version + 1), expected=taken.version)

    async def _run(self, live: LiveTask, skill: Skill, ask: Ask) -> None:
        seen = Witnessed(self.context.parts, skill, ask, withheld(dict(ask.options)))
        outcome = Outcome(state="failed", note=STOPPED)
        try:
            with seen.spanned():
                with live.scope:
                    outcome = await self._outcome(live, skill, ask)
                if live.scope.cancelled_caught:
                    with anyio.CancelScope(shield=True):
                        outcome = await self._broken_off(skill, ask)
                seen.state, seen.request_id = outcome.state, outcome.request_id
        except Exception:  # noqa: BLE001 (all tasks run in one group: what escaped would end every other)
            _log.exception("The task %s failed", live.row.id)
            outcome = Outcome(state="failed", note=INSIDE)
        finally:
            with anyio.CancelScope(shield=True):
                await self._conclude(live, outcome)
            self._live.pop((live.row.owner, live.row.id), None)
            seen.end()

    async def _conclude(self, live: LiveTask, outcome: Outcome) -> None:
        """Whatever happens, whoever waits for the task hears of its end."""
        try:
            await self._finish(live, outcome)
        except Exception:  # noqa: BLE001 (as above)
            _log.exception("The end of the task %s is not kept", live.row.id)
        finally:
            if not live.over:
                live.end(replace(live.row, state="failed", note=INSIDE), (), None)

    async def _outcome(self, live: LiveTask, skill: Skill, ask: Ask) -> Outcome:
        try:
            return await self._listen_to(live, skill, ask)
        except TimeoutError:
            return await unanswered("failed", silence(self.terms.silent), self.context.parts, skill, ask)
        except Exception as error:  # noqa: BLE001 (whatever it is, no text of it leaves)
            return await refused(error, self.context.parts, skill, ask, said=bool(live.text))

    async def _broken_off(self, skill: Skill, ask: Ask) -> Outcome:
        state, note = ("failed", STOPPED) if self._stopped else ("canceled", _CANCELED)
        return await unanswered(state, note, self.context.parts, skill, ask)

    async def _listen_to(self, live: LiveTask, skill: Skill, ask: Ask) -> Outcome:
        """
        Raises:
            TimeoutError: nothing was heard for too long.
            CallError: the skill failed.
        """
        behind = Behind(self.rows, live, self.group)
        async with aclosing(skill.run(ask, self.context)) as said:
            while True:
                with anyio.fail_after(self.terms.silent) if skill.spends else nullcontext():
                    piece = await anext(said)
                match piece:
                    case Words(text, last) if text:
                        live.say(text, last=last)
                        behind.write(text)
                    case Finished() as finished:
                        return completed(ask, finished)
                    case Words() | Discard():
                        pass

    async def _finish(self, live: LiveTask, outcome: Outcome) -> None:
        now = self.ports.now().timestamp()
        task = live.task
        told = struct({EXTENSION: outcome.envelope}) if outcome.envelope else None
        if live.text:
            # Also where it broke off: what was told stays what was told.
            answer = task.artifacts.add(artifact_id=ANSWER, name=ANSWER, parts=[pb.Part(text="".join(live.text))])
            if told is not None and outcome.state == "completed":
                answer.metadata.CopyFrom(told)
                answer.extensions.append(EXTENSION)
        task.artifacts.extend(outcome.artifacts)
        if told is not None:
            task.metadata.MergeFrom(told)
        before = live.row.version
        row = replace(
            live.row,
            state=outcome.state,
            status_at=now,
            note=outcome.note,
            version=before + 1 if live.stored else before,
            instance=None,
            # What waits for its caller does not wait for ever either.
            expires_at=now + self.terms.kept,
        )
        try:
            with anyio.fail_after(LAST_WRITE_SECONDS):
                await self.keep(live, row, expected=before if live.stored else None)
        except Moved as moved:
            # Somebody held this process for dead: what they wrote is what everybody was told.
            _log.warning("The task %s was ended by another process.", row.id)
            row = moved.row or row
        except StoreUnavailable as error:
            _log.error("The end of the task %s is not kept: %s", row.id, error.sentence())
            row = replace(row, state="failed", note=_UNKEPT)
        except TimeoutError:
            _log.error("The end of the task %s could not be written within %g s.", row.id, LAST_WRITE_SECONDS)
            row = replace(row, state="failed", note=_UNKEPT)
        live.end(row, outcome.artifacts, told)

    async def heed_others(self) -> None:
        """Cancel what somebody asked another process to cancel."""
        while True:
            await self.ports.sleep(SWEEP_SECONDS)
            if not any(live.stored for live in self._live.values()):
                continue
            try:
                for key in await self.rows.to_cancel(self.instance):
                    if (live := self._live.get(key)) is not None:
                        live.scope.cancel()
            except StoreUnavailable as error:
                _log.warning("Whether tasks are to be cancelled cannot be read: %s", error.sentence())
