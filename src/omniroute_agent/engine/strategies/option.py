"""What a strategy sees and says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omniroute_agent.engine.decision import Factor
from omniroute_agent.engine.situation import Candidate, Situation


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    option: Option
    because: str
    factors: tuple[Factor, ...] = ()


Strategy = Callable[[Sequence[Option], Situation], list[Ranked]]
"""All options in the order to try them, each with the reason for its place."""
