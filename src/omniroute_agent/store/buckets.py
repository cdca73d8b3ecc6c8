"""Spans of time cut into UTC months, days and hours, so that a report reads sums and single rows only at its ends.

All times are UTC epoch seconds; a span is [since, until), and `until` may be infinite.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from itertools import pairwise
from math import inf, isinf
from typing import Final, Literal

Kind = Literal["detail", "hour", "day", "month"]
"""detail: the single rows."""

KINDS: Final[tuple[Kind, ...]] = ("detail", "hour", "day", "month")
"""Finest first."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS: Final[Mapping[Kind, float]] = {"hour": 3600.0, "day": 86_400.0}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a span and what it is to be read from."""

    kind: Kind
    since: float
    until: float


def bucket_start(at: float, kind: Kind) -> float:
    """The begin of the bucket that `at` lies in."""
    if isinf(at):
        return at
    if kind != "month":
        return at // _SECONDS[kind] * _SECONDS[kind]
    day = _EPOCH + timedelta(seconds=at)
    return _seconds(day.year, day.month)


def _seconds(year: int, month: int) -> float:
    return (datetime(year, month, 1, tzinfo=UTC) - _EPOCH).total_seconds()


def _bucket_end(at: float, kind: Kind) -> float:
    """The begin of the first bucket that does not begin before `at`."""
    start = bucket_start(at, kind)
    if start == at:
        return at
    if kind != "month":
        return start + _SECONDS[kind]
    day = _EPOCH + timedelta(seconds=start)
    if day.month < 12:  # noqa: PLR2004 (December)
        return _seconds(day.year, day.month + 1)
    return _seconds(day.year + 1, 1) if day.year < MAXYEAR else inf


def visible(since: float, until: float, gone: Mapping[Kind, float]) -> tuple[float, float]:
    """The span as it can still be told: an end whose rows and narrow sums are `gone` (by kind: before when) moves
    outwards to the nearest border that is known.
    """
    horizon = inf
    for kind, wider in pairwise(KINDS):
        horizon = min(horizon, gone.get(kind, -inf))
        if since < horizon:
            since = bucket_start(since, wider)
        if bucket_start(until, wider) < horizon:
            until = _bucket_end(until, wider)
    return since, until


def pieces(since: float, until: float, gone: Mapping[Kind, float]) -> Iterator[Piece]:
    """The fewest rows that make up a `visible` span: whole months first, single rows at ragged ends."""
    for piece in _cut(since, until, KINDS):
        finer: tuple[Kind, ...] = KINDS[: KINDS.index(piece.kind) + 1]
        # Where sums are gone sooner than what they were made of, that serves.
        there: list[Kind] = [kind for kind in reversed(finer) if piece.since >= gone.get(kind, -inf)]
        yield Piece(there[0] if there else piece.kind, piece.since, piece.until)


def _cut(since: float, until: float, kinds: tuple[Kind, ...]) -> Iterator[Piece]:
    if since >= until:
        return
    kind, *wider = kinds
    if not wider:
        yield Piece(kind, since, until)
        return
    start, end = _bucket_end(since, wider[0]), bucket_start(until, wider[0])
    if start >= end:
        yield Piece(kind, since, until)
        return
    if since < start:
        yield Piece(kind, since, start)
    yield from _cut(start, end, tuple(wider))
    if end < until:
        yield Piece(kind, end, until)
