"""How a model takes thinking: the one place where a model's name decides what is written.

Source: https://ai.google.dev/gemini-api/docs/thinking and the table of efforts at
https://ai.google.dev/gemini-api/docs/openai (2026-11). 2.5 takes a budget of tokens; 3 and later take a level and
refuse both at once. Earlier models and other families take neither. The newest aliases (`gemini-flash-latest`) name no
number and take levels.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import Chat
from omniroute_agent.wire.gemini.words import ID
from omniroute_agent.wire.neutral import Effort

BUDGETS: Final[Mapping[Effort, int]] = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
}
LEVELS: Final[Mapping[Effort, str]] = {
    "none": "minimal",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    # The package knows a level above, but no page says which models take it.
    "xhigh": "high",
}
LEAST_BUDGET_OF_PRO: Final = 128
"""2.5 Pro cannot do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    budget: bool = False
    level: bool = False
    always: bool = False
    """Cannot do without thinking, and takes no level below low."""
    strict_signatures: bool = False
    """Refuses a call of the current turn without a signature."""
    images_in_results: bool = False
    """Takes images within a function's response."""


_NONE: Final = Manners()
_NAME: Final = re.compile(r"gemini-(?:(?P<major>\d+)(?:\.(?P<minor>\d+))?-)?(?P<kind>[a-z]+)")
_NO_CHAT: Final = re.compile(r"-(image|tts|live|audio|embedding)\b")
_FIRST_WITH_LEVELS: Final[tuple[int, int]] = (3, 0)
_FIRST_WITH_BUDGETS: Final[tuple[int, int]] = (2, 5)


def manners_of(model: str) -> Manners:
    name = _NAME.search(model)
    if name is None or _NO_CHAT.search(model):
        return _NONE
    version = _version(name, model)
    if version >= _FIRST_WITH_LEVELS:
        # Minimal is for the flash models; low is a level of every one.
        return Manners(level=True, always=name["kind"] != "flash", strict_signatures=True, images_in_results=True)
    if version >= _FIRST_WITH_BUDGETS:
        return Manners(budget=True, always=name["kind"] == "pro")
    return _NONE


def _version(name: re.Match[str], model: str) -> tuple[int, int]:
    if name["major"] is not None:
        return int(name["major"]), int(name["minor"] or 0)
    return _FIRST_WITH_LEVELS if model.endswith("-latest") else (0, 0)


def thinking_config(chat: Chat, *, model: str) -> dict[str, JsonValue] | None:
    """`thinkingConfig` in the form this model takes. A caller of this dialect keeps its own words where they fit."""
    manners = manners_of(model)
    own = _own_words(chat)
    if own is not None and _fits(own, manners):
        return own
    effort = chat.reasoning_effort
    if effort is None or not (manners.budget or manners.level):
        return None
    shown: dict[str, JsonValue] = {} if effort == "none" else {"includeThoughts": True}
    if own is not None and "includeThoughts" in own:
        shown = {"includeThoughts": own["includeThoughts"]}
    if manners.level:
        level = LEVELS[effort]
        return {"thinkingLevel": "low" if manners.always and level == "minimal" else level, **shown}
    budget = BUDGETS[effort]
    return {"thinkingBudget": max(budget, LEAST_BUDGET_OF_PRO) if manners.always else budget, **shown}


def _fits(own: Mapping[str, JsonValue], manners: Manners) -> bool:
    return ("thinkingBudget" not in own or manners.budget) and ("thinkingLevel" not in own or manners.level)


def _own_words(chat: Chat) -> dict[str, JsonValue] | None:
    config = chat.rest.get("generationConfig") if chat.origin == ID else None
    thinking = config.get("thinkingConfig") if isinstance(config, Mapping) else None
    return dict(thinking) if isinstance(thinking, Mapping) else None


_EFFORT_OF_LEVEL: Final[Mapping[str, Effort]] = {
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
}
_EFFORT_OF_BUDGET: Final[tuple[tuple[int, Effort], ...]] = (
    (0, "none"),
    (1024, "low"),
    (8192, "medium"),
    (24576, "high"),
)


def effort_of(thinking: Mapping[str, JsonValue]) -> Effort | None:
    """The neutral effort of what a caller of this dialect wrote; None leaves it to the model."""
    level, budget = thinking.get("thinkingLevel"), thinking.get("thinkingBudget")
    if isinstance(level, str):
        return _EFFORT_OF_LEVEL.get(level.lower())
    if not isinstance(budget, int) or isinstance(budget, bool) or budget < 0:
        return None
    for most, effort in _EFFORT_OF_BUDGET:
        if budget <= most:
            return effort
    return "xhigh"
