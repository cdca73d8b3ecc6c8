"""What became of a target's part in a request, as the learner remembers it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arm:
    """One target at one kind of task: its rewards in sum and what was missing to the full reward, both faded."""

    good: float = 0.0
    bad: float = 0.0
    at: float = 0.0
    """UTC epoch seconds up to which both are faded."""

    @property
    def seen(self) -> float:
        """Outcomes it rests on; older ones count less."""
        return self.good + self.bad

    @property
    def mean(self) -> float:
        """Expected reward, 0 to 1; one good and one bad outcome are taken as given."""
        return (self.good + 1) / (self.seen + 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One target's part in one request."""

    request_id: str
    caller: str
    target: str
    task: str
    at: float
    """UTC epoch seconds."""
    first: bool
    """It was the first choice."""
    propensity: float | None
    """The chance with which the learner drew it as the first choice; None: it was not drawn."""
    answered: bool
    quality: float
    """0 to 1, from what can be measured of the answer."""
    signs: str
    """What was measured, in words."""
    feedback: float | None = None
    """0 to 1, said by a person; it takes the place of the measured quality."""
    cost: int | None = None
    """Nano-dollars; None: unknown."""
    dearest: int | None = None
    """Expected nano-dollars of the dearest choice of that plan; None: no price was known."""
