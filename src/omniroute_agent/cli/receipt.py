"""A receipt in one line, from its JSON form: what an MCP client gets and what a command shows are the same."""

from collections.abc import Mapping
from typing import Any, Final

_REUSED: Final = {"cached": "a kept answer", "joined": "answered together with an equal request"}


def receipt_line(receipt: Mapping[str, Any], finish: str | None = None) -> str:
    """Served by, cost, tokens, time, fallbacks, how it ended when not as usual, request id."""
    pieces = [
        f"served by {receipt['served_by'] or 'nobody'}",
        cost_words(receipt["cost"], receipt["cost_state"]),
        _REUSED.get(receipt.get("reused", "")) or token_words(receipt["usage"]),
        f"{receipt['latency_ms']} ms",
    ]
    fallbacks = max(len(receipt["tried"]) - 1, 0)
    if fallbacks:
        pieces.append(f"{fallbacks} fallback{'s' if fallbacks > 1 else ''}")
    if finish not in (None, "stop"):
        pieces.append(f"ended by {finish}")
    if receipt["replayed"]:
        pieces.append("an earlier answer again")
    return " · ".join((*(piece for piece in pieces if piece), f"request {receipt['request_id']}"))


def cost_words(cost: str | None, state: str) -> str:
    if cost is None:
        return "cost unknown"
    if cost == "0":
        return "free"
    return f"{cost} USD" + ("" if state == "exact" else f" ({state})")


def token_words(usage: Mapping[str, Any] | None) -> str:
    if usage is None:
        return "tokens unknown"
    about = "about " if usage["estimated"] else ""
    return f"{about}{usage['input_tokens']} + {usage['output_tokens']} tokens"
