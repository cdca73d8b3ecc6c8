"""Everything planning may look at, frozen in values: the candidates and the moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from omniroute_agent.engine.breaker import standing
from omniroute_agent.engine.guards import Room
from omniroute_agent.engine.request import Task
from omniroute_agent.kernel.health import ConnectionHealth, ModelLock, Refusal, TargetHealth
from omniroute_agent.kernel.outcome import Arm
from omniroute_agent.kernel.quota import QuotaLimit
from omniroute_agent.kernel.record import Affinity, Bench, ComboMemory, TargetStats
from omniroute_agent.providers.model import Connection, ModelFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A target that was asked for, before anyone looked whether it can serve."""

    connection: Connection
    model: str
    facts: ModelFacts
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.connection.id}/{self.model}")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaWindow:
    """One window of a quota at the moment of planning: what is left and when it starts anew. None: nobody knows."""

    window: str
    """Its name for people: `5h`, `week`, `requests/min`."""
    left: float | None = None
    """Share of the limit, 0 to 1."""
    resets_at: float | None = None
    seconds: float | None = None
    """Length of the window."""
    limit: float | None = None
    used: float | None = None
    remaining: float | None = None
    source: str = ""
    """Where the numbers were read: `header x-ratelimit-remaining-requests`, `error body`."""
    at: float | None = None
    """When they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComboState(ComboMemory):
    """What a combo's owner set for its strategy, and what it remembers from one request to the next."""

    options: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    pool: tuple[str, ...] = ()
    """Names of all its candidates in the owner's order, eligible or not."""


def state_of(memory: ComboMemory, options: Mapping[str, JsonValue], pool: tuple[str, ...]) -> ComboState:
    return ComboState(
        turns=memory.turns,
        last_target=memory.last_target,
        streak=memory.streak,
        last_good=memory.last_good,
        bag=memory.bag,
        options=options,
        pool=pool,
    )


UNSEEN: Final = TargetStats()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The moment of planning: nothing else may influence a plan."""

    now: float
    """UTC epoch seconds."""
    connections: Mapping[str, ConnectionHealth]
    locks: Mapping[tuple[str, str], ModelLock]
    rooms: Mapping[str, Room]
    """Standing guards by name."""
    handle: Room | None = None
    """The budget handle that the request brings along."""
    typical_output: int | None
    """Mean output tokens of recent answers; None without history."""
    dice: tuple[float, ...] = ()
    """Numbers in [0, 1) drawn once from `ports.dice`, so that a stored situation replays its plan."""
    stats: Mapping[str, TargetStats] = field(default_factory=dict[str, TargetStats])
    """By target name; a target without a row was not attempted within the window."""
    stats_seconds: float = 3600.0
    combo: ComboState = field(default_factory=ComboState)
    quotas: Mapping[str, tuple[QuotaWindow, ...]] = field(default_factory=dict[str, tuple[QuotaWindow, ...]])
    """By connection for what it shares, by target name for what one model has; without a row nothing is known."""
    limits: Mapping[str, tuple[QuotaLimit, ...]] = field(default_factory=dict[str, tuple[QuotaLimit, ...]])
    """What owners say of their connections' quotas, by connection."""
    affinity: Affinity | None = None
    benches: Mapping[str, Bench] = field(default_factory=dict[str, Bench])
    """By target name."""
    task: Task | None = None
    """What the request is about, said by the caller or detected."""
    task_because: str = ""
    """How it was detected; empty when the caller said it."""
    learned: Mapping[str, Arm] | None = None
    """What the learner remembers at this kind of task, by target name; None: it is off or leaves this plan alone."""

    def refusal(self, candidate: Candidate) -> Refusal | None:
        """What its health says against a candidate now."""
        health = self.connections.get(candidate.connection.id)
        lock = self.locks.get((candidate.connection.id, candidate.model)) if self.locks else None
        if lock is None and (health is None or (health.breaker == "closed" and health.lock is None)):
            return None
        return standing(self.health(candidate), self.now)

    def health(self, candidate: Candidate) -> TargetHealth:
        connection = candidate.connection.id
        return TargetHealth(
            connection=self.connections.get(connection, ConnectionHealth(connection=connection)),
            lock=self.locks.get((connection, candidate.model)),
        )

    def record(self, candidate: Candidate) -> TargetStats:
        return self.stats.get(candidate.name, UNSEEN)

    def windows(self, candidate: Candidate) -> tuple[QuotaWindow, ...]:
        """Every quota window an attempt would draw on."""
        if not self.quotas:
            return ()
        return self.quotas.get(candidate.connection.id, ()) + self.quotas.get(candidate.name, ())

    def quota_left(self, candidate: Candidate) -> float | None:
        """Share left of the tightest known window; None: unknown."""
        least: float | None = None
        if not self.quotas:
            return None
        for whose in (candidate.connection.id, candidate.name):
            for window in self.quotas.get(whose, ()):
                if window.left is not None and (least is None or window.left < least):
                    least = window.left
        return least

    def breaker(self, candidate: Candidate) -> float:
        """1 closed, 0.5 on probation (half open, or open with its time up), 0 open."""
        health = self.connections.get(candidate.connection.id)
        if health is None or health.breaker == "closed":
            return 1.0
        waiting = health.breaker == "open" and health.open_until is not None and self.now < health.open_until
        return 0.0 if waiting else 0.5
