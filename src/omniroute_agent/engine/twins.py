"""Equal requests that run at the same time: one of them asks, the others wait for its answer.

Whoever waits gets the whole answer at its end and never half of one, so the one that asks may fail or leave at any
moment and another takes its place. Everything between two awaits is one step: no two requests ever lead together.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from omniroute_agent.engine.decision import Receipt
from omniroute_agent.kernel.chat import ChatAnswer
from omniroute_agent.kernel.errors import CallError, DeadlineExceeded, InvalidRequest, LimitReached

SECOND_CHANCES: Final = 1
"""How many waiting requests ask again, one after the other, after a failure that may be over by then."""


@dataclass(frozen=True, slots=True)
class Given:
    answer: ChatAnswer
    receipt: Receipt
    """Of the request that got it first."""
    cached: bool
    """It was kept from an earlier request; nobody was asked."""


@dataclass(frozen=True, slots=True)
class Failed:
    error: CallError
    final: bool
    """Asking again would only repeat it."""


@dataclass(frozen=True, slots=True)
class Left:
    """The one that asked went away, or its own limits ended it."""


Outcome = Given | Failed | Left


@dataclass(eq=False, slots=True)
class Flight:
    """One request under way, and how it ends."""

    request_id: str
    failures: int
    """How many others failed at the same before it."""
    _end: "asyncio.Future[Outcome]" = field(init=False)

    def __post_init__(self) -> None:
        self._end = asyncio.get_running_loop().create_future()

    def end(self, outcome: Outcome) -> None:
        """The first word counts."""
        if not self._end.done():
            self._end.set_result(outcome)

    def failed(self, error: CallError) -> None:
        if isinstance(error, LimitReached | DeadlineExceeded):
            # Its own budget or its own time: another may have more.
            self.end(Left())
        else:
            final = isinstance(error, InvalidRequest) or self.failures >= SECOND_CHANCES
            self.end(Failed(error, final))

    async def outcome(self, seconds: float) -> Outcome | None:
        """How it ended; None when it had not after so many seconds."""
        done, _ = await asyncio.wait((self._end,), timeout=seconds)
        return self._end.result() if done else None


class Twins:
    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}

    def under_way(self, key: str) -> Flight | None:
        return self._flights.get(key)

    def lead(self, key: str, request_id: str, *, failures: int) -> Flight:
        """Take the lead; the caller has just seen that nobody has it, and calls `land` whatever happens."""
        flight = self._flights[key] = Flight(request_id, failures)
        return flight

    def land(self, key: str, flight: Flight) -> None:
        """Let the next request of this kind ask for itself. Without an outcome until now, its caller has left."""
        flight.end(Left())
        if self._flights.get(key) is flight:
            del self._flights[key]
