"""Gemini streams, encoded: every piece is a chunk of its own, finish reason and usage stand in the last one."""

from collections.abc import Iterable
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
from omniroute_agent.wire.calls import WholeCalls
from omniroute_agent.wire.errors import ErrorReport
from omniroute_agent.wire.gemini.answer import call_part, signature_alone, thought_part
from omniroute_agent.wire.gemini.errors import write_error
from omniroute_agent.wire.gemini.words import FINISH_WORD, shown_signature, write_usage
from omniroute_agent.wire.members import compact

_CUT: Final = ErrorReport(message="The answer broke off before its end.", type="INTERNAL")


class GeminiEncoder:
    """Calls are whole here, so they wait for text, reasoning or the end; a signature waits for what follows it."""

    def __init__(self, *, id: str, model: str, created: int, include_usage: bool) -> None:  # noqa: A002, ARG002 (the dialects' own words; this one has no date and always usage)
        self._tail: dict[str, JsonValue] = {"modelVersion": model, "responseId": id}
        self._calls = WholeCalls()
        self._signature: str | None = None
        self._usage: Usage | None = None
        self._finish: FinishReason | None = None

    def encode(self, event: ChatEvent) -> bytes:
        match event:
            case TextDelta(text):
                return self._chunk([*self._waiting(), {"text": text}]) if text else b""
            case ReasoningDelta(text, signature, redacted):
                parts = self._waiting() if text or signature or redacted else []
                self._signature = shown_signature(signature, redacted)
                if text:
                    parts.append(thought_part(text))
                return self._chunk(parts)
            case ToolCallDelta():
                if self._calls.add(event, self._signature):
                    self._signature = None
            case UsageSeen(usage):
                self._usage = usage
            case Finished(reason):
                self._finish = reason
        return b""

    def finish(self) -> bytes:
        if self._finish is None:
            return self.fail(_CUT)
        candidate: dict[str, JsonValue] = {
            "content": {"role": "model", "parts": self._waiting() or [{"text": ""}]},
            "finishReason": FINISH_WORD[self._finish],
            "index": 0,
        }
        body: dict[str, JsonValue] = {"candidates": [candidate]}
        if self._usage is not None:
            body["usageMetadata"] = write_usage(self._usage)
        return _event({**body, **self._tail})

    def fail(self, report: ErrorReport) -> bytes:
        # No finish reason follows: a client that skips the error must still see that the end is missing.
        return _event(write_error(report, 500))

    def _waiting(self) -> list[JsonValue]:
        parts: list[JsonValue] = [call_part(call, signature) for call, signature in self._calls.take()]
        parts += signature_alone(self._signature)
        self._signature = None
        return parts

    def _chunk(self, parts: Iterable[JsonValue]) -> bytes:
        listed = list(parts)
        if not listed:
            return b""
        candidate: JsonValue = {"content": {"role": "model", "parts": listed}, "index": 0}
        return _event({"candidates": [candidate], **self._tail})


def _event(data: JsonValue) -> bytes:
    return f"data: {compact(data)}\n\n".encode("utf-8", "replace")
