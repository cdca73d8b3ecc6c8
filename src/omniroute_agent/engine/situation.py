"""Everything planning may look at, frozen in values: the candidates and the moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from omniroute_agent.engine.guards import Room
from omniroute_agent.engine.request import Task
from omniroute_agent.kernel.health import ConnectionHealth, ModelLock, TargetHealth
from omniroute_agent.kernel.quota import QuotaLimit
from omniroute_agent.providers.model import Connection, ModelFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A target that was asked for, before anyone looked whether it can serve."""

    connection: Connection
    model: str
    facts: ModelFacts

    @property
    def name(self) -> str:
        return f"{self.connection.id}/{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStats:
    """What the ledger measured of one target over the last `Situation.stats_seconds`; times are UTC epoch seconds."""

    attempts: int = 0
    """Attempts that ended and say something of the target: cancelled ones are not among them."""
    successes: int = 0
    p50_ms: float | None = None
    """Milliseconds from call to end of the answer, as `p95_ms` and `stddev_ms` over answered attempts only."""
    p95_ms: float | None = None
    stddev_ms: float | None = None
    tokens_per_second: float | None = None
    """Output tokens over the time from first token to end, median of answered attempts."""
    last_used_at: float | None = None
    """Start of the latest attempt."""
    last_success_at: float | None = None

    @property
    def success(self) -> float:
        """Share of attempts that were answered, one answer taken as given: a first fault alone condemns nobody."""
        return (self.successes + 1) / (self.attempts + 1)

    @property
    def answer_ms(self) -> float | None:
        """Slow answer (p95) over success: what an answer takes when failed calls have to be repeated."""
        return None if self.p95_ms is None else self.p95_ms / self.success


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
class Affinity:
    """The target that served this prompt's beginning last, so that its cache may still hold it."""

    target: str
    served_at: float
    expires_at: float
    """When the provider is taken to have forgotten it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A target that `auto` took out because its own score was too low, until a probe shows that it recovered."""

    times: int
    """In a row: each one doubles the wait."""
    since: float
    until: float
    score: float
    """The one that put it here."""
    probe_at: float | None = None
    """When its probe went out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComboState:
    """What a combo's owner set for its strategy, and what it remembers from one request to the next."""

    options: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    pool: tuple[str, ...] = ()
    """Names of all its candidates in the owner's order, eligible or not."""
    turns: int = 0
    """Requests it routed."""
    last_target: str | None = None
    """The first choice of the latest request."""
    streak: int = 0
    """Requests in a row with that first choice."""
    last_good: str | None = None
    """The target that answered last."""
    bag: tuple[str, ...] = ()
    """First choices since the bag was full, oldest first."""


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
        for window in self.windows(candidate):
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
