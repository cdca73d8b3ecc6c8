"""An answer as the fold of its events, and an answer's events: the only ways from a stream to an answer and back."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from omniroute_agent.kernel.chat import (
    ChatAnswer,
    ChatEvent,
    Finished,
    FinishReason,
    Part,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageSeen,
)


@dataclass(slots=True)
class _Call:
    id: str
    name: str
    arguments: list[str]


@dataclass(slots=True)
class Fold:
    """Collects events; `answer()` may be asked at any time, also of a stream that broke."""

    usage: Usage | None = None
    finish: FinishReason | None = None
    model: str | None = None
    _blocks: list[list[str] | ReasoningDelta | _Call] = field(default_factory=list)
    _calls: dict[int, _Call] = field(default_factory=dict)

    def add(self, event: ChatEvent) -> None:
        match event:
            case TextDelta(text):
                last = self._blocks[-1] if self._blocks else None
                if isinstance(last, list):
                    last.append(text)
                else:
                    self._blocks.append([text])
            case ReasoningDelta():
                self._add_reasoning(event)
            case ToolCallDelta(index, call_id, name, arguments):
                call = self._calls.get(index)
                if call is None:
                    call = self._calls[index] = _Call(call_id or f"call_{index}", name or "", [])
                    self._blocks.append(call)
                call.arguments.append(arguments)
            case UsageSeen(usage):
                self.usage = usage
            case Finished(reason, model):
                self.finish, self.model = reason, model

    def _add_reasoning(self, event: ReasoningDelta) -> None:
        last = self._blocks[-1] if self._blocks else None
        open_block = isinstance(last, ReasoningDelta) and last.redacted is None and last.signature is None
        if isinstance(last, ReasoningDelta) and open_block and event.redacted is None:
            self._blocks[-1] = ReasoningDelta(last.text + event.text, event.signature)
        else:
            self._blocks.append(event)

    @property
    def produced_text(self) -> str:
        """Everything the model produced so far, for counting tokens of a stream that broke."""
        pieces: list[str] = []
        for block in self._blocks:
            match block:
                case ReasoningDelta(text):
                    pieces.append(text)
                case _Call():
                    pieces += (block.name, *block.arguments)
                case _:
                    pieces += block
        return "".join(pieces)

    def answer(self) -> ChatAnswer:
        """The answer so far; `finish` is `stop` when no end was seen (the caller knows whether one was)."""
        parts: list[Part] = []
        for block in self._blocks:
            match block:
                case ReasoningDelta(text, signature, redacted):
                    parts.append(Reasoning(text, signature, redacted))
                case _Call():
                    parts.append(ToolCall(block.id, block.name, "".join(block.arguments)))
                case _:
                    parts.append(Text("".join(block)))
        return ChatAnswer(parts=tuple(parts), finish=self.finish or "stop", usage=self.usage, model=self.model)


def events_of(answer: ChatAnswer) -> Iterator[ChatEvent]:
    """The events whose fold is this answer."""
    calls = 0
    for part in answer.parts:
        match part:
            case Text(text):
                yield TextDelta(text)
            case Reasoning(text, signature, redacted):
                yield ReasoningDelta(text, signature, redacted)
            case ToolCall(call_id, name, arguments):
                yield ToolCallDelta(calls, call_id, name, arguments)
                calls += 1
            case _:
                # Models answer with no other kind of part.
                continue
    if answer.usage is not None:
        yield UsageSeen(answer.usage)
    yield Finished(answer.finish, answer.model)
