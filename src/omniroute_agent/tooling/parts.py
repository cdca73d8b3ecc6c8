"""The rooms a tool may use, handed over as one value by whoever opened them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from omniroute_agent.engine.advice import Adviser
from omniroute_agent.engine.candidates import Gatherer
from omniroute_agent.engine.combos import ComboBook
from omniroute_agent.engine.consents import Consents
from omniroute_agent.engine.engine import Engine
from omniroute_agent.engine.findings import Examiner
from omniroute_agent.engine.guards import Guards
from omniroute_agent.engine.handles import Handles
from omniroute_agent.engine.request import TimeLimits
from omniroute_agent.engine.resilience import Resilience
from omniroute_agent.engine.reuse import Reuse
from omniroute_agent.engine.watch import Watch
from omniroute_agent.kernel.meter import Meter
from omniroute_agent.kernel.news import News
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.providers.catalogue import Catalogue
from omniroute_agent.providers.discovery import Connections
from omniroute_agent.providers.known import KnownModels
from omniroute_agent.providers.price_book import PriceBook
from omniroute_agent.providers.price_sync import PriceSync
from omniroute_agent.providers.sync import ModelSync
from omniroute_agent.store.audit import Audit
from omniroute_agent.store.checkup import Checkup
from omniroute_agent.store.database import Database
from omniroute_agent.store.decisions import Decisions
from omniroute_agent.store.health import HealthBook
from omniroute_agent.store.heartbeat import Heartbeat
from omniroute_agent.store.ledger import Ledger, Orphan
from omniroute_agent.store.metrics import MetricsBook
from omniroute_agent.store.models import ModelRows
from omniroute_agent.store.outcomes import Outcomes
from omniroute_agent.store.prices import PriceRows
from omniroute_agent.store.profile import ProfileBook
from omniroute_agent.store.usage import UsageBook
from omniroute_agent.turn import Turn

if TYPE_CHECKING:  # of an extra
    from omniroute_agent.outside.tracing import Spans


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
    reuse: Reuse
    gatherer: Gatherer
    combos: ComboBook
    examiner: Examiner
    adviser: Adviser
    connections: Connections
    catalogue: Catalogue
    known: KnownModels
    models: ModelRows
    model_sync: ModelSync
    prices: PriceBook
    price_rows: PriceRows
    price_sync: PriceSync
    health: HealthBook
    ledger: Ledger
    usage: UsageBook
    metrics: MetricsBook
    resilience: Resilience
    profiles: ProfileBook
    decisions: Decisions
    outcomes: Outcomes
    database: Database
    checkup: Checkup
    guards: Guards
    handles: Handles
    consents: Consents
    state_key: Callable[[], Secret]
    """Seals what a client keeps for the server between two calls; raises `StoreUnavailable`."""
    news: News
    watch: Watch
    limits: TimeLimits
    deadlines: Deadlines
    orphans: tuple[Orphan, ...]
    """Requests of dead processes that were settled when this one started."""
    audit: Audit
    meter: Meter
    heartbeat: Heartbeat
    spans: "Spans | None" = None
    """None: nobody wants them."""
