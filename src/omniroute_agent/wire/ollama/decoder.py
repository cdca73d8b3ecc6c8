"""Ollama streams, decoded. The line that says `done` is the terminal marker; usage is in it."""

from collections.abc import Iterator

from omniroute_agent.kernel.chat import ChatEvent, Finished, ReasoningDelta, TextDelta, ToolCallDelta, UsageSeen
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.errors import StreamedError, Truncated
from omniroute_agent.wire.members import Members, compact, event_object, refuse_answer
from omniroute_agent.wire.neutral import error_report
from omniroute_agent.wire.ollama.words import finish_of, read_usage
from omniroute_agent.wire.sse import ServerSentEvent


class OllamaDecoder:
    def __init__(self, quirks: Quirks | None = None) -> None:  # noqa: ARG002 (no quirk touches these streams; all decoders are made alike)
        self._calls = 0
        self._finished = False

    def feed(self, event: ServerSentEvent) -> Iterator[ChatEvent]:
        if not event.data.strip() or self._finished:
            return
        body = event_object(event.data)
        if body.get("error"):
            raise StreamedError(error_report(body))
        yield from self.line(Members(body, "", refuse_answer))

    def close(self) -> None:
        if not self._finished:
            raise Truncated("The stream ended before its terminal marker.")

    def line(self, line: Members) -> Iterator[ChatEvent]:
        """The events of one line; a whole answer is a line as well. It may carry thinking, text and calls at once."""
        if (message := line.inside_or_none("message")) is not None:
            if thought := message.text_or_none("thinking"):
                yield ReasoningDelta(thought)
            if text := message.text_or_none("content"):
                yield TextDelta(text)
            for node in message.each("tool_calls"):
                yield self._call(node)
        model, done = line.text_or_none("model"), line.flag_or_none("done")
        usage, word = read_usage(line), line.text_or_none("done_reason")
        if done:
            if usage is not None:
                yield UsageSeen(usage)
            self._finished = True
            yield Finished(finish_of(word, called=self._calls > 0), model)

    def _call(self, node: Members) -> ToolCallDelta:
        index = self._calls
        self._calls += 1
        function = node.inside("function")
        arguments = function.take("arguments")
        match arguments:
            case None:
                written = "{}"
            case dict():
                written = compact(arguments)
            case str():
                written = arguments or "{}"  # of servers that imitate this one
            case _:
                raise function.refused_value("arguments", arguments, "an object")
        return ToolCallDelta(index, node.text_or_none("id") or f"call_{index}", function.text("name"), written)
