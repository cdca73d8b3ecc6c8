"""Six factors, their weights, and the score they sum to. Pure arithmetic over one pool of targets.

Every factor is a value from 0 to 1. Cost, latency and spread count relative to the pool: 1 for the best of it, falling
with the distance to the best, measured against the worst. What is unknown takes the mean of what is known, so that it
neither helps nor hurts; only an unknown price counts as the dearest, because it is the owner's money.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import floor
from operator import mul
from typing import Final, NamedTuple, cast

from omniroute_agent.engine.decision import Factor

NEUTRAL: Final = 0.5
"""Stands in where nothing is known of anyone."""

DIVERSITY_WEIGHT: Final = 0.05
"""On top of the six: an evenly used pool survives the outage of any provider."""


class Weights(NamedTuple):
    """Whole percents that sum to 1."""

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


class Scores(NamedTuple):
    """The same over a whole pool."""

    points: Sequence[int]
    """The total in hundredths of a thousandth: contributions are rounded to that."""
    factors: Sequence[tuple[Factor, ...]]


WHOLE: Final = 100_000
"""Points of a total of 1."""


def score(pool: Sequence[Signals], weights: Weights) -> list[Score]:
    """One score per target, in the pool's order."""
    if not pool:
        return []
    found = scores(Columns(*zip(*pool, strict=True)), weights)
    return [Score(points / WHOLE, factors) for points, factors in zip(found.points, found.factors, strict=True)]


def scores(pool: Columns, weights: Weights) -> Scores:
    """In the columns' order. Column by column, because to go through rows takes three times as long."""
    success, bonus = pool.success, any(pool.diversity)
    columns = (
        _thousandths(_filled(pool.quota)),
        _thousandths(pool.health),
        _cheap(pool.cost),
        _quick(pool.latency, success),
        _thousandths(_filled(pool.task)),
        _steady(pool.spread, success),
        _thousandths(pool.diversity) if bonus else [0] * len(success),
    )
    tables, (p0, p1, p2, p3, p4, p5, p6) = _tables(weights)
    points = [
        v0 * p0 + v1 * p1 + v2 * p2 + v3 * p3 + v4 * p4 + v5 * p5 + v6 * p6
        for v0, v1, v2, v3, v4, v5, v6 in zip(*columns, strict=True)
    ]
    shown = len(columns) if bonus else len(Weights._fields)
    looked_up = [map(table.__getitem__, column) for table, column in zip(tables[:shown], columns, strict=False)]
    factors: list[tuple[Factor, ...]] = list(zip(*looked_up, strict=True))
    if bonus:
        factors = [row if more else row[:-1] for row, more in zip(factors, columns[-1], strict=True)]
    return Scores(points, factors)


def _thousandths(values: Iterable[float]) -> list[int]:
    # No value is below 0, and `floor` takes half as long as `int`.
    return [floor(value * 1000 + 0.5) for value in values]


class _Table(dict[int, Factor]):
    """Factor by thousandths. Rounded so, the same values come again with the next request; to make their factors anew
    would be most of what a plan over many targets costs.
    """

    def __init__(self, name: str, weight: float) -> None:
        self._name, self._weight = name, weight

    def __missing__(self, thousandths: int) -> Factor:
        value = thousandths / 1000
        factor = self[thousandths] = Factor(self._name, value, self._weight, round(value * self._weight, 5))
        return factor


@lru_cache(maxsize=8)
def _tables(weights: Weights) -> tuple[tuple[_Table, ...], tuple[int, ...]]:
    """One for each factor, and its weight in percent."""
    named = (*zip(Weights._fields, weights, strict=True), ("diversity", DIVERSITY_WEIGHT))
    return tuple(_Table(name, weight) for name, weight in named), tuple(round(weight * 100) for _, weight in named)


def told(points: Iterable[int], ends: Iterable[str]) -> list[str]:
    """The totals in words, each with the end of its sentence."""
    # Half a thousandth is rounded as floats are.
    return [
        (f"score {point / WHOLE:.3f}" if point % 100 == _HALF else _TOLD[(point + _HALF) // 100]) + end
        for point, end in zip(points, ends, strict=False)
    ]


_HALF: Final = 50
_TOLD: Final = tuple(f"score {thousandths / 1000:.3f}" for thousandths in range(1_051))


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


def _cheap(costs: Sequence[float | None]) -> list[int]:
    return _fallen(costs) or _thousandths(_filled(_falling(costs), worst=True))


def _quick(latencies: Sequence[float | None], success: Sequence[float]) -> list[int]:
    return _fallen(latencies) or _thousandths(_answering(_falling(latencies), success))


def _steady(spreads: Sequence[float | None], success: Sequence[float]) -> list[int]:
    return _thousandths(map(mul, _filled(_falling(spreads)), success))


def _fallen(amounts: Sequence[float | None]) -> list[int] | None:
    """The thousandths of `_falling` in one go, where every amount is known; else None."""
    if None in amounts:
        return None
    known = cast("Sequence[float]", amounts)
    low, high = min(known), max(known)
    return [floor((1 - (amount - low) / high) * 1000 + 0.5) for amount in known] if high > 0 else [1000] * len(known)


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
