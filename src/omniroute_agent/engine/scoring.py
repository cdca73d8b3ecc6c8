"""Six factors, their weights, and the score they sum to. Pure arithmetic over one pool of targets.

Every factor is a value from 0 to 1. Cost, latency and spread count relative to the pool: 1 for the best of it, falling
with the distance to the best, measured against the worst. What is unknown takes the mean of what is known, so that it
neither helps nor hurts; only an unknown price counts as the dearest, because it is the owner's money.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import starmap
from typing import Final, NamedTuple

from omniroute_agent.engine.decision import Factor

NEUTRAL: Final = 0.5
"""Stands in where nothing is known of anyone."""

DIVERSITY_WEIGHT: Final = 0.05
"""On top of the six: an evenly used pool survives the outage of any provider."""


class Weights(NamedTuple):
    """They sum to 1."""

    quota: float
    health: float
    cost: float
    latency: float
    task: float
    stability: float


BALANCED: Final = "balanced"

PACKS: Final[Mapping[str, Weights]] = {
    BALANCED: Weights(0.20, 0.25, 0.20, 0.15, 0.10, 0.10),
    "ship-fast": Weights(0.15, 0.30, 0.05, 0.35, 0.10, 0.05),
    "cost-saver": Weights(0.15, 0.20, 0.40, 0.05, 0.10, 0.10),
    "quality-first": Weights(0.10, 0.20, 0.05, 0.05, 0.40, 0.20),
    "offline-friendly": Weights(0.40, 0.30, 0.10, 0.05, 0.00, 0.15),
}

INCIDENT: Final = Weights(0.15, 0.45, 0.00, 0.05, 0.00, 0.35)
"""While most of the pool is down: whoever is steady, whatever it costs."""


class Signals(NamedTuple):
    """What is known of one target, in its own units; None: unknown."""

    quota: float | None
    """Share left, 0 to 1."""
    health: float
    """Breaker × success, 0 to 1."""
    cost: float | None
    """Nano-dollars for this call."""
    latency: float | None
    """Milliseconds to an answer."""
    task: float | None
    """Fitness, 0 to 1."""
    spread: float | None
    """Standard deviation of the latency over its median."""
    success: float
    diversity: float = 0.0
    """How much the pool gains in evenness by using it, 0 to 1."""


class Columns(NamedTuple):
    """The same signals over a whole pool, one column each: 500 targets are scored without a row for each."""

    quota: Sequence[float | None]
    health: Sequence[float]
    cost: Sequence[float | None]
    latency: Sequence[float | None]
    task: Sequence[float | None]
    spread: Sequence[float | None]
    success: Sequence[float]
    diversity: Sequence[float]


class Score(NamedTuple):
    total: float
    """The sum of the contributions."""
    factors: tuple[Factor, ...]
    told: str
    """The total in words."""


def score(pool: Sequence[Signals], weights: Weights) -> list[Score]:
    """One score per target, in the pool's order."""
    return scores(Columns(*zip(*pool, strict=True)), weights) if pool else []


def scores(pool: Columns, weights: Weights) -> list[Score]:
    """One score per target, in the columns' order."""
    success = pool.success
    rows = zip(
        _thousandths(_filled(pool.quota)),
        _thousandths(pool.health),
        _thousandths(_filled(_falling(pool.cost), worst=True)),
        _thousandths(_answering(_falling(pool.latency), success)),
        _thousandths(_filled(pool.task)),
        _thousandths([steady * share for steady, share in zip(_filled(_falling(pool.spread)), success, strict=True)]),
        _thousandths(pool.diversity),
        strict=True,
    )
    return list(starmap(_scoring(weights), rows))


def _thousandths(values: Sequence[float]) -> Iterable[int]:
    return map(int, [value * 1000 + 0.5 for value in values])


@lru_cache(maxsize=8)
def _scoring(weights: Weights) -> Callable[..., Score]:
    """From thousandths to the score. Rounded so, the same values come again with the next request; to make their
    factors anew would be most of what a plan over many targets costs.
    """
    columns: list[Callable[[int], Factor]] = [
        lru_cache(maxsize=1001)(partial(_factor, name, weight))
        for name, weight in zip((*Weights._fields, "diversity"), (*weights, DIVERSITY_WEIGHT), strict=True)
    ]

    @lru_cache(maxsize=8192)
    def scored(*thousandths: int) -> Score:
        factors = [column(value) for column, value in zip(columns, thousandths, strict=True)]
        if not thousandths[-1]:
            factors.pop()
        total = round(sum([factor.contribution for factor in factors]), 5)
        return Score(total, tuple(factors), f"score {total:.3f}")

    return scored


def _factor(name: str, weight: float, thousandths: int) -> Factor:
    value = thousandths / 1000
    return Factor(name, value, weight, round(value * weight, 5))


def unknown(signals: Signals) -> tuple[str, ...]:
    """What stand-ins were taken for, in words."""
    quota, _, cost, latency, task, spread, *_ = signals
    return _named([value is None for value in (quota, cost, latency, task, spread)])


def unknowns(pool: Columns) -> list[str]:
    """The same of each target, in the columns' order, as the end of a sentence; empty: everything is known."""
    columns = (pool.quota, pool.cost, pool.latency, pool.task, pool.spread)
    if not any(None in column for column in columns):
        return [""] * len(pool.health)
    return [_told(*[value is None for value in row]) for row in zip(*columns, strict=True)]


@lru_cache(maxsize=32)
def _told(*absent: bool) -> str:
    return f"; unknown: {', '.join(_named(absent))}" if any(absent) else ""


def _named(absent: Sequence[bool]) -> tuple[str, ...]:
    named = ("quota", "price", "latency", "task fitness", "latency's spread")
    return tuple(name for name, gone in zip(named, absent, strict=True) if gone)


def _falling(amounts: Sequence[float | None]) -> list[float | None]:
    """1 for the smallest, less for more: by the distance to the smallest, measured against the largest."""
    known = [amount for amount in amounts if amount is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    if high <= 0:
        return [None if amount is None else 1.0 for amount in amounts]
    if len(known) == len(amounts):
        return [1 - (amount - low) / high for amount in known]
    return [None if amount is None else 1 - (amount - low) / high for amount in amounts]


def _answering(values: Sequence[float | None], success: Sequence[float]) -> list[float]:
    """A known latency counts failures already; whoever has none because it never answers is not taken for quick."""
    if None not in values:
        return [value for value in values if value is not None]
    filled = _filled(values)
    return [
        stand_in * success[i] if value is None else value
        for i, (value, stand_in) in enumerate(zip(values, filled, strict=True))
    ]


def _filled(values: Sequence[float | None], *, worst: bool = False) -> list[float]:
    """The unknown take the mean of the known, or their worst."""
    known = [value for value in values if value is not None]
    if len(known) == len(values):
        return known
    if not known:
        return [NEUTRAL] * len(values)
    stand_in = min(known) if worst else sum(known) / len(known)
    return [stand_in if value is None else value for value in values]
