"""Messages streams, encoded: content blocks one after another, usage and stop reason at the end."""

from collections.abc import Iterator
from typing import Final, Literal

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
from omniroute_agent.wire.anthropic_messages.answer import write_error
from omniroute_agent.wire.anthropic_messages.words import STOP_WORD, call_id, write_usage
from omniroute_agent.wire.errors import ErrorReport
from omniroute_agent.wire.members import compact, json_object

_CUT: Final = ErrorReport(message="The answer broke off before its end.", type="api_error")


class AnthropicEncoder:
    """Blocks may not overlap, but calls may come interleaved: while one is written, pieces of the others wait.

    A call is complete when its arguments are a JSON object and another call begins; the waiting ones follow then, or at
    the latest when text or the end comes.
    """

    def __init__(self, *, id: str, model: str, created: int, include_usage: bool) -> None:  # noqa: A002, ARG002 (the dialects' own words; this one has no date and always usage)
        self._message: dict[str, JsonValue] = {
            "id": id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }
        self._opened = False
        self._index = -1
        self._open: Literal["text", "thinking"] | int | None = None
        """Kind of the open block, or the neutral index of the call it holds."""
        self._arguments = ""
        self._waiting: dict[int, list[ToolCallDelta]] = {}
        self._closed: set[int] = set()
        self._usage: Usage | None = None
        self._finish: FinishReason | None = None

    def encode(self, event: ChatEvent) -> bytes:
        match event:
            case TextDelta(text):
                if not text:
                    return b""
                return b"".join((*self._block("text", {"type": "text", "text": ""}), self._delta("text", text)))
            case ReasoningDelta():
                return b"".join(self._reasoning(event))
            case ToolCallDelta():
                return b"".join(self._call(event))
            case UsageSeen(usage):
                self._usage = usage
            case Finished(reason):
                self._finish = reason
        return b""

    def finish(self) -> bytes:
        if self._finish is None:
            return self.fail(_CUT)
        end: dict[str, JsonValue] = {
            "type": "message_delta",
            "delta": {"stop_reason": STOP_WORD[self._finish], "stop_sequence": None},
            "usage": write_usage(self._usage),
        }
        return b"".join((*self._begin(), *self._close(), _event(end), _event({"type": "message_stop"})))

    def fail(self, report: ErrorReport) -> bytes:
        # No message_stop follows: a client that skips the error must still see that the end is missing.
        return _event(write_error(report, 500))

    # ---- blocks

    def _begin(self) -> Iterator[bytes]:
        if not self._opened:
            self._opened = True
            # Counts are known at the end only; message_delta carries them.
            yield _event({"type": "message_start", "message": {**self._message, "usage": write_usage(None)}})

    def _block(self, kind: Literal["text", "thinking"] | int, block: dict[str, JsonValue]) -> Iterator[bytes]:
        """Opens a block of this kind unless it is open."""
        yield from self._begin()
        if self._open == kind:
            return
        if not isinstance(kind, int):
            yield from self._close()
        self._index += 1
        self._open = kind
        yield _event({"type": "content_block_start", "index": self._index, "content_block": block})

    def _close(self) -> Iterator[bytes]:
        """Closes the open block and writes the calls that waited for it."""
        yield from self._close_one()
        while self._waiting:
            yield from self._write_waiting()
            yield from self._close_one()

    def _close_one(self) -> Iterator[bytes]:
        if self._open is not None:
            if isinstance(self._open, int):
                self._closed.add(self._open)
            self._open = None
            self._arguments = ""
            yield _event({"type": "content_block_stop", "index": self._index})

    def _delta(self, kind: Literal["text", "thinking", "signature"], text: str) -> bytes:
        delta: JsonValue = {"type": f"{kind}_delta", kind: text}
        return _event({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _reasoning(self, event: ReasoningDelta) -> Iterator[bytes]:
        if event.redacted is not None:
            yield from self._begin()
            yield from self._close()
            yield from self._block("thinking", {"type": "redacted_thinking", "data": event.redacted})
            yield from self._close()
        if event.text or event.signature:
            yield from self._block("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if event.text:
            yield self._delta("thinking", event.text)
        if event.signature:
            yield self._delta("signature", event.signature)
            yield from self._close()

    # ---- calls

    def _call(self, piece: ToolCallDelta) -> Iterator[bytes]:
        if piece.index in self._closed:
            return  # its arguments were complete; nothing that follows can belong to them
        yield from self._begin()
        if self._open == piece.index:
            yield from self._piece(piece)
            return
        self._waiting.setdefault(piece.index, []).append(piece)
        if not isinstance(self._open, int) or json_object(self._arguments) is not None:
            yield from self._close_one()
            yield from self._write_waiting()

    def _write_waiting(self) -> Iterator[bytes]:
        index = next(iter(self._waiting))
        pieces = self._waiting.pop(index)
        call = next((piece.id for piece in pieces if piece.id), None) or f"call_{index}"
        name = next((piece.name for piece in pieces if piece.name), "")
        yield from self._block(index, {"type": "tool_use", "id": call_id(call), "name": name, "input": {}})
        for piece in pieces:
            yield from self._piece(piece)

    def _piece(self, piece: ToolCallDelta) -> Iterator[bytes]:
        if piece.arguments:
            self._arguments += piece.arguments
            delta: JsonValue = {"type": "input_json_delta", "partial_json": piece.arguments}
            yield _event({"type": "content_block_delta", "index": self._index, "delta": delta})


def _event(data: dict[str, JsonValue]) -> bytes:
    return f"event: {data['type']}\ndata: {compact(data)}\n\n".encode("utf-8", "replace")
