"""Who leads a plan once outcomes are known: Thompson sampling over Beta posteriors. Pure.

Thompson sampling chooses a target with the probability that it is the best one. Here that probability is computed on a
grid and then drawn from with one of the situation's dice, so the chance of every choice is known exactly: it is shown,
stored, and what comes of it can be weighed afterwards (`learner.py`).
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from math import exp, log, prod
from typing import Final

from omniroute_agent.engine.decision import Factor
from omniroute_agent.engine.situation import Situation
from omniroute_agent.engine.strategies import Ranked
from omniroute_agent.engine.strategies.auto import incident_now
from omniroute_agent.engine.strategies.chance import draws
from omniroute_agent.engine.strategies.knobs import ADAPT, Options
from omniroute_agent.kernel.outcome import Arm

ANY_TASK: Final = "other"
"""The class of requests whose task nobody said and nothing told."""

FACTOR: Final = "learner"
"""Its name among a choice's factors: value is the mean reward, weight the chance to lead."""

ENOUGH: Final = 20.0
"""Outcomes of a task, over all targets of the plan, below which the strategy decides alone."""

MOST_ARMS: Final = 8
"""Targets in play, the strategy's best; a short list learns sooner."""

EXPLORATION: Final = 0.04
"""Share of requests spread evenly, so that no target is forgotten and every chance stays above 0."""

HALF_LIFE: Final = 7 * 86_400.0
"""Seconds after which an outcome counts half: models and prices change."""

MEMORY: Final = 200.0
"""Outcomes a target is remembered by at most, so that a change shows within as many requests."""

_CELLS: Final = 96
_LOGS: Final = tuple((log(x), log(1 - x)) for x in ((cell + 0.5) / _CELLS for cell in range(_CELLS)))
_LATE: Final = 64
"""Draws left to the strategy: the learner's own comes after them."""


def may_learn(strategy: str, options: Options) -> bool:
    """Whether the combo's owner left the order to the program: `auto`, or `adapt` is set."""
    return strategy == "auto" or ADAPT.read(options) is True


def yields(strategy: str, own: str) -> bool:
    """Whether the strategy in force lets the learner lead; `own` is the combo's. One that a complex or a voluminous
    request forced does not. That for a small one any target will do is what outcomes know better.
    """
    return strategy in (own, "cost-optimized")


def faded(arm: Arm, now: float) -> Arm:
    share = 0.5 ** (max(now - arm.at, 0.0) / HALF_LIFE)
    return Arm(arm.good * share, arm.bad * share, max(now, arm.at))


def learned(arm: Arm, reward: float, now: float) -> Arm:
    """The arm after one more outcome; `reward` lies in [0, 1]."""
    before = faded(arm, now)
    keep = min(1.0, (MEMORY - 1) / before.seen) if before.seen else 1.0
    return Arm(before.good * keep + reward, before.bad * keep + 1 - reward, before.at)


def revised(arm: Arm, *, at: float, was: float, now_is: float) -> Arm:
    """The arm after the reward of an outcome at `at` turned out to be another."""
    weight = 0.5 ** (max(arm.at - at, 0.0) / HALF_LIFE)
    change = weight * (now_is - was)
    return Arm(max(arm.good + change, 0.0), max(arm.bad - change, 0.0), arm.at)


def chances(arms: Sequence[Arm]) -> list[float]:
    """The probability of each to have the highest reward; they sum to 1."""
    curves = [_posterior(round(arm.good, 1), round(arm.bad, 1)) for arm in arms]
    best = [0.0] * len(arms)
    below = [0.0] * len(arms)
    for cell in range(_CELLS):
        here = [curve[cell] for curve in curves]
        # Within one cell nobody is told apart: half of it counts as lower.
        lower = [under + share / 2 for under, share in zip(below, here, strict=True)]
        if all_lower := prod(lower):
            best = [odd + all_lower * share / own for odd, share, own in zip(best, here, lower, strict=True)]
        below = [under + share for under, share in zip(below, here, strict=True)]
    whole = sum(best)
    return [share / whole for share in best] if whole > 0 else [1 / len(arms)] * len(arms)


@lru_cache(maxsize=1024)
def _posterior(good: float, bad: float) -> tuple[float, ...]:
    """Beta(good + 1, bad + 1) over the cells, sum 1."""
    logs = [good * x + bad * rest for x, rest in _LOGS]
    top = max(logs)
    weights = [exp(value - top) for value in logs]
    whole = sum(weights)
    return tuple(weight / whole for weight in weights)


def with_floor(odds: Sequence[float]) -> list[float]:
    """A little of everything, the rest as it was."""
    return [(1 - EXPLORATION) * odd + EXPLORATION / len(odds) for odd in odds]


def drawn(odds: Sequence[float], draw: float) -> int:
    """The place whose stretch of the whole a draw in [0, 1) falls into."""
    for place, odd in enumerate(odds):
        draw -= odd
        if draw < 0:
            return place
    return len(odds) - 1


def relearned(ranked: Sequence[Ranked], situation: Situation) -> tuple[list[Ranked], tuple[str, ...]]:
    """The strategy's order with the learner's first choice in front, and remarks for the plan.

    Nothing changes while the learner is off, while it knows too little of this kind of task, while there is nobody to
    choose from, or in an incident. Who sits out on the strategy's bench is not drawn.
    """
    order, arms = list(ranked), situation.learned
    if arms is None:
        return order, ()
    pool = [r for r in order if r.bench is None][:MOST_ARMS]
    if len(pool) < 2 or incident_now([r.option for r in order], situation):  # noqa: PLR2004 (a choice)
        return order, ()
    known = [faded(arms.get(r.option.name, Arm()), situation.now) for r in pool]
    seen = sum(arm.seen for arm in known)
    if seen < ENOUGH:
        return order, (
            f"The learner knows {seen:.0f} of the {ENOUGH:.0f} outcomes it needs; the strategy decides alone.",
        )
    odds = with_floor(chances(known))
    lead = drawn(odds, next(islice(draws(situation), _LATE, None)))
    shown = {id(r): _shown(r, arm, odd) for r, arm, odd in zip(pool, known, odds, strict=True)}
    first = pool[lead]
    told = (
        f"the learner drew it with a chance of {odds[lead]:.0%}: mean reward {known[lead].mean:.2f} over "
        f"{known[lead].seen:.0f} outcomes; by the strategy: {first.because}"
    )
    rest = [shown.get(id(r), r) for r in order if r is not first]
    return [shown[id(first)]._replace(because=told), *rest], ()


def _shown(ranked: Ranked, arm: Arm, odd: float) -> Ranked:
    mean, chance = round(arm.mean, 3), round(odd, 6)
    factor = Factor(name=FACTOR, value=mean, weight=chance, contribution=round(mean * chance, 5))
    return ranked._replace(factors=(*ranked.factors, factor))
