"""Messages streams, decoded. `message_stop` is the terminal marker; usage is reported before it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from omniroute_agent.kernel.chat import ChatEvent, Finished, ReasoningDelta, TextDelta, ToolCallDelta, UsageSeen
from omniroute_agent.wire.anthropic_messages.words import Counts, finish_of
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.errors import StreamedError, Truncated
from omniroute_agent.wire.members import Members, compact, event_object, refuse_answer
from omniroute_agent.wire.neutral import error_report
from omniroute_agent.wire.sse import ServerSentEvent


@dataclass(slots=True)
class _Block:
    """A content block while it is open."""

    call: int | None = None
    """Index of the neutral call."""
    whole_input: str = ""
    """A call's input when a server gave it at the start instead of in pieces."""
    has_pieces: bool = False
    signature: list[str] = field(default_factory=list)


class AnthropicDecoder:
    def __init__(self, quirks: Quirks) -> None:  # noqa: ARG002 (no quirk touches these streams; all decoders are made alike)
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._counts = Counts()
        self._model: str | None = None
        self._stop: str | None = None
        self._finished = False

    def feed(self, event: ServerSentEvent) -> Iterator[ChatEvent]:
        if not event.data.strip() or self._finished:
            return
        body = event_object(event.data)
        if body.get("type") == "error" or event.event == "error" or body.get("error"):
            raise StreamedError(error_report(body))
        node = Members(body, "", refuse_answer)
        # Events of types that came later than this reader are skipped, as the reference asks.
        match node.text_or_none("type"):
            case "content_block_delta":
                yield from self._delta(node)
            case "content_block_start":
                yield from self._start(node)
            case "content_block_stop":
                yield from self._end_of_block(node)
            case "message_start":
                message = node.inside("message")
                self._model = message.text_or_none("model")
                yield from self._usage(message)
            case "message_delta":
                self._stop = node.inside("delta").text_or_none("stop_reason") or self._stop
                yield from self._usage(node)
            case "message_stop":
                yield self._end()
            case _:
                pass

    def close(self) -> None:
        if not self._finished:
            raise Truncated("The stream ended before its terminal marker.")

    def _end(self) -> Finished:
        if self._stop is None:
            # A proxy in between may close a stream that was cut behind it with a marker of its own.
            raise Truncated("The stream said it was done but never why.")
        self._finished = True
        return Finished(finish_of(self._stop, called=self._calls > 0), self._model)

    def _usage(self, node: Members) -> Iterator[ChatEvent]:
        self._counts.add(node.inside_or_none("usage"))
        if (usage := self._counts.usage) is not None:
            yield UsageSeen(usage)

    def _start(self, node: Members) -> Iterator[ChatEvent]:
        index, content = node.count_or_none("index") or 0, node.inside("content_block")
        block = self._blocks[index] = _Block()
        match content.text_or_none("type"):
            case "text":
                if text := content.text_or_none("text"):
                    yield TextDelta(text)
            case "thinking":
                if text := content.text_or_none("thinking"):
                    yield ReasoningDelta(text)
                block.signature.append(content.text_or_none("signature") or "")
            case "redacted_thinking":
                yield ReasoningDelta(redacted=content.text("data"))
            case "tool_use":
                block.call = self._calls
                self._calls += 1
                if given := content.object_or_none("input"):
                    block.whole_input = compact(given)
                yield ToolCallDelta(block.call, content.text("id"), content.text("name"))
            case _:
                pass

    def _delta(self, node: Members) -> Iterator[ChatEvent]:
        block = self._blocks.setdefault(node.count_or_none("index") or 0, _Block())
        delta = node.inside("delta")
        match delta.text_or_none("type"):
            case "text_delta":
                if text := delta.text("text"):
                    yield TextDelta(text)
            case "thinking_delta":
                if text := delta.text("thinking"):
                    yield ReasoningDelta(text)
            case "signature_delta":
                block.signature.append(delta.text("signature"))
            case "input_json_delta":
                piece = delta.text("partial_json")
                if piece and block.call is not None:
                    block.has_pieces = True
                    yield ToolCallDelta(block.call, arguments=piece)
            case _:
                pass

    def _end_of_block(self, node: Members) -> Iterator[ChatEvent]:
        block = self._blocks.pop(node.count_or_none("index") or 0, None)
        if block is None:
            return
        if signature := "".join(block.signature):
            yield ReasoningDelta(signature=signature)
        if block.call is not None and not block.has_pieces:
            # A call without arguments sends no piece; its arguments are still an object.
            yield ToolCallDelta(block.call, arguments=block.whole_input or "{}")
