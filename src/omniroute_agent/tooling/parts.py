"""The rooms a tool may use, handed over as one value by whoever opened them."""

from dataclasses import dataclass
from datetime import datetime

from omniroute_agent.engine.candidates import Gatherer
from omniroute_agent.engine.combos import ComboBook
from omniroute_agent.engine.engine import Engine
from omniroute_agent.engine.guards import Guards
from omniroute_agent.engine.request import TimeLimits
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.providers.catalogue import Catalogue
from omniroute_agent.providers.discovery import Connections
from omniroute_agent.store.checkup import Checkup
from omniroute_agent.store.database import Database
from omniroute_agent.store.decisions import Decisions
from omniroute_agent.store.health import HealthBook
from omniroute_agent.store.ledger import Ledger, Orphan
from omniroute_agent.store.usage import UsageBook
from omniroute_agent.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds a caller waits at most, when it says nothing itself."""

    listening: float = 600.0
    quiet: float = 55.0
    """For an MCP call without a progress token: many clients give up after a minute of silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    ports: Ports
    version: str
    started_at: datetime
    turn: Turn
    engine: Engine
    gatherer: Gatherer
    combos: ComboBook
    connections: Connections
    catalogue: Catalogue
    health: HealthBook
    ledger: Ledger
    usage: UsageBook
    decisions: Decisions
    database: Database
    checkup: Checkup
    guards: Guards
    limits: TimeLimits
    deadlines: Deadlines
    orphans: tuple[Orphan, ...]
    """Requests of dead processes that were settled when this one started."""
