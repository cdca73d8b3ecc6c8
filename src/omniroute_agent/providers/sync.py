"""Taking over a provider's own list of models. An empty, failed or absurdly shorter answer changes nothing, and it is
said.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from omniroute_agent.kernel.errors import NoRoute, not_found
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.providers.discovery import Connections
from omniroute_agent.providers.known import KnownModels, Said
from omniroute_agent.providers.listing import read_list
from omniroute_agent.providers.model import Connection
from omniroute_agent.providers.proxies import Proxies
from omniroute_agent.providers.reading import CannotRead
from omniroute_agent.store.models import Judge, ListRefused, ModelRows

_log = logging.getLogger(__name__)

DAY_SECONDS: Final = 86_400.0
JITTER: Final = 0.1
"""Share of a day by which the daily reading moves, so that installations do not all ask at once."""
_FEW: Final = 4
"""A list this short may become any shorter."""
_SHRUNK: Final = 0.5
"""A list that lost more than this share of its models is not believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What reading one connection's list came to."""

    connection: str
    total: int = 0
    """Chat models on the list that holds now."""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    source: str | None = None
    trouble: str | None = None
    """Why nothing was changed, in one sentence."""


class ModelSync:
    def __init__(
        self, rows: ModelRows, known: KnownModels, connections: Connections, proxies: Proxies, ports: Ports
    ) -> None:
        self._rows = rows
        self._known = known
        self._connections = connections
        self._proxies = proxies
        self._ports = ports

    async def sync(self, connection_id: str | None = None, *, shorter: bool = False) -> tuple[SyncReport, ...]:
        """Read the list of one connection, or of all that have a key. `shorter` believes a list that lost most of its
        models.

        Raises:
            NotFound: no connection of that name.
        """
        connections = await self._connections.all()
        if connection_id is None:
            chosen = [c for c in connections if await self._is_ours(c)]
        else:
            chosen = [c for c in connections if c.id == connection_id]
            if not chosen:
                raise not_found("connection", connection_id, [c.id for c in connections])
        for connection in chosen:
            await self._rows.claim(connection.id, now=self._now(), before=None)
        return tuple([await self._read(connection, shorter=shorter) for connection in chosen])

    async def sync_due(self) -> tuple[SyncReport, ...]:
        """Read the lists that nobody read for a day, each by one of the running processes only."""
        reports: list[SyncReport] = []
        for connection in await self._connections.all():
            if connection.models is not None or not await self._is_ours(connection):
                continue
            wait = DAY_SECONDS * (1 + JITTER * (2 * self._ports.dice.random() - 1))
            if await self._rows.claim(connection.id, now=self._now(), before=self._now() - wait):
                report = await self._read(connection, shorter=False)
                _tell(report)
                reports.append(report)
        return tuple(reports)

    async def _is_ours(self, connection: Connection) -> bool:
        """Whether it has a credential: nobody else is asked for a list unless by name."""
        if connection.unavailable is not None or connection.source in ("loopback", "local"):
            return False
        try:
            endpoint = await connection.reach()
        except NoRoute:
            return False
        return bool(endpoint.secret or endpoint.secret_headers)

    async def _read(self, connection: Connection, *, shorter: bool) -> SyncReport:
        try:
            models, source = await read_list(self._ports, connection, self._proxies)
        except (CannotRead, NoRoute) as error:
            why = f"{error} Nothing was changed."
            await self._rows.trouble(connection.id, why, at=self._now())
            return SyncReport(connection=connection.id, total=await self._total(connection.id), trouble=why)
        documents = {name: _document(said) for name, said in models.items()}
        try:
            change = await self._rows.put_list(
                connection.id, documents, source=source, at=self._now(), judge=_judge(documents, shorter=shorter)
            )
        except ListRefused as refused:
            total = await self._total(connection.id)
            return SyncReport(connection=connection.id, total=total, source=source, trouble=str(refused))
        await self._known.look(fresh=True)
        return SyncReport(
            connection=connection.id,
            total=len(models),
            added=change.added,
            removed=change.removed,
            source=source,
        )

    async def _total(self, connection_id: str) -> int:
        known = await self._known.look(fresh=True)
        listing = known.lists.get(connection_id)
        return 0 if listing is None else len(listing.models)

    def _now(self) -> float:
        return self._ports.now().timestamp()


def _judge(models: Mapping[str, object], *, shorter: bool) -> Judge:
    def judge(before: frozenset[str]) -> str | None:
        if not models:
            return "Its list holds no chat model. Nothing was changed."
        if not shorter and len(before) > _FEW and len(models) < len(before) * _SHRUNK:
            return (
                f"Its list has {len(models)} models where it had {len(before)}. Nothing was changed; "
                "`models sync --accept-shorter` takes it as it is."
            )
        return None

    return judge


def _document(said: Said) -> str:
    return json.dumps(said.model_dump(mode="json", exclude_none=True), separators=(",", ":"))


def _tell(report: SyncReport) -> None:
    """Only a change is worth a line."""
    if report.trouble:
        _log.info("The list of models of %s: %s", report.connection, report.trouble)
    elif report.added or report.removed:
        _log.info(
            "The list of models of %s changed: added %s; removed %s.",
            report.connection,
            _few(report.added),
            _few(report.removed),
        )


def _few(names: Iterable[str]) -> str:
    shown = tuple(names)
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "") if shown else "none"  # noqa: PLR2004 (a line's worth)
