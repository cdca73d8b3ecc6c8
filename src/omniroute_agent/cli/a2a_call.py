"""`a2a call`: one message to an agent, its words as they come, one line of receipt."""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from omniroute_agent.cli.a2a_agent import UNREACHABLE, Agent, Place, Wire, with_agent, wrong
from omniroute_agent.cli.failures import NOT_FOUND, OTHER, USAGE, CommandFailed
from omniroute_agent.cli.page import Page, err, harmless, out, print_json
from omniroute_agent.cli.prompts import prompt_of
from omniroute_agent.cli.receipt import receipt_line
from omniroute_agent.doors.a2a.states import PARKED, TERMINAL, WORDS
from omniroute_agent.doors.a2a.words import EXTENSION
from omniroute_agent.kernel.money import nano_from_usd, usd
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.settings.sources import named_key

_CANCEL_SECONDS: Final = 5.0
_EXITS: Final = {"not_found": NOT_FOUND, "invalid_request": USAGE}
_RECEIPT: Final = "receipt"

GOOD: Final = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What stands on the command line."""

    words: tuple[str, ...]
    skill: str | None = None
    model: str | None = None
    combo: str | None = None
    role: str | None = None
    budget: str | None = None
    handle_variable: str | None = None
    context: str | None = None
    task: str | None = None
    stream: bool = True


def call_agent(place: Place, order: Order, *, as_json: bool) -> int:
    options = _options(order)
    if order.handle_variable and not place.secure:
        raise wrong("The budget handle would travel in the open: give an https address.")
    text = prompt_of(order.words, "a2a call")
    screen = None if as_json else out()
    told = with_agent(place, lambda agent: _ask(agent, order, text, options, screen))
    _expect_good(told, place)
    if as_json:
        print_json(told.as_json())
    else:
        err().line(told.last_line(), "dim")
    return 0


async def _ask(agent: Agent, order: Order, text: str, options: Wire, screen: Page | None) -> "Told":
    """Whoever breaks it off cancels the task."""
    told = Told(screen, follows_up=order.task is not None)
    params = _params(agent, order, text, options)
    try:
        if order.stream:
            await _listen(agent, params, told)
        else:
            told.take(await agent.call("SendMessage", params))
        if told.task_id and told.state not in TERMINAL | PARKED:
            # The stream broke off; the task did not.
            told.take({"task": await agent.call("GetTask", {"id": told.task_id})})
    except anyio.get_cancelled_exc_class():
        if told.task_id and told.state not in TERMINAL:
            with anyio.move_on_after(_CANCEL_SECONDS, shield=True):
                await agent.call("CancelTask", {"id": told.task_id})
        raise
    finally:
        told.end_line()
    return told


async def _listen(agent: Agent, params: Wire, told: "Told") -> None:
    try:
        async with aclosing(agent.stream("SendStreamingMessage", params)) as events:
            async for event in events:
                told.take(event)
    except CommandFailed as error:
        if error.code != UNREACHABLE or not told.task_id:
            raise


def _params(agent: Agent, order: Order, text: str, options: Wire) -> Wire:
    message: Wire = {
        "messageId": agent.new_id(),
        "role": "ROLE_USER",
        "parts": [{"text": text}],
        "metadata": {EXTENSION: options},
        "extensions": [EXTENSION],
    }
    if order.context:
        message["contextId"] = order.context
    if order.task:
        message["taskId"] = order.task
    return {"message": message}


def _options(order: Order) -> Wire:
    """
    Raises:
        CommandFailed: they do not go together, or cannot be meant.
    """
    if order.model and order.combo:
        raise wrong("Give --model or --combo, not both.")
    budget: Wire = {}
    if order.budget is not None:
        budget["amount_usd"] = _amount(order.budget)
    if order.handle_variable is not None:
        budget["handle"] = _handle(order.handle_variable).reveal()
    plain = {"skill": order.skill, "model": order.model, "combo": order.combo, "role": order.role}
    named: Wire = {name: value for name, value in plain.items() if value}
    return {**named, **({"budget": budget} if budget else {}), _RECEIPT: True}


def _amount(text: str) -> str:
    try:
        nano = nano_from_usd(text)
    except ValueError:
        nano = -1
    if nano < 0:
        raise wrong('--budget takes an amount of USD, like "0.05".')
    return usd(nano)


def _handle(variable: str) -> Secret:
    found = named_key(variable)
    if found is None or found.secret is None:
        raise wrong(f"The environment variable {variable} holds no budget handle.")
    return found.secret


@dataclass
class Told:
    """What was heard of one task, shown while it comes."""

    screen: Page | None
    follows_up: bool = False
    task_id: str = ""
    context_id: str = ""
    state: str = ""
    note: str = ""
    texts: dict[str, str] = field(default_factory=dict[str, str])
    """By artifact."""
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    routing: Wire = field(default_factory=dict[str, Any])
    """What the agent says of how it was done."""
    _shown: str = ""
    """The last words on the screen."""

    def take(self, event: Wire) -> None:
        for kind, content in event.items():
            if not isinstance(content, dict):
                continue
            match kind:
                case "task":
                    self._take_task(content)
                case "statusUpdate":
                    self._know(content.get("taskId"), content.get("contextId"))
                    self._take_status(content.get("status"), content.get("metadata"))
                case "artifactUpdate":
                    self._know(content.get("taskId"), content.get("contextId"))
                    self._take_artifact(content.get("artifact"), append=content.get("append") is True)
                case "message":
                    self._know(content.get("taskId"), content.get("contextId"))
                    self._say("message", _text(content), append=False)
                    self.state = self.state or GOOD
                case _:
                    pass

    def _take_task(self, task: Wire) -> None:
        self._know(task.get("id"), task.get("contextId"))
        state = _state(task.get("status"))
        # What an earlier message brought was shown then.
        if not self.follows_up or state in TERMINAL:
            for artifact in _list(task.get("artifacts")):
                self._take_artifact(artifact, append=False)
        self._take_status(task.get("status"), task.get("metadata"))

    def _take_status(self, status: Any, metadata: Any) -> None:
        state = _state(status)
        if isinstance(metadata, dict) and isinstance(metadata.get(EXTENSION), dict):
            self.routing = metadata[EXTENSION]
        message = status.get("message") if isinstance(status, dict) else None
        self.note = _text(message) if isinstance(message, dict) else ""
        if state and state != self.state and self.screen is not None and state not in TERMINAL:
            first = f"task {self.task_id} · context {self.context_id} · " if not self.state else ""
            self.end_line()
            err().line(harmless(first + state), "dim")
        self.state = state or self.state

    def _take_artifact(self, artifact: Any, *, append: bool) -> None:
        if not isinstance(artifact, dict):
            return
        name = str(artifact.get("artifactId", ""))
        if text := _text(artifact):
            self._say(name, text, append=append)
        for part in _list(artifact.get("parts")):
            if isinstance(part, dict) and "data" in part:
                self.data[name] = part["data"]

    def _say(self, artifact: str, text: str, *, append: bool) -> None:
        before = self.texts.get(artifact, "")
        self.texts[artifact] = before + text if append else text
        if self.screen is None:
            return
        if before and not append and text.startswith(before):
            text = text[len(before) :]
        elif not (before and append):
            self.end_line()
        if text:
            self.screen.write(text)
            self._shown = text

    def _know(self, task_id: Any, context_id: Any) -> None:
        self.task_id = str(task_id or self.task_id)
        self.context_id = str(context_id or self.context_id)

    def end_line(self) -> None:
        if self.screen is not None and self._shown and not self._shown.endswith("\n"):
            self.screen.line()
        self._shown = ""

    def last_line(self) -> str:
        receipt = self.data.get(_RECEIPT)
        try:
            return harmless(receipt_line(receipt)) if isinstance(receipt, Mapping) else self._routed()
        except (KeyError, TypeError):
            return self._routed()  # it is somebody else's receipt

    def _routed(self) -> str:
        explanation = self.routing.get("routing_explanation")
        return harmless(explanation) if isinstance(explanation, str) else f"{self.state}, without a receipt"

    def as_json(self) -> Wire:
        return {
            "task_id": self.task_id or None,
            "context_id": self.context_id or None,
            "state": self.state,
            "text": "\n\n".join(self.texts.values()),
            "routing": self.routing or None,
            "receipt": self.data.get(_RECEIPT),
            "data": {name: value for name, value in self.data.items() if name != _RECEIPT},
        }


def _expect_good(told: Told, place: Place) -> None:
    """
    Raises:
        CommandFailed: the task did not come to a good end.
    """
    if told.state == GOOD:
        return
    facts: dict[str, object] = {"task_id": told.task_id, "context_id": told.context_id}
    request = told.routing.get("request_id")
    if place.own and isinstance(request, str):
        facts["request_id"] = request
    if told.state in PARKED:
        hint = f"Answer with `omniroute-agent a2a call --task {harmless(told.task_id)} TEXT`."
        raise CommandFailed(
            harmless(told.note) or "The agent asks back.", hint, told.state.replace("-", "_"), facts=facts
        )
    if told.state in TERMINAL:
        note = harmless(told.note) or f"The task was {told.state} without a word."
        code = told.routing.get("error")
        code = code if isinstance(code, str) else told.state
        raise CommandFailed(note, code=code, exit_code=_EXITS.get(code, OTHER), facts=facts)
    hint = f"Look again with `omniroute-agent a2a tasks {harmless(told.task_id)}`." if told.task_id else ""
    raise CommandFailed("The connection broke off in the middle; the task may go on.", hint, "cut_off", facts=facts)


def _state(status: Any) -> str:
    """As people write it; empty when nothing is said of it."""
    said = status.get("state") if isinstance(status, dict) else None
    return WORDS.get(said, said) if isinstance(said, str) else ""


def _text(holder: Wire) -> str:
    """Of a message or an artifact."""
    parts = [part for part in _list(holder.get("parts")) if isinstance(part, dict)]
    return "".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
