"""Responses streams, encoded: items one after another, all of them again in the terminal event."""

from collections.abc import Iterator
from dataclasses import dataclass, field
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
from omniroute_agent.wire.errors import ErrorReport
from omniroute_agent.wire.members import compact
from omniroute_agent.wire.openai_responses.answer import (
    call_item,
    message_item,
    reasoning_item,
    response_object,
    text_part,
)
from omniroute_agent.wire.proof import passed_on

_CUT: Final = ErrorReport(message="The answer broke off before its end.", type="server_error", code="server_error")
_CODES: Final = ("server_error", "rate_limit_exceeded", "invalid_prompt")


@dataclass(slots=True)
class _Item:
    kind: Literal["message", "reasoning", "call"]
    id: str
    at: int
    call_id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    encrypted: str | None = None

    def object(self, status: str = "completed") -> dict[str, JsonValue]:
        text = "".join(self.pieces)
        match self.kind:
            case "message":
                content: list[JsonValue] = [text_part(text)] if status == "completed" else []
                return message_item(self.id, content, status)
            case "reasoning":
                return reasoning_item(self.id, text, self.encrypted, status)
            case "call":
                return call_item(self.id, self.call_id, self.name, text, status)


class ResponsesEncoder:
    """Text and reasoning are closed when something else begins; calls, which may come interleaved, at the end."""

    def __init__(self, *, id: str, model: str, created: int, include_usage: bool) -> None:  # noqa: A002, ARG002 (the dialects' own words; usage is always told)
        self._id, self._model, self._created = id, model, created
        self._number = 0
        self._items: list[_Item] = []
        self._open: _Item | None = None
        """The message or reasoning that is being written."""
        self._calls: dict[int, _Item] = {}
        self._usage: Usage | None = None
        self._finish: FinishReason | None = None

    def encode(self, event: ChatEvent) -> bytes:
        match event:
            case TextDelta(text):
                return b"".join(self._text(text)) if text else b""
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
        pieces = [*self._begin(), *self._close()]
        for call in self._calls.values():
            pieces += self._close_item(call)
        response = self._response(self._finish)
        pieces.append(self._event(f"response.{response['status']}", response=response))
        return b"".join(pieces)

    def fail(self, report: ErrorReport) -> bytes:
        # No `completed` follows: a client that skips the error must still see that the end is missing.
        code = report.code if report.code in _CODES else "server_error"
        response = self._response(None, error={"code": code, "message": report.message})
        return b"".join((*self._begin(), self._event("response.failed", response=response)))

    def _response(self, finish: FinishReason | None, error: JsonValue = None) -> dict[str, JsonValue]:
        output: list[JsonValue] = [item.object() for item in self._items] if finish is not None else []
        return response_object(
            self._id, self._model, self._created, finish=finish, output=output, usage=self._usage, error=error
        )

    def _event(self, kind: str, **members: JsonValue) -> bytes:
        data: dict[str, JsonValue] = {"type": kind, "sequence_number": self._number, **members}
        self._number += 1
        return f"event: {kind}\ndata: {compact(data)}\n\n".encode("utf-8", "replace")

    def _begin(self) -> Iterator[bytes]:
        if not self._number:
            response = response_object(self._id, self._model, self._created, finish=None, output=[])
            yield self._event("response.created", response=response)
            yield self._event("response.in_progress", response=response)

    # ---- items

    def _add(self, item: _Item) -> Iterator[bytes]:
        self._items.append(item)
        yield self._event("response.output_item.added", output_index=item.at, item=item.object("in_progress"))

    def _new(self, kind: Literal["message", "reasoning"]) -> Iterator[bytes]:
        """Opens an item of this kind unless it is open."""
        yield from self._begin()
        if self._open is not None and self._open.kind == kind:
            return
        yield from self._close()
        at = len(self._items)
        short = "msg" if kind == "message" else "rs"
        self._open = item = _Item(kind, f"{short}_{self._id}_{at}", at)
        yield from self._add(item)
        if kind == "message":
            yield self._event("response.content_part.added", **_place(item, content_index=0), part=text_part(""))

    def _close(self) -> Iterator[bytes]:
        if self._open is not None:
            yield from self._close_item(self._open)
            self._open = None

    def _close_item(self, item: _Item) -> Iterator[bytes]:
        text = "".join(item.pieces)
        match item.kind:
            case "message":
                place = _place(item, content_index=0)
                yield self._event("response.output_text.done", **place, text=text, logprobs=[])
                yield self._event("response.content_part.done", **place, part=text_part(text))
            case "reasoning" if text:
                place = _place(item, summary_index=0)
                yield self._event("response.reasoning_summary_text.done", **place, text=text)
                part: JsonValue = {"type": "summary_text", "text": text}
                yield self._event("response.reasoning_summary_part.done", **place, part=part)
            case "call":
                yield self._event("response.function_call_arguments.done", **_place(item), arguments=text)
            case _:
                pass
        yield self._event("response.output_item.done", output_index=item.at, item=item.object())

    def _text(self, text: str) -> Iterator[bytes]:
        yield from self._new("message")
        if (item := self._open) is not None:
            item.pieces.append(text)
            place = _place(item, content_index=0)
            yield self._event("response.output_text.delta", **place, delta=text, logprobs=[])

    def _reasoning(self, event: ReasoningDelta) -> Iterator[bytes]:
        encrypted = passed_on(event.signature, event.redacted)
        if event.redacted is not None:
            yield from self._close()
        if event.text or encrypted:
            yield from self._new("reasoning")
        item = self._open
        if item is None:
            return
        if event.text:
            place = _place(item, summary_index=0)
            if not item.pieces:
                part: JsonValue = {"type": "summary_text", "text": ""}
                yield self._event("response.reasoning_summary_part.added", **place, part=part)
            item.pieces.append(event.text)
            yield self._event("response.reasoning_summary_text.delta", **place, delta=event.text)
        if encrypted:
            item.encrypted = encrypted
            yield from self._close()

    def _call(self, piece: ToolCallDelta) -> Iterator[bytes]:
        yield from self._begin()
        call = self._calls.get(piece.index)
        if call is None:
            yield from self._close()
            at = len(self._items)
            call_id = piece.id or f"call_{piece.index}"
            call = _Item("call", f"fc_{self._id}_{at}", at, call_id, piece.name or "")
            self._calls[piece.index] = call
            yield from self._add(call)
        if piece.arguments:
            call.pieces.append(piece.arguments)
            yield self._event("response.function_call_arguments.delta", **_place(call), delta=piece.arguments)


def _place(item: _Item, **more: JsonValue) -> dict[str, JsonValue]:
    return {"item_id": item.id, "output_index": item.at, **more}
