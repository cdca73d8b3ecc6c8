"""Responses streams, decoded. `response.completed` or `response.incomplete` is the terminal marker; usage is in it."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from omniroute_agent.kernel.chat import (
    ChatAnswer,
    ChatEvent,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageSeen,
)
from omniroute_agent.kernel.fold import events_of
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.errors import ErrorReport, StreamedError, Truncated
from omniroute_agent.wire.members import Members, event_object, refuse_answer
from omniroute_agent.wire.neutral import error_report
from omniroute_agent.wire.openai_responses.answer import read_output
from omniroute_agent.wire.openai_responses.words import finish_of, proof_of_item, read_usage, thought_in
from omniroute_agent.wire.sse import ServerSentEvent


@dataclass(slots=True)
class _Item:
    """An item of the output while it is open."""

    call: int | None = None
    """Index of the neutral call."""
    said: bool = False
    """Pieces of it came; without any, its end holds the whole."""


class ResponsesDecoder:
    def __init__(self, quirks: Quirks) -> None:  # noqa: ARG002 (no quirk touches these streams; all decoders are made alike)
        self._items: dict[int, _Item] = {}
        self._calls = 0
        self._began = False
        self._refused = False
        self._finished = False

    def feed(self, event: ServerSentEvent) -> Iterator[ChatEvent]:
        data = event.data.strip()
        if not data or data == "[DONE]" or self._finished:
            return
        body = event_object(data)
        node = Members(body, "", refuse_answer)
        match node.text_or_none("type"):
            case "response.completed" | "response.incomplete":
                yield from self._end(node.inside("response"))
            case "response.failed":
                raise StreamedError(error_report(node.inside("response").take("error")))
            case "error":
                raise StreamedError(_report_of(body))
            case None if body.get("error"):
                raise StreamedError(error_report(body))
            case kind:
                yield from self._piece(kind, node)

    def close(self) -> None:
        if not self._finished:
            raise Truncated("The stream ended before its terminal marker.")

    def _piece(self, kind: str | None, node: Members) -> Iterator[ChatEvent]:
        """Events of types that came later than this reader are skipped, as are those of the provider's own tools."""
        match kind:
            case "response.output_text.delta":
                yield from self._text(node)
            case "response.refusal.delta":
                self._refused = True
                yield from self._text(node)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                yield from self._thought(node, node.text("delta"))
            case "response.reasoning_summary_part.added" if node.count_or_none("summary_index"):
                # The parts of a summary are paragraphs.
                yield from self._thought(node, "\n\n")
            case "response.function_call_arguments.delta":
                yield from self._arguments(node)
            case "response.output_item.added":
                yield from self._added(node)
            case "response.output_item.done":
                yield from self._done(node)
            case _:
                pass

    def _item(self, node: Members) -> _Item:
        return self._items.setdefault(node.count_or_none("output_index") or 0, _Item())

    def _text(self, node: Members) -> Iterator[ChatEvent]:
        if text := node.text("delta"):
            self._began = self._item(node).said = True
            yield TextDelta(text)

    def _thought(self, node: Members, text: str) -> Iterator[ChatEvent]:
        if text:
            self._began = self._item(node).said = True
            yield ReasoningDelta(text)

    def _arguments(self, node: Members) -> Iterator[ChatEvent]:
        item = self._item(node)
        piece = node.text("delta")
        if piece and item.call is not None:
            item.said = True
            yield ToolCallDelta(item.call, arguments=piece)

    def _added(self, node: Members) -> Iterator[ChatEvent]:
        item, content = self._item(node), node.inside("item")
        if content.text_or_none("type") == "function_call" and item.call is None:
            yield from self._begin_call(item, content)

    def _begin_call(self, item: _Item, content: Members) -> Iterator[ChatEvent]:
        self._began = True
        item.call = self._calls
        self._calls += 1
        yield ToolCallDelta(item.call, content.text_or_none("call_id") or f"call_{item.call}", content.text("name"))

    def _done(self, node: Members) -> Iterator[ChatEvent]:
        item, content = self._item(node), node.inside("item")
        match content.text_or_none("type"):
            case "function_call":
                if item.call is None:
                    yield from self._begin_call(item, content)
                if not item.said and item.call is not None:
                    # A call without arguments sends no piece; its arguments are still an object.
                    yield ToolCallDelta(item.call, arguments=content.text_or_none("arguments") or "{}")
            case "message" if not item.said:
                for part in content.each("content"):
                    refusal = part.text_or_none("refusal")
                    self._refused = self._refused or bool(refusal)
                    if text := refusal or part.text_or_none("text"):
                        self._began = True
                        yield TextDelta(text)
            case "reasoning":
                if not item.said and (text := thought_in(content)):
                    yield ReasoningDelta(text)
                if encrypted := content.text_or_none("encrypted_content"):
                    self._began = True
                    signature, redacted = proof_of_item(content.text_or_none("id"), encrypted)
                    yield ReasoningDelta(signature=signature, redacted=redacted)
            case _:
                pass
        item.said = True

    def _end(self, response: Members) -> Iterator[ChatEvent]:
        if not self._began:
            # A server that streams its end only.
            parts, self._refused = read_output(response)
            for event in events_of(ChatAnswer(parts=parts, finish="stop")):
                if not isinstance(event, Finished):
                    self._calls += isinstance(event, ToolCallDelta)
                    yield event
        usage = read_usage(response.inside_or_none("usage"))
        if usage is not None:
            yield UsageSeen(usage)
        model = response.text_or_none("model")
        self._finished = True
        yield Finished(finish_of(response, called=self._calls > 0, refused=self._refused), model)


def _report_of(body: dict[str, JsonValue]) -> ErrorReport:
    """The error event says its error beside its type, or wrapped as in an error body."""
    return error_report(body if body.get("error") else {**body, "type": None})
