"""Words that both directions of the dialect share: how an answer ended, usage, dates, thinking, calls."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import FinishReason, ToolCall, Usage
from omniroute_agent.wire.members import Members
from omniroute_agent.wire.neutral import Effort, input_of

ID: Final = "ollama"

_FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "refusal": "refusal",
}
FINISH_WORD: Final[Mapping[FinishReason, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
    # The server itself has no such words; `stop` would let what was withheld pass for an answer.
    "content_filter": "content_filter",
    "refusal": "refusal",
}


def finish_of(word: str | None, *, called: bool) -> FinishReason:
    """An unknown word counts as an ordinary end; whoever called tools wants their results, whatever the word."""
    reason = _FINISH.get(word or "stop", "stop")
    return "tool_calls" if called and reason == "stop" else reason


def read_usage(node: Members) -> Usage | None:
    """None when a count is missing, as in some answers to a prompt that was cached: unknown is not 0."""
    prompt, answer = node.count_or_none("prompt_eval_count"), node.count_or_none("eval_count")
    return None if prompt is None or answer is None else Usage(input_tokens=prompt, output_tokens=answer)


def write_usage(usage: Usage | None) -> dict[str, JsonValue]:
    if usage is None:
        return {}
    return {"prompt_eval_count": usage.input_tokens, "eval_count": usage.output_tokens}


def date_of(created: int) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")


def think_of(effort: Effort, model: str) -> bool | str:
    """Most models take thinking on or off. gpt-oss takes a level and cannot do without."""
    if "gpt-oss" not in model:
        return effort != "none"
    return "low" if effort in ("none", "minimal", "low") else "medium" if effort == "medium" else "high"


def effort_of(think: bool | str) -> Effort | None:
    """On means the middle: the dialect names no measure."""
    match think:
        case False:
            return "none"
        case True:
            return "medium"
        case "low" | "medium" | "high":
            return think
        case "max":
            return "xhigh"
        case _:
            return None


def written_call(call: ToolCall, index: int) -> dict[str, JsonValue]:
    function: dict[str, JsonValue] = {"index": index, "name": call.name, "arguments": input_of(call.arguments)}
    return {"id": call.id, "type": "function", "function": function}
