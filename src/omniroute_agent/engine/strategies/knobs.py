"""The options a combo's owner may set for its strategy: their names, bounds and defaults.

Reading never fails: a value that makes no sense gives the default, and `validation` tells the owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

from pydantic import JsonValue

from omniroute_agent.engine.scoring import BALANCED, PACKS
from omniroute_agent.kernel.likeness import nearest

Options = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Number:
    name: str
    default: float
    low: float
    high: float
    whole: bool = False

    def read(self, options: Options) -> float:
        value = options.get(self.name)
        if value is None or self.problem(value) or not isinstance(value, int | float):
            return self.default
        return value

    def problem(self, value: JsonValue) -> str | None:
        number = as_number(value)
        if number is None or not self.low <= number <= self.high or (self.whole and number != int(number)):
            kind = "a whole number" if self.whole else "a number"
            return f"`{self.name}` has to be {kind} from {self.low:g} to {self.high:g}."
        return None


@dataclass(frozen=True, slots=True)
class Word:
    name: str
    default: str
    words: tuple[str, ...]

    def read(self, options: Options) -> str:
        value = options.get(self.name)
        return value if isinstance(value, str) and value in self.words else self.default

    def problem(self, value: JsonValue) -> str | None:
        if isinstance(value, str) and value in self.words:
            return None
        near = nearest(value, self.words, most=1) if isinstance(value, str) else []
        meant = f" Did you mean `{near[0]}`?" if near else ""
        return f"`{self.name}` has to be one of {', '.join(self.words)}.{meant}"


@dataclass(frozen=True, slots=True)
class Switch:
    name: str

    def read(self, options: Options) -> bool | None:
        """None: not set."""
        value = options.get(self.name)
        return value if isinstance(value, bool) else None

    def problem(self, value: JsonValue) -> str | None:
        return None if isinstance(value, bool) else f"`{self.name}` has to be true or false."


@dataclass(frozen=True, slots=True)
class Weights:
    name: str

    def read(self, options: Options) -> dict[str, float]:
        """Name → weight; negative and unreadable weights are left out."""
        value = options.get(self.name)
        pairs = value.items() if isinstance(value, dict) else ()
        found = {key: as_number(weight) for key, weight in pairs}
        return {key: weight for key, weight in found.items() if weight is not None and weight >= 0}

    def problem(self, value: JsonValue) -> str | None:
        if not isinstance(value, dict) or not value:
            return f"`{self.name}` has to be a table of target and weight."
        bad = [key for key, weight in value.items() if (number := as_number(weight)) is None or number < 0]
        if bad:
            return f"`{self.name}` has to hold numbers from 0 up; it does not for {', '.join(f'`{b}`' for b in bad)}."
        return None


Knob = Number | Word | Switch | Weights

STICKY: Final = Number("sticky", 3, 1, 1000, whole=True)
"""Requests in a row for one target before the round moves on."""

EXPLORATION: Final = Number("exploration", 0.05, 0.0, 0.5)
"""Share of requests that try another target than the best, so that what is known of it stays fresh."""

PACK: Final = Word("pack", BALANCED, tuple(PACKS))

WEIGHTS: Final = Weights("weights")

ADAPT: Final = Switch("adapt")
"""Whether size and complexity of a request may replace the strategy."""

KNOBS: Final[Mapping[str, tuple[Knob, ...]]] = {
    "weighted": (WEIGHTS,),
    "round-robin": (STICKY,),
    "auto": (PACK, EXPLORATION),
}
"""By strategy; `adapt` goes with every one."""


def knobs_of(strategy: str) -> tuple[Knob, ...]:
    return (*KNOBS.get(strategy, ()), ADAPT)


def as_number(value: JsonValue) -> float | None:
    """A finite number; None for anything else, truth values included."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return value
