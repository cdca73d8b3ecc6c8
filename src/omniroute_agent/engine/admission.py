"""How many calls a connection gets at a time, who waits for a place, and who is told at once to come back later.

The limit adapts to the provider: it grows while answers come and shrinks when the provider says that it is too much.
It starts at the profile's number and each answer adds a place until the first such sign; from then on a round of
answers does. Time to answer is no sign here: it tells how long an answer is, not how busy its provider.

Per process, and on purpose: the locks and the breaker that every process shares are what stops them together.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from typing import Final, Self

from omniroute_agent.engine.faults import FaultKind
from omniroute_agent.kernel.ports import Ports

LEAST: Final = 1.0
MOST: Final = 1024.0
SHRINK: Final = 0.7
"""What is left of the limit after a sign that it is too much."""
LONGEST_QUEUE: Final = 256
LONGEST_WAIT: Final = 15.0
"""Seconds in the queue, whatever the caller's deadline allows."""
_SMOOTHING: Final = 0.2
"""Weight of the latest call in the mean time a place is held."""

TOO_MUCH: Final[frozenset[FaultKind]] = frozenset(
    ("rate_limited", "overloaded", "connect_timeout", "first_token_timeout", "idle_timeout")
)
"""Faults by which a provider says, or shows, that it is asked for too much at a time."""


class Busy(Exception):
    """No place now."""

    def __init__(self, *, running: int, waiting: int, retry_after: float) -> None:
        super().__init__(f"{running} calls are in flight and {waiting} wait.")
        self.running = running
        self.waiting = waiting
        self.retry_after = retry_after
        """Seconds after which a place is likely."""


@dataclass(slots=True, eq=False)
class _Gate:
    """One connection's places."""

    start: int
    """The number it began with."""
    limit: float
    growing: bool = True
    """Nothing was too much yet."""
    running: int = 0
    round: int = 0
    """Rises when the limit shrinks: calls that began before say nothing of the new one."""
    held: float | None = None
    """Mean seconds a call held its place."""
    queue: deque["asyncio.Future[None]"] = field(default_factory=deque["asyncio.Future[None]"])

    @property
    def places(self) -> int:
        return int(self.limit)

    def expected_wait(self) -> float:
        """Seconds until whoever joins the queue now has a place; 0 while no call has ended that could tell."""
        ahead = len(self.queue) + 1 + max(self.running - self.places, 0)
        return ahead * (self.held or 0.0) / self.places

    def begin(self, start: int) -> None:
        """Learn anew from another number: the profile was changed."""
        self.start, self.limit, self.growing = start, float(start), True
        self.round += 1
        self.hand_on()

    def hand_on(self) -> None:
        """Give free places to those who wait, first come first served."""
        while self.queue and self.running < self.places:
            waiting = self.queue.popleft()
            if not waiting.done():
                self.running += 1
                waiting.set_result(None)


@dataclass(slots=True, eq=False)
class Place:
    """The right to one call; leaving it a second time changes nothing."""

    _gate: _Gate
    _ports: Ports
    _since: float
    _round: int
    _full: bool
    """Whether it was taken while at least half of the places were."""
    _left: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self, fault: FaultKind | None = None, *, answered: bool = False) -> None:
        """Free the place and learn: `fault` is what ended the call, `answered` that it ended well."""
        if self._left:
            return
        self._left = True
        gate = self._gate
        gate.running -= 1
        if answered or fault is not None:
            seconds = self._ports.monotonic() - self._since
            gate.held = seconds if gate.held is None else gate.held + _SMOOTHING * (seconds - gate.held)
        if self._round == gate.round:
            self._adapt(gate, fault, answered=answered)
        gate.hand_on()

    def _adapt(self, gate: _Gate, fault: FaultKind | None, *, answered: bool) -> None:
        if fault in TOO_MUCH:
            gate.limit = max(gate.limit * SHRINK, LEAST)
            gate.growing = False
            gate.round += 1
        elif answered and self._full:
            gate.limit = min(gate.limit + (1.0 if gate.growing else 1.0 / gate.limit), MOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Who is at one connection now, in this process."""

    running: int
    waiting: int
    places: int


class Admission:
    def __init__(self, ports: Ports, start: Callable[[], int]) -> None:
        """`start` gives how many calls a connection gets at a time to begin with, under the profile in force."""
        self._ports = ports
        self._start = start
        self._gates: dict[str, _Gate] = {}

    def limit(self, connection: str) -> int:
        """Calls this process lets through to it at a time, now."""
        return self._gate(connection).places

    def crowds(self) -> dict[str, Crowd]:
        """By connection, of those that were called since the start."""
        return {
            name: Crowd(running=gate.running, waiting=len(gate.queue), places=gate.places)
            for name, gate in self._gates.items()
        }

    def take(self, connection: str) -> Place:
        """A place at once.

        Raises:
            Busy: every place is taken, or somebody waits for one.
        """
        gate = self._gate(connection)
        if gate.queue or gate.running >= gate.places:
            raise _busy(gate)
        gate.running += 1
        return self._place(gate)

    async def wait(self, connection: str, patience: float) -> Place:
        """A place, after at most `patience` seconds and never more than `LONGEST_WAIT`.

        Raises:
            Busy: the queue is full or would take longer than that, which is said at once; or it did.
        """
        gate = self._gate(connection)
        if not gate.queue and gate.running < gate.places:
            return self.take(connection)
        patience = min(patience, LONGEST_WAIT)
        if len(gate.queue) >= LONGEST_QUEUE or gate.expected_wait() > patience:
            raise _busy(gate)
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gate.queue.append(waiting)
        try:
            async with asyncio.timeout(patience):
                await waiting
        except TimeoutError:
            self._give_up(gate, waiting)
            raise _busy(gate) from None
        except BaseException:
            # The caller left: its turn, or the place it was just given, goes to the next.
            self._give_up(gate, waiting)
            raise
        return self._place(gate)

    def _give_up(self, gate: _Gate, waiting: "asyncio.Future[None]") -> None:
        if waiting.done() and not waiting.cancelled():
            gate.running -= 1
        else:
            waiting.cancel()
            if waiting in gate.queue:
                gate.queue.remove(waiting)
        gate.hand_on()

    def _gate(self, connection: str) -> _Gate:
        gate, start = self._gates.get(connection), self._start()
        if gate is None:
            gate = self._gates[connection] = _Gate(start=start, limit=float(start))
        elif gate.start != start:
            gate.begin(start)
        return gate

    def _place(self, gate: _Gate) -> Place:
        full = 2 * gate.running >= gate.places
        return Place(_gate=gate, _ports=self._ports, _since=self._ports.monotonic(), _round=gate.round, _full=full)


def _busy(gate: _Gate) -> Busy:
    return Busy(running=gate.running, waiting=len(gate.queue), retry_after=float(max(ceil(gate.expected_wait()), 1)))
