"""What the owner is asked when nothing but guards that ask stands between a request and an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from omniroute_agent.engine.decision import Choice, Plan
from omniroute_agent.engine.eligibility import NEEDS_CONSENT
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.sameness import fingerprint
from omniroute_agent.kernel.money import usd

SPEND: Final = "spend_beyond_guard"

_SHOWN: Final = 3
"""Targets named in a question; all of them are among its facts."""

WITHOUT_END: Final = 2**53
"""Agreed to for one moment only: to see what there would be to choose from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One request that may be sent when the owner agrees."""

    arguments: Mapping[str, JsonValue]
    """It and what it may cost: a yes is for just this."""
    question: str
    facts: Mapping[str, object]
    most: int
    """Nano-dollars it may cost over all its attempts."""


def must_ask(plan: Plan) -> bool:
    return not plan.choices and any(exclusion.reason == NEEDS_CONSENT for exclusion in plan.excluded)


def wish_of(request: Request, unlimited: Plan) -> Wish:
    """`unlimited` is the plan there would be if the guards that ask said nothing."""
    # If one target after the other answers badly, each of them is billed.
    most = sum(choice.worst_cost or 0 for choice in unlimited.choices)
    unpriced = any(choice.worst_cost is None for choice in unlimited.choices)
    price = "at a price nobody knows" if unpriced else f"for at most {usd(most)} USD"
    return Wish(
        arguments={"request": fingerprint(request), "most_usd": usd(most), "unpriced": unpriced},
        question=f"May `{request.caller.id}` send one request {price} to {_names(unlimited)}, beyond its guard?",
        facts={"options": [_option(choice) for choice in unlimited.choices]},
        most=most,
    )


def _names(plan: Plan) -> str:
    shown = [choice.target for choice in plan.choices[:_SHOWN]]
    more = len(plan.choices) - len(shown)
    return ", else ".join(shown) + (f" or {more} more" if more else "")


def _option(choice: Choice) -> dict[str, str | None]:
    expected, worst = choice.expected_cost, choice.worst_cost
    return {
        "target": choice.target,
        "expected_usd": None if expected is None else usd(expected),
        "worst_usd": None if worst is None else usd(worst),
    }
