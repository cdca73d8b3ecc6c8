"""Figures in Prometheus' text format, version 0.0.4: a page of lines, for which no library is needed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from omniroute_agent.kernel.meter import Family, Histogram, Meter

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_IN_TEXT: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})
_IN_LABEL: Final = _IN_TEXT | str.maketrans({'"': r"\""})


@dataclass(frozen=True, slots=True)
class Reading:
    """Figures read at this moment, each with the values of its labels."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
    values: Sequence[tuple[tuple[str, ...], "float | Histogram"]]


def exposition(meter: Meter, readings: Iterable[Reading]) -> str:
    pages = [_of(family, series.items()) for family, series in meter.families()]
    pages += [Reading(r.name, r.kind, r.help, r.labels, r.values) for r in readings if r.values]
    return "".join(f"{line}\n" for page in pages for line in _lines(page))


def _of(family: Family, series: Iterable[tuple[tuple[str, ...], "float | Histogram"]]) -> Reading:
    return Reading(family.name, family.kind, family.help, family.labels, sorted(series, key=lambda entry: entry[0]))


def _lines(page: Reading) -> Iterator[str]:
    yield f"# HELP {page.name} {page.help.translate(_IN_TEXT)}"
    yield f"# TYPE {page.name} {page.kind}"
    for values, figure in page.values:
        labels = [f'{name}="{value.translate(_IN_LABEL)}"' for name, value in zip(page.labels, values, strict=True)]
        if isinstance(figure, Histogram):
            yield from _histogram(page.name, labels, figure)
        else:
            yield f"{page.name}{_braced(labels)} {_number(figure)}"


def _histogram(name: str, labels: list[str], histogram: Histogram) -> Iterator[str]:
    counts, total = list(histogram.counts), histogram.total
    running = 0
    for bound, count in zip((*histogram.bounds, float("inf")), counts, strict=True):
        running += count
        bucket = f'le="{_number(bound)}"'
        yield f"{name}_bucket{_braced([*labels, bucket])} {running}"
    yield f"{name}_sum{_braced(labels)} {_number(total)}"
    yield f"{name}_count{_braced(labels)} {running}"


def _braced(labels: list[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)
