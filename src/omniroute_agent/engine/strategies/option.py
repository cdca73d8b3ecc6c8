"""What a strategy sees and says."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat
from operator import attrgetter
from typing import Final, NamedTuple

from omniroute_agent.engine.decision import Factor
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.kernel.record import Bench
from omniroute_agent.kernel.value import value


@value
class Option:
    """An eligible candidate with the price of this very call on it."""

    candidate: Candidate
    place: int
    """Its place in the combo, from 0."""
    expected_cost: int | None
    """Nano-dollars; None: the price is unknown."""
    worst_cost: int | None
    max_tokens: int | None
    """Output cap that will be sent; None: none is sent."""
    unknown: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.candidate.name


class Ranked(NamedTuple):
    option: Option
    because: str
    factors: tuple[Factor, ...] = ()
    bench: Bench | None = None
    """Self-healing as it stands after this planning; where it differs from the situation's, the engine keeps it."""


_bare: Final = partial(tuple.__new__, Ranked)


def ranked_all(
    options: Iterable[Option],
    because: Iterable[str],
    factors: Iterable[tuple[Factor, ...]] = repeat(()),
    benches: Iterable[Bench | None] = repeat(None),
) -> list[Ranked]:
    """`Ranked` of each, made without its constructor: over 500 targets that is a tenth of what a plan costs."""
    return list(map(_bare, zip(options, because, factors, benches, strict=False)))


Strategy = Callable[[Sequence[Option], Situation], list[Ranked]]
"""All options in the order to try them, each with the reason for its place."""


def by_place(options: Sequence[Option]) -> list[Option]:
    """The owner's order."""
    return sorted(options, key=attrgetter("place"))


def led_by(first: Option, options: Sequence[Option], because: str, otherwise: str) -> list[Ranked]:
    """One option in front, the others behind it in the owner's order."""
    others = [Ranked(option=o, because=otherwise) for o in by_place(options) if o is not first]
    return [Ranked(option=first, because=because), *others]
