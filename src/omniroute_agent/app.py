"""Settings in, running house out: the one place where rooms meet what they are given.

Everything is built in `open_house`, in order, and closed in the other. No room receives the whole settings.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from omniroute_agent import __version__
from omniroute_agent.caretakers import Caretaker, keep_house
from omniroute_agent.defined import (
    combos_of,
    connections_of,
    guards_of,
    keeping_of,
    keys_of,
    own_models_of,
    proxies_of,
    state_key_of,
)
from omniroute_agent.doors.a2a.push.sealed import HookSecrets
from omniroute_agent.engine.advice import Adviser
from omniroute_agent.engine.candidates import Gatherer
from omniroute_agent.engine.combos import ComboBook
from omniroute_agent.engine.consents import Consents
from omniroute_agent.engine.engine import Engine
from omniroute_agent.engine.findings import Examiner
from omniroute_agent.engine.guards import Guards
from omniroute_agent.engine.handles import Handles
from omniroute_agent.engine.learner import Learner
from omniroute_agent.engine.measures import Measures
from omniroute_agent.engine.planning import Planner
from omniroute_agent.engine.request import TimeLimits
from omniroute_agent.engine.resilience import Resilience
from omniroute_agent.engine.reuse import Reuse
from omniroute_agent.engine.watch import EVERY_SECONDS, Watch
from omniroute_agent.kernel.ended import Listeners
from omniroute_agent.kernel.meter import Meter
from omniroute_agent.kernel.news import News
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.outside.addresses import AllowedOrigins
from omniroute_agent.outside.ports import new_secret, quiet_http_logs, real_ports
from omniroute_agent.providers.catalogue import Catalogue
from omniroute_agent.providers.discovery import (
    Connections,
    blank_variables,
    key_variables,
    server_addresses,
)
from omniroute_agent.providers.facts import FactBook
from omniroute_agent.providers.known import KnownModels
from omniroute_agent.providers.local.server import LocalModel
from omniroute_agent.providers.price_book import PriceBook
from omniroute_agent.providers.price_sync import PriceSync
from omniroute_agent.providers.prices import OwnPrice
from omniroute_agent.providers.proxies import Proxies
from omniroute_agent.providers.stored import StoredConnections
from omniroute_agent.providers.sync import ModelSync
from omniroute_agent.settings.master_key import MasterKeys
from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.sources import child_environment, provider_keys
from omniroute_agent.store.answers import Answers
from omniroute_agent.store.audit import Audit
from omniroute_agent.store.cached import CachedAnswers
from omniroute_agent.store.checkup import Checkup
from omniroute_agent.store.combo_state import ComboStates
from omniroute_agent.store.combos import ComboRows
from omniroute_agent.store.connections import ConnectionRows
from omniroute_agent.store.consents import ConsentRows
from omniroute_agent.store.database import Database
from omniroute_agent.store.decisions import Decisions
from omniroute_agent.store.guards import GuardRows
from omniroute_agent.store.handles import HandleRows
from omniroute_agent.store.health import HealthBook
from omniroute_agent.store.heartbeat import BEAT_SECONDS, Heartbeat
from omniroute_agent.store.instances import Instance, register
from omniroute_agent.store.ledger import Ledger, Orphan
from omniroute_agent.store.metrics import MetricsBook
from omniroute_agent.store.models import ModelRows
from omniroute_agent.store.outcomes import Outcomes
from omniroute_agent.store.prices import PriceRows
from omniroute_agent.store.profile import ProfileBook
from omniroute_agent.store.retention import Retention, sweep
from omniroute_agent.store.target_stats import TargetBook
from omniroute_agent.store.usage import UsageBook
from omniroute_agent.tooling.packages import load_tools
from omniroute_agent.tooling.parts import Deadlines, Parts
from omniroute_agent.tooling.tool import Tool
from omniroute_agent.turn import Turn

if TYPE_CHECKING:  # of an extra
    from omniroute_agent.outside.tracing import Spans

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    settings: Settings
    parts: Parts
    tools: tuple[Tool, ...]
    local: LocalModel
    stored: StoredConnections
    keys: MasterKeys
    """Seal what is kept secret in the database."""
    origins: AllowedOrigins
    """Off the public internet, and reached all the same."""
    proxies: Proxies


@asynccontextmanager
async def open_house(
    settings: Settings,
    *,
    door: str,
    environment: Mapping[str, str] | None = None,
    ports: Ports | None = None,
    caretakers: bool = True,
    scopes: frozenset[str] | None = None,
) -> AsyncGenerator[House, None]:
    """Open every room for as long as the context lasts. Environment and ports are the real ones unless a test brings
    its own. `scopes` are those of whoever comes through the door, where it is one caller; they are only shown.

    Raises:
        StoreUnavailable: the database cannot be opened.
        LookupError: a tool package is missing.
    """
    quiet_http_logs()
    origins = AllowedOrigins()
    given = ports if ports is not None else real_ports(origins)
    local = LocalModel(
        settings.directory, ports=given, origins=origins, child_environment=child_environment(environment)
    )
    tools = load_tools(settings.tools.packages)
    try:
        async with (
            _spans(settings) as spans,
            _database(settings, given, door, scopes) as (database, ledger, orphans),
        ):
            keys = keys_of(settings, environment)
            stored = StoredConnections(
                ConnectionRows(database), keys, given, allow=origins.list_anew, neighbours=(HookSecrets(),)
            )
            connections = _connections(settings, given, origins, local, stored, environment)
            proxies = proxies_of(settings)
            parts = _parts(settings, given, connections, proxies, database, ledger, orphans, spans)
            await parts.guards.begin()
            house = House(
                settings=settings,
                parts=parts,
                tools=tools,
                local=local,
                stored=stored,
                keys=keys,
                origins=origins,
                proxies=proxies,
            )
            async with parts.audit.kept(), _kept(caretakers_of(house, database) if caretakers else (), given):
                yield house
    finally:
        await local.close()
        if ports is None:
            await given.http.aclose()


@asynccontextmanager
async def _kept(caretakers: Sequence[Caretaker], ports: Ports) -> AsyncGenerator[None, None]:
    """The caretakers at work for as long as the context lasts.

    Not a task group: that would wrap whatever is raised inside the house into a group.
    """
    keeping = asyncio.create_task(keep_house(caretakers, ports))  # noqa: TID251 (owned and ended right here)
    try:
        yield
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


@asynccontextmanager
async def _spans(settings: Settings) -> "AsyncGenerator[Spans | None, None]":
    """Where spans go, if the owner wants any; what is left of them is sent at the end."""
    if not settings.otel.endpoint:
        yield None
        return
    # Imported here: it belongs to an extra, and nobody else waits for it.
    from omniroute_agent.outside.tracing import TracingUnavailable, open_spans  # noqa: PLC0415 (lazy)

    try:
        spans = open_spans(settings.otel.endpoint)
    except TracingUnavailable as error:
        _log.warning("%s", error)
        yield None
        return
    try:
        yield spans
    finally:
        await spans.close()


@asynccontextmanager
async def _database(
    settings: Settings, ports: Ports, door: str, scopes: frozenset[str] | None
) -> AsyncGenerator[tuple[Database, Ledger, tuple[Orphan, ...]], None]:
    """The open database with this process entered in it and what dead processes left behind settled."""
    database = await Database.open(settings.directory, ports.monotonic)
    try:
        instance = Instance.enter(settings.directory, ports.new_id())
        try:
            now = ports.now().timestamp()
            await register(database, instance.id, door=door, version=__version__, at=now, scopes=scopes)
            ledger = Ledger(database, instance.id)
            orphans = await ledger.settle_orphans(settings.directory, now)
            if orphans:
                _log.warning("%d attempts of a process that died were settled as unknown.", len(orphans))
            yield database, ledger, orphans
        finally:
            await database.close()
            # Only now: until the last commit this process must not look dead.
            instance.leave()
    finally:
        await database.close()


def caretakers_of(house: House, database: Database) -> tuple[Caretaker, ...]:
    """The house's periodic work."""
    kept = house.settings.retention
    keep = Retention(
        decisions_days=kept.decisions_days,
        ledger_days=kept.ledger_days,
        audit_days=kept.audit_days,
        tasks_days=house.settings.a2a.retention_days,
    )
    now = house.parts.ports.now

    async def tidy() -> None:
        await sweep(database, now=now().timestamp(), keep=keep)

    async def settle_orphans() -> None:
        parts, directory = house.parts, house.settings.directory
        if orphans := await parts.ledger.settle_orphans(directory, now().timestamp()):
            _log.warning("%d attempts of a process that died were settled as unknown.", len(orphans))

    return (
        Caretaker(name="retention", first=30.0, every=3600.0, job=tidy),
        # A neighbour may die while this process lives on; until then its reservations and keys stay taken.
        Caretaker(name="orphans", first=60.0, every=60.0, job=settle_orphans),
        Caretaker(name="heartbeat", first=BEAT_SECONDS, every=BEAT_SECONDS, job=house.parts.heartbeat.beat),
        Caretaker(name="watch", first=EVERY_SECONDS, every=EVERY_SECONDS, job=house.parts.watch.look),
        *_list_readers(house),
    )


def _list_readers(house: House) -> tuple[Caretaker, ...]:
    """Reads the providers' lists of models: each once a day, whichever process looks first."""
    if not house.settings.catalogue.sync:
        return ()
    first = 120.0 + 600.0 * house.parts.ports.dice.random()
    return (Caretaker(name="lists of models", first=first, every=3600.0, job=house.parts.model_sync.sync_due),)


def _connections(
    settings: Settings,
    ports: Ports,
    origins: AllowedOrigins,
    local: LocalModel,
    stored: StoredConnections,
    environment: Mapping[str, str] | None,
) -> Connections:
    # What the owner's own file names may lie on this machine or in its network; nothing a request says can add to it.
    for connection in settings.connections:
        if connection.base_url is not None:
            origins.allow(connection.base_url)
    if settings.auth.jwks_url:
        origins.allow(settings.auth.jwks_url)
    # Model servers of this machine: looked for there, or named by a connection without an address of its own.
    for address in server_addresses():
        origins.allow(address)
    return Connections(
        ports=ports,
        environment=provider_keys((*key_variables(), *blank_variables()), environment)
        if settings.discovery.environment
        else {},
        specs=connections_of(settings, environment),
        stored=stored.specs,
        headers=settings.headers,
        proxies=proxies_of(settings),
        local=local.connection if settings.local.enabled else None,
        look_on_this_machine=settings.discovery.loopback,
    )


def _parts(
    settings: Settings,
    ports: Ports,
    connections: Connections,
    proxies: Proxies,
    database: Database,
    ledger: Ledger,
    orphans: tuple[Orphan, ...],
    spans: "Spans | None",
) -> Parts:
    meter = Meter()
    own = {
        name: OwnPrice(input=p.input, output=p.output, cache_read=p.cache_read, cache_write=p.cache_write)
        for name, p in settings.prices.items()
    }
    known = KnownModels(database, ports, aliases=settings.aliases, own=own_models_of(settings))
    prices = PriceBook(now=ports.now, own=own, known=known)
    catalogue = Catalogue(connections, FactBook(prices, known), prices, known, successors=settings.catalogue.successors)
    combos = ComboBook(
        combos_of(settings), ComboRows(database), connections, ports, default=settings.routing.default_combo
    )
    guards = Guards(guards_of(settings), GuardRows(database), ports)
    handles = Handles(HandleRows(database), ports, new_secret)
    consents = Consents(ConsentRows(database), ports)
    news = News()
    decisions = Decisions(database, ledger.instance)
    outcomes = Outcomes(database)
    resilience = Resilience(settings.resilience.profile)
    gatherer = Gatherer(
        ports=ports,
        combos=combos,
        connections=connections,
        catalogue=catalogue,
        database=database,
        guards=guards,
        limits=settings.quota.limits,
        resilience=resilience,
    )
    engine = Engine(
        ports=ports,
        planner=Planner(
            ports=ports,
            gatherer=gatherer,
            book=TargetBook(database, ports),
            states=ComboStates(database),
            handles=handles,
            outcomes=outcomes if settings.routing.learner else None,
        ),
        ledger=ledger,
        decisions=decisions,
        guards=guards,
        consents=consents,
        proxies=proxies,
        resilience=resilience,
        learner=Learner(outcomes) if settings.routing.learner else None,
        listener=Listeners((Measures(meter),) if spans is None else (Measures(meter), spans)),
    )
    reuse = Reuse(
        engine=engine,
        rows=CachedAnswers(database),
        decisions=decisions,
        gatherer=gatherer,
        ports=ports,
        keeping=keeping_of(settings),
        handles=handles,
    )
    limits = settings.limits
    return Parts(
        ports=ports,
        version=__version__,
        started_at=ports.now(),
        turn=Turn(
            reuse=reuse,
            answers=Answers(database, ledger.instance),
            ports=ports,
            keep_answers_seconds=settings.retention.answers_hours * 3600.0,
        ),
        engine=engine,
        reuse=reuse,
        gatherer=gatherer,
        combos=combos,
        examiner=Examiner(combos, catalogue),
        adviser=Adviser(engine, combos, database, ports),
        connections=connections,
        catalogue=catalogue,
        known=known,
        models=ModelRows(database),
        model_sync=ModelSync(ModelRows(database), known, connections, proxies, ports),
        prices=prices,
        price_rows=PriceRows(database),
        price_sync=PriceSync(PriceRows(database), known, prices, ports),
        health=HealthBook(database),
        ledger=ledger,
        usage=UsageBook(database),
        metrics=MetricsBook(database),
        resilience=resilience,
        profiles=ProfileBook(database),
        decisions=decisions,
        outcomes=outcomes,
        database=database,
        checkup=Checkup(database, ports),
        guards=guards,
        handles=handles,
        consents=consents,
        state_key=partial(state_key_of, settings.directory),
        news=news,
        watch=Watch(news, combos, connections, gatherer),
        limits=TimeLimits(
            connect=limits.connect_seconds,
            first_token=limits.first_token_seconds,
            between_chunks=limits.between_chunks_seconds,
            total=limits.total_seconds,
        ),
        deadlines=Deadlines(listening=limits.deadline_seconds, quiet=limits.quiet_deadline_seconds),
        orphans=orphans,
        audit=Audit(database=database, instance=ledger.instance, level=settings.audit.level),
        meter=meter,
        heartbeat=Heartbeat(database=database, instance=ledger.instance, ports=ports),
        spans=spans,
    )
