"""Words that both directions of the dialect share: stop reasons, usage, ids of calls."""

import re
import zlib
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import FinishReason, Usage
from omniroute_agent.wire.members import Members

ID: Final = "anthropic-messages"

FINISH_OF: Final[Mapping[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    # Only the provider's own tools pause a turn; nothing is left to do here.
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
STOP_WORD: Final[Mapping[FinishReason, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
}


def finish_of(word: str, *, called: bool) -> FinishReason:
    """An unknown word counts as an ordinary end; whoever called tools wants their results, whatever the word."""
    reason = FINISH_OF.get(word, "stop")
    return "tool_calls" if called and reason == "stop" else reason


class Counts:
    """Usage as it grows: every report is cumulative, and some servers report 0 for what they said before."""

    _FIELDS: Final = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def add(self, node: Members | None) -> None:
        if node is None:
            return
        for field in self._FIELDS:
            self._raise_to(field, node.count_or_none(field))
        if (details := node.inside_or_none("output_tokens_details")) is not None:
            self._raise_to("thinking_tokens", details.count_or_none("thinking_tokens"))

    def _raise_to(self, field: str, count: int | None) -> None:
        if count is not None:
            self._seen[field] = max(count, self._seen.get(field, 0))

    @property
    def usage(self) -> Usage | None:
        """None while a count is missing: unknown is not 0. The dialect's input excludes the cache, ours includes it."""
        seen = self._seen
        if "input_tokens" not in seen or "output_tokens" not in seen:
            return None
        read, written = seen.get("cache_read_input_tokens", 0), seen.get("cache_creation_input_tokens", 0)
        return Usage(
            input_tokens=seen["input_tokens"] + read + written,
            output_tokens=seen["output_tokens"],
            cache_read_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=seen.get("thinking_tokens", 0),
        )


def write_usage(usage: Usage | None) -> dict[str, JsonValue]:
    """The dialect requires counts, so an unknown usage is written as zeros."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    written: dict[str, JsonValue] = {
        "input_tokens": max(usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens, 0),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        written["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return written


_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_-]")


def call_id(foreign: str) -> str:
    """The dialect allows letters, digits, `_` and `-`; other ids are spelled with a checksum that keeps them apart."""
    if foreign and not _FOREIGN.search(foreign):
        return foreign
    return f"{_FOREIGN.sub('_', foreign) or 'call'}_{zlib.crc32(foreign.encode('utf-8', 'replace')):08x}"
