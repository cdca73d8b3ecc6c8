"""Chat Completions streams, decoded and encoded.

The decoder gives `Finished` at the terminal marker and not at the finish reason: usage comes between the two. Only a
provider without `[DONE]` finishes at its finish reason, and its usage may then follow.
"""

from collections.abc import Iterator
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import (
    ChatEvent,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageSeen,
)
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.errors import ErrorReport, StreamedError, Truncated
from omniroute_agent.wire.members import Members, compact, event_object, refuse_answer
from omniroute_agent.wire.neutral import error_report
from omniroute_agent.wire.openai_chat.answer import (
    FINISH_WORD,
    arguments_in,
    finish_of,
    split_content,
    thought_in,
    write_error,
    write_usage,
)
from omniroute_agent.wire.openai_chat.answer import read_usage as usage_of
from omniroute_agent.wire.sse import ServerSentEvent

DONE: Final = "[DONE]"
_CUT: Final = ErrorReport(message="The answer broke off before its end.", type="server_error", code="cut_off")


class OpenAIChatDecoder:
    def __init__(self, quirks: Quirks) -> None:
        self._done_marker = quirks.done_marker
        self._calls = _Calls()
        self._reason: FinishReason | None = None
        self._model: str | None = None
        self._refused = False
        self._finished = False
        self._done = False

    def feed(self, event: ServerSentEvent) -> Iterator[ChatEvent]:
        data = event.data.strip()
        if not data or self._done:
            return
        if data == DONE:
            self._done = True
            yield from self._end()
            return
        body = event_object(data)
        if body.get("error") or body.get("object") == "error" or event.event == "error":
            raise StreamedError(error_report(body))
        yield from self._chunk(Members(body, "", refuse_answer))

    def close(self) -> None:
        if not self._finished:
            raise Truncated("The stream ended before its terminal marker.")

    def _end(self) -> Iterator[ChatEvent]:
        if self._finished:
            return
        if self._reason is None:
            # A proxy in between may close a stream that was cut behind it with a marker of its own.
            raise Truncated("The stream said it was done but never why.")
        self._finished = True
        yield Finished(self._reason, self._model)

    def _chunk(self, chunk: Members) -> Iterator[ChatEvent]:
        self._model = chunk.text_or_none("model") or self._model
        word: str | None = None
        for choice in chunk.each("choices"):
            if choice.count_or_none("index") or self._finished:
                continue
            if (delta := choice.inside_or_none("delta")) is not None:
                yield from self._delta(delta)
            word = choice.text_or_none("finish_reason") or word
        usage = usage_of(chunk.inside_or_none("usage"))
        if usage is not None:
            yield UsageSeen(usage)
        if word and self._reason is None:
            self._reason = finish_of(word, called=self._calls.any, refused=self._refused)
            if not self._done_marker:
                yield from self._end()

    def _delta(self, delta: Members) -> Iterator[ChatEvent]:
        """A delta may carry reasoning, text and calls at once; they are given in this order."""
        if thought := thought_in(delta):
            yield ReasoningDelta(thought)
        thought, text = split_content(delta)
        if thought:
            yield ReasoningDelta(thought)
        if text:
            yield TextDelta(text)
        if refusal := delta.text_or_none("refusal"):
            self._refused = True
            yield TextDelta(refusal)
        for node in delta.each("tool_calls"):
            yield self._calls.piece(node)


class _Calls:
    """Which neutral call a piece belongs to.

    Most servers number their calls. Some number all of them 0, some not at all; there a new id with a name begins a new
    call, and a piece without either goes on with the last.
    """

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self._ids: list[str | None] = []

    @property
    def any(self) -> bool:
        return bool(self._ids)

    def piece(self, node: Members) -> ToolCallDelta:
        number, call_id = node.count_or_none("index"), node.text_or_none("id") or None
        function = node.inside_or_none("function")
        name = (function.text_or_none("name") if function else None) or None
        arguments = arguments_in(function) if function else ""
        slot = self._slots.get(number) if number is not None else len(self._ids) - 1
        begins = call_id is not None and name is not None
        if slot is None or slot < 0 or (begins and self._ids[slot] not in (None, call_id)):
            slot = len(self._ids)
            self._ids.append(call_id)
            if number is not None:
                self._slots[number] = slot
            return ToolCallDelta(slot, call_id or f"call_{slot}", name or "", arguments)
        return ToolCallDelta(slot, arguments=arguments)


class OpenAIChatEncoder:
    def __init__(self, *, id: str, model: str, created: int, include_usage: bool) -> None:  # noqa: A002 (the dialects' own word)
        self._head: dict[str, JsonValue] = {
            "id": id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._include_usage = include_usage
        self._opened = False
        self._called: set[int] = set()
        self._usage: Usage | None = None
        self._finish: FinishReason | None = None

    def encode(self, event: ChatEvent) -> bytes:
        match event:
            case TextDelta(text):
                return self._delta({"content": text})
            case ReasoningDelta(text):
                # Signatures and sealed thinking have no field here.
                return self._delta({"reasoning_content": text}) if text else b""
            case ToolCallDelta():
                return self._delta({"tool_calls": [self._call(event)]})
            case UsageSeen(usage):
                self._usage = usage
            case Finished(reason):
                self._finish = reason
        return b""

    def finish(self) -> bytes:
        if self._finish is None:
            return self.fail(_CUT)
        pieces = [self._delta({}, FINISH_WORD[self._finish])]
        if self._include_usage and self._usage is not None:
            pieces.append(_event({**self._head, "choices": [], "usage": write_usage(self._usage)}))
        pieces.append(f"data: {DONE}\n\n".encode())
        return b"".join(pieces)

    def fail(self, report: ErrorReport) -> bytes:
        # No [DONE] follows: a client that skips the error must still see that the end is missing.
        return _event(write_error(report, 500))

    def _call(self, piece: ToolCallDelta) -> JsonValue:
        if piece.index in self._called:
            return {"index": piece.index, "function": {"arguments": piece.arguments}}
        self._called.add(piece.index)
        return {
            "index": piece.index,
            "id": piece.id or f"call_{piece.index}",
            "type": "function",
            "function": {"name": piece.name or "", "arguments": piece.arguments},
        }

    def _delta(self, delta: dict[str, JsonValue], finish: str | None = None) -> bytes:
        if not self._opened:
            self._opened = True
            delta = {"role": "assistant", **delta}
        choice: dict[str, JsonValue] = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk: dict[str, JsonValue] = {**self._head, "choices": [choice]}
        if self._include_usage:
            chunk["usage"] = None
        return _event(chunk)


def _event(data: JsonValue) -> bytes:
    return f"data: {compact(data)}\n\n".encode("utf-8", "replace")
