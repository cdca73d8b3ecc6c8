"""Ollama streams, encoded: every piece is a line of its own, done reason and usage stand in the last one."""

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
from omniroute_agent.wire.members import compact
from omniroute_agent.wire.ollama.answer import write_error
from omniroute_agent.wire.ollama.words import FINISH_WORD, date_of, write_usage, written_call

_CUT: Final = ErrorReport(message="The answer broke off before its end.")


class OllamaEncoder:
    """Calls are whole here, so they wait for text, thinking or the end."""

    def __init__(self, *, id: str, model: str, created: int, include_usage: bool) -> None:  # noqa: A002, ARG002 (the dialects' own words; this one has no ids and always usage)
        self._head: dict[str, JsonValue] = {"model": model, "created_at": date_of(created)}
        self._calls = WholeCalls()
        self._called = 0
        self._usage: Usage | None = None
        self._finish: FinishReason | None = None

    def encode(self, event: ChatEvent) -> bytes:
        match event:
            case TextDelta(text):
                return self._waiting() + self._message({"content": text}) if text else b""
            case ReasoningDelta(text):
                # Signatures and sealed thinking have no field here.
                return self._waiting() + self._message({"content": "", "thinking": text}) if text else b""
            case ToolCallDelta():
                self._calls.add(event)
            case UsageSeen(usage):
                self._usage = usage
            case Finished(reason):
                self._finish = reason
        return b""

    def finish(self) -> bytes:
        if self._finish is None:
            return self.fail(_CUT)
        end: dict[str, JsonValue] = {
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": FINISH_WORD[self._finish],
        }
        return self._waiting() + _line({**self._head, **end, **write_usage(self._usage)})

    def fail(self, report: ErrorReport) -> bytes:
        # No `done` follows: a client that skips the error must still see that the end is missing.
        return _line(write_error(report, 500))

    def _waiting(self) -> bytes:
        calls: list[JsonValue] = []
        for call, _ in self._calls.take():
            calls.append(written_call(call, self._called))
            self._called += 1
        return self._message({"content": "", "tool_calls": calls}) if calls else b""

    def _message(self, message: dict[str, JsonValue]) -> bytes:
        return _line({**self._head, "message": {"role": "assistant", **message}, "done": False})


def _line(data: JsonValue) -> bytes:
    return f"{compact(data)}\n".encode("utf-8", "replace")
