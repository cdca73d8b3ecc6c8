"""Gemini streams, decoded. A finish reason is the terminal marker; usage stands in the same chunk or follows."""

from collections.abc import Iterator

from omniroute_agent.kernel.chat import ChatEvent, Finished, ReasoningDelta, TextDelta, ToolCallDelta, UsageSeen
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.errors import StreamedError, Truncated
from omniroute_agent.wire.gemini.errors import read_error
from omniroute_agent.wire.gemini.words import ID, finish_of
from omniroute_agent.wire.gemini.words import read_usage as usage_of
from omniroute_agent.wire.members import Members, compact, event_object, refuse_answer
from omniroute_agent.wire.proof import proof_by
from omniroute_agent.wire.sse import ServerSentEvent


class GeminiDecoder:
    def __init__(self, quirks: Quirks | None = None) -> None:  # noqa: ARG002 (no quirk touches these streams; all decoders are made alike)
        self._model: str | None = None
        self._answer_id: str | None = None
        self._calls = 0
        self._finished = False

    def feed(self, event: ServerSentEvent) -> Iterator[ChatEvent]:
        data = event.data.strip()
        if not data or data == "[DONE]":
            return
        body = event_object(data)
        if body.get("error"):
            raise StreamedError(read_error(body))
        yield from self.chunk(Members(body, "", refuse_answer))

    def close(self) -> None:
        if not self._finished:
            raise Truncated("The stream ended before its terminal marker.")

    def chunk(self, chunk: Members) -> Iterator[ChatEvent]:
        """The events of one chunk; a whole answer is a chunk as well."""
        # Some of Google's own servers wrap each chunk.
        chunk = chunk.inside_or_none("response") or chunk
        self._model = chunk.text_or_none("modelVersion") or self._model
        self._answer_id = chunk.text_or_none("responseId") or self._answer_id
        candidates = chunk.each("candidates")
        word, message = None, None
        for candidate in candidates:
            if candidate.count_or_none("index") or self._finished:
                continue
            if (content := candidate.inside_or_none("content")) is not None:
                for part in content.each("parts"):
                    yield from self._part(part)
            word = candidate.text_or_none("finishReason") or word
            message = candidate.text_or_none("finishMessage") or message
        usage = usage_of(chunk.inside_or_none("usageMetadata"))
        if usage is not None:
            yield UsageSeen(usage)
        blocked = chunk.inside_or_none("promptFeedback")
        if self._finished:
            return
        if word is not None and word != "FINISH_REASON_UNSPECIFIED":
            self._finished = True
            yield Finished(finish_of(word, message, called=self._calls > 0), self._model)
        elif not candidates and blocked is not None and blocked.text_or_none("blockReason"):
            # The prompt was refused; no candidate will come.
            self._finished = True
            yield Finished("content_filter", self._model)

    def _part(self, part: Members) -> Iterator[ChatEvent]:
        """A part carries one thing and perhaps a signature, which stands before a call and after anything else."""
        given = part.text_or_none("thoughtSignature")
        signature = proof_by(ID, given) if given else None
        call = part.inside_or_none("functionCall")
        text = part.text_or_none("text")
        if part.flag_or_none("thought"):
            if text or signature:
                yield ReasoningDelta(text or "", signature)
            return
        if text:
            yield TextDelta(text)
        if signature is not None:
            yield ReasoningDelta(signature=signature)
        if call is not None:
            yield self._call(call)

    def _call(self, call: Members) -> ToolCallDelta:
        index = self._calls
        self._calls += 1
        # Where a server gives no ids, the answer's own keeps those of different turns apart.
        call_id = call.text_or_none("id") or (f"{self._answer_id}_{index}" if self._answer_id else f"call_{index}")
        arguments = compact(call.object_or_none("args") or {})
        return ToolCallDelta(index, call_id, call.text("name"), arguments)
