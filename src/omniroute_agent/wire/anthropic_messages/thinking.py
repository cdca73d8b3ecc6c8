"""How a model takes thinking and sampling: the one place where a model's name decides what is written.

Source: the pages on adaptive thinking, effort and migration to Sonnet 5 at https://platform.claude.com/docs (2026-11).
Up to 4.5 thinking has a budget of tokens; 4.6 and later decide for themselves under an effort; from Opus 4.7 and
Sonnet 5 on a budget and the sampling parameters are refused with 400. Models of other makers behind this dialect follow
its older form.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import Chat, Message, Reasoning, ToolCall, ToolResult
from omniroute_agent.wire.anthropic_messages.words import ID
from omniroute_agent.wire.neutral import Effort
from omniroute_agent.wire.proof import own_proof

BUDGETS: Final[Mapping[Effort, int]] = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768}
"""Tokens of thinking by effort. Anthropic publishes no such table; 1,024 is its least, the rest are our choice."""

LEAST_BUDGET: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    adaptive: bool
    """Takes `thinking: adaptive` with `output_config.effort`; else a budget."""
    xhigh: bool = False
    """Takes the effort `xhigh`."""
    sampling: bool = True
    """Takes temperature and top_p, one of the two."""


_BUDGETED: Final = Manners(adaptive=False)
_EARLY_ADAPTIVE: Final = Manners(adaptive=True)
_LATER: Final = Manners(adaptive=True, xhigh=True, sampling=False)

_BY_NAME: Final[tuple[tuple[re.Pattern[str], Manners], ...]] = (
    (re.compile(r"claude-(2|3|instant|4([-.][0-5])?-(opus|sonnet|haiku))"), _BUDGETED),
    (re.compile(r"claude-(opus|sonnet|haiku)-4([-.@][0-5])?(?![-.]?\d(?!\d{5}))"), _BUDGETED),
    (re.compile(r"claude-(opus|sonnet)-4[-.]6"), _EARLY_ADAPTIVE),
    (re.compile(r"claude-"), _LATER),
)


def manners_of(model: str) -> Manners:
    return next((manners for name, manners in _BY_NAME if name.search(model)), _BUDGETED)


def is_claude(model: str) -> bool:
    return "claude-" in model


def thinking_fields(chat: Chat, *, model: str, max_tokens: int) -> dict[str, JsonValue]:
    """`thinking` and the effort of `output_config`, in the form this model takes.

    A caller of this dialect keeps its own words as far as the model takes them. Thinking is left out where the API
    refuses it: with a forced tool, with too few tokens, and with a budget in the middle of a tool loop whose calls were
    made without thinking (by another provider). `none` asks for the least that every adaptive model takes: low effort.
    """
    manners = manners_of(model)
    if chat.origin == ID and (own := _own_words(chat, manners, max_tokens)) is not None:
        return own
    effort = chat.reasoning_effort
    forced = chat.tool_choice is not None and chat.tool_choice.mode in ("required", "named")
    if effort is None:
        return {}
    if manners.adaptive:
        fields: dict[str, JsonValue] = {"output_config": {"effort": _adaptive_effort(effort, manners)}}
        return fields if effort == "none" or forced else {"thinking": {"type": "adaptive"}, **fields}
    if effort == "none" or forced or _called_without_thinking(chat.messages):
        return {}
    # At least half of the cap is left to the answer.
    budget = min(BUDGETS[effort], max_tokens // 2)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= LEAST_BUDGET else {}


def _own_words(chat: Chat, manners: Manners, max_tokens: int) -> dict[str, JsonValue] | None:
    """The caller's own fields when this model takes them; None when they must be derived anew."""
    thinking = chat.rest.get("thinking")
    output = chat.rest.get("output_config")
    kind = thinking.get("type") if isinstance(thinking, Mapping) else None
    if kind == ("enabled" if manners.adaptive else "adaptive"):
        return None
    match thinking:
        case {"type": "enabled", "budget_tokens": int(budget)} if budget >= max_tokens:
            return None  # the engine may have lowered the cap below the caller's budget
        case _:
            pass
    found: dict[str, JsonValue] = {} if thinking is None else {"thinking": thinking}
    if isinstance(output, Mapping) and "effort" in output and manners.adaptive:
        found["output_config"] = {"effort": output["effort"]}
    return found


def _adaptive_effort(effort: Effort, manners: Manners) -> str:
    if effort in ("none", "minimal"):
        return "low"
    return "high" if effort == "xhigh" and not manners.xhigh else effort


def _called_without_thinking(messages: tuple[Message, ...]) -> bool:
    """Whether the chat ends in results of calls that no signed thinking led to."""
    turns = [message for message in messages if message.role != "system"]
    if not turns or not any(isinstance(part, ToolResult) for part in turns[-1].parts):
        return False
    caller = next((message for message in reversed(turns) if message.role == "assistant"), None)
    if caller is None or not any(isinstance(part, ToolCall) for part in caller.parts):
        return False
    return not any(isinstance(p, Reasoning) and (p.redacted or own_proof(ID, p.signature)) for p in caller.parts)


_EFFORT_OF: Final[Mapping[str, Effort]] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    # Above our scale; its top stands for it.
    "max": "xhigh",
}


def effort_of(thinking: JsonValue, effort: str | None) -> Effort | None:
    """The neutral effort of what a caller of this dialect wrote; None leaves it to the model."""
    if effort is not None and effort in _EFFORT_OF:
        return _EFFORT_OF[effort]
    match thinking:
        case {"type": "disabled"}:
            return "none"
        case {"type": "enabled", "budget_tokens": int(budget)}:
            for word, tokens in BUDGETS.items():
                if tokens >= budget:
                    return word
            return "xhigh"
        case _:
            return None
