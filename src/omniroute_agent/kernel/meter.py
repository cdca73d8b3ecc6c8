"""Counters and histograms of this process, for whoever draws curves. Their labels are bounded: no name that a caller
invents becomes one.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

MOST_SERIES: Final = 500
"""Combinations of labels of one family; what comes after is counted under `OTHER`."""
OTHER: Final = "(other)"
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Bounds of buckets, from a call that only reads to the longest answer."""


@dataclass(frozen=True, slots=True)
class Family:
    name: str
    kind: Literal["counter", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = SECONDS
    """Upper bounds of a histogram's buckets."""


@dataclass(slots=True)
class Histogram:
    """Values by size. One thread observes; a reader may see the latest value counted in a part of the numbers."""

    bounds: tuple[float, ...] = SECONDS
    counts: list[int] = field(init=False)
    """One per bound and one for what is larger than all."""
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


Series = dict[tuple[str, ...], "float | Histogram"]


class Meter:
    def __init__(self) -> None:
        self._families: dict[Family, Series] = {}

    def count(self, family: Family, *labels: str, by: float = 1) -> None:
        series, labels = self._place(family, labels)
        before = series.get(labels, 0.0)
        assert not isinstance(before, Histogram)
        series[labels] = before + by

    def observe(self, family: Family, value: float, *labels: str) -> None:
        series, labels = self._place(family, labels)
        histogram = series.get(labels)
        if histogram is None:
            histogram = series[labels] = Histogram(family.bounds)
        assert isinstance(histogram, Histogram)
        histogram.observe(value)

    def families(self) -> Iterator[tuple[Family, Series]]:
        """Everything counted so far, by name."""
        yield from sorted(self._families.items(), key=lambda entry: entry[0].name)

    def _place(self, family: Family, labels: tuple[str, ...]) -> tuple[Series, tuple[str, ...]]:
        series = self._families.setdefault(family, {})
        if labels not in series and len(series) >= MOST_SERIES:
            labels = (OTHER,) * len(labels)
        return series, labels
