"""Everything planning may look at, frozen in values: the candidates and the moment."""

from collections.abc import Mapping
from dataclasses import dataclass

from omniroute_agent.engine.guards import Room
from omniroute_agent.kernel.health import ConnectionHealth, ModelLock, TargetHealth
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

    def health(self, candidate: Candidate) -> TargetHealth:
        connection = candidate.connection.id
        return TargetHealth(
            connection=self.connections.get(connection, ConnectionHealth(connection=connection)),
            lock=self.locks.get((connection, candidate.model)),
        )
