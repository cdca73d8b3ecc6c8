"""Connections added by hand: opened for use, sealed for keeping, and sealed anew under another key.

What is sealed is bound to its row, and to the provider, address and proxy it may go to: whoever can write the database
but does not have the master key cannot point a key at another server.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol, cast

from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.proxy import has_password
from omniroute_agent.kernel.sealed import CannotUnseal, Keys, Place
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.kernel.tier import Tier
from omniroute_agent.providers.discovery import ConnectionSpec
from omniroute_agent.store.connections import TABLE, ConnectionRow, ConnectionRows

if TYPE_CHECKING:  # the cipher is loaded when something is sealed: most starts find nothing to open
    from omniroute_agent.outside.sealer import Sealer
    from omniroute_agent.outside.sealing import MasterKey

LOOK_SECONDS: Final = 1.0
"""How long what was read holds. Then one number tells whether any process has changed the table."""
AGAIN_SECONDS: Final = 30.0
"""After this time what did not open is tried again: its key may have been put back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConnection:
    """A row with what is secret in it opened."""

    id: str
    provider: str
    base_url: str | None = None
    key: Secret | None = None
    models: tuple[str, ...] | None = None
    default_model: str | None = None
    tier: Tier | None = None
    headers: dict[str, Secret] = field(default_factory=dict[str, Secret])
    proxy: Secret | None = None
    expires_at: datetime | None = None
    enabled: bool = True
    trouble: str | None = None
    """Why what is sealed in it does not open; its secrets are missing here then."""

    def spec(self) -> ConnectionSpec:
        trouble = None
        if self.trouble:
            trouble = f"Connection `{self.id}` cannot be opened: {self.trouble}."
        elif not self.enabled:
            trouble = (
                f"Connection `{self.id}` is switched off: `connections add {self.id} --replace --on` switches it on."
            )
        return ConnectionSpec(
            id=self.id,
            provider=self.provider,
            base_url=self.base_url,
            key=self.key,
            models=self.models,
            default_model=self.default_model,
            tier=self.tier,
            headers=self.headers,
            proxy=self.proxy,
            expires_at=self.expires_at,
            source="stored",
            trouble=trouble,
        )


Edit = Callable[[StoredConnection | None], StoredConnection]
"""What is there, if anything → what is to be there."""


class Neighbour(Protocol):
    """Somebody else in the same database whose secrets the same key seals. Called inside a job."""

    def sealed(self, connection: sqlite3.Connection, sealer: "Sealer") -> tuple[bytes, ...]:
        """Those that still open."""
        ...

    def reseal(self, connection: sqlite3.Connection, sealer: "Sealer", key: "MasterKey") -> None:
        """Seal those under another key."""
        ...


class StoredConnections:
    def __init__(
        self,
        rows: ConnectionRows,
        keys: Keys,
        ports: Ports,
        *,
        allow: Callable[[Sequence[str]], None],
        neighbours: Sequence[Neighbour] = (),
    ) -> None:
        """`allow` lets the guard pass the addresses that the owner's rows name now, and no more those they named."""
        self._neighbours = neighbours
        self._rows = rows
        self._keys = keys
        self._ports = ports
        self._allow = allow
        self._sealer: Sealer | None = None
        self._specs: tuple[ConnectionSpec, ...] = ()
        self._count = -1
        self._look_at = float("-inf")
        self._try_at = float("inf")
        self._looking = asyncio.Lock()

    async def specs(self) -> tuple[ConnectionSpec, ...]:
        """As discovery takes them: the same tuple until something changed."""
        if self._ports.monotonic() >= self._look_at:
            async with self._looking:
                if self._ports.monotonic() >= self._look_at:
                    await self._look()
        return self._specs

    async def all(self) -> tuple[StoredConnection, ...]:
        _, rows = await self._rows.all()
        return await asyncio.to_thread(lambda: tuple(map(self._opened, rows)))

    async def put(self, connection_id: str, edit: Edit) -> StoredConnection:
        """Add a connection, or change the one of that name. What `edit` raises is passed on and nothing is written.

        Raises:
            CannotUnseal: there is no key to seal with, or what has to be kept does not open.
        """

        def make(rows: Mapping[str, ConnectionRow], version: int) -> ConnectionRow:
            row = rows.get(connection_id)
            before = None if row is None else self._opened(row)
            wanted = edit(before)
            if wanted.trouble:
                raise CannotUnseal(wanted.trouble)
            # A row that no longer opens is replaced as a whole: its key is not asked for.
            lost = connection_id if before is not None and before.trouble else None
            sealed = [blob for each in rows.values() if each.id != lost for blob in each.sealed]
            now = self._ports.now().timestamp()
            blank = _blank(wanted, version, created_at=now if row is None else row.created_at, changed_at=now)
            return _sealed(blank, wanted, lambda: self._sealing().key_beside(sealed))

        # A keyring may want to be unlocked: not while the database waits.
        await asyncio.to_thread(self._keys.where)
        written = await self._rows.put(make)
        self._look_at = float("-inf")
        return await asyncio.to_thread(lambda: self._opened(written))

    async def remove(self, connection_id: str) -> bool:
        """False when there was none."""
        found = await self._rows.delete(connection_id)
        self._look_at = float("-inf")
        return found

    async def rotate(self) -> tuple[int, str]:
        """Seal everything anew under a new key, all of it or nothing. Gives the number of connections and where the
        new key lies.

        The new key lies beside the present one before anything is sealed with it, and takes its place afterwards: an
        end in between leaves both.

        Raises:
            CannotUnseal: something does not open, or no new key can be had. Everything is as it was.
        """
        await asyncio.to_thread(self._keys.where)
        drawn: list[MasterKey] = []

        def reseal(rows: tuple[ConnectionRow, ...], version: int) -> tuple[ConnectionRow, ...]:
            opened = tuple(map(self._opened, rows))
            for each in opened:
                if each.trouble:
                    raise CannotUnseal(f"connection `{each.id}` does not open: {each.trouble}")
            sealed = [blob for row in rows for blob in row.sealed]
            if sealed:
                drawn.append(self._sealing().new_key(sealed))
            return tuple(
                _sealed(
                    _blank(each, version, created_at=row.created_at, changed_at=row.changed_at),
                    each,
                    lambda: drawn[0],
                )
                for row, each in zip(rows, opened, strict=True)
            )

        def reseal_neighbours(connection: sqlite3.Connection) -> None:
            sealer = self._sealing()
            sealed = [blob for neighbour in self._neighbours for blob in neighbour.sealed(connection, sealer)]
            if sealed and not drawn:
                drawn.append(sealer.new_key(sealed))
            for neighbour in self._neighbours if drawn else ():
                neighbour.reseal(connection, sealer, drawn[0])

        count = await self._rows.rewrite(reseal, reseal_neighbours)
        if drawn:
            # Under the write lock, so that no other rotation draws its key meanwhile.
            await self._rows.alone(lambda: self._sealing().promote(drawn[0]))
        self._look_at = float("-inf")
        return count, await asyncio.to_thread(self._keys.where)

    async def _look(self) -> None:
        now = self._ports.monotonic()
        # When the database cannot be read, what is known holds: the ledger says it to every caller.
        with suppress(StoreUnavailable):
            if await self._rows.changes() != self._count or now >= self._try_at:
                self._count, rows = await self._rows.all()
                opened = await asyncio.to_thread(lambda: tuple(map(self._opened, rows))) if rows else ()
                self._take(opened)
                troubled = any(each.trouble for each in opened)
                self._try_at = now + AGAIN_SECONDS if troubled else float("inf")
        self._look_at = self._ports.monotonic() + LOOK_SECONDS

    def _take(self, opened: tuple[StoredConnection, ...]) -> None:
        self._allow([each.base_url for each in opened if each.base_url and each.enabled and not each.trouble])
        specs = tuple(each.spec() for each in opened)
        if specs != self._specs:
            self._specs = specs

    def _opened(self, row: ConnectionRow) -> StoredConnection:
        """Never raises: a row that does not open is shown with the reason."""
        opened = StoredConnection(
            id=row.id,
            provider=row.provider,
            base_url=row.base_url,
            models=row.models,
            default_model=row.default_model,
            tier=cast("Tier | None", row.tier),
            proxy=None if row.proxy is None else Secret(row.proxy),
            expires_at=_moment(row.expires_at),
            enabled=row.enabled,
        )
        try:
            key, headers, proxy = (
                None if blob is None else self._sealing().unseal(blob, _place(row, column))
                for column, blob in (
                    ("sealed_key", row.sealed_key),
                    ("sealed_headers", row.sealed_headers),
                    ("sealed_proxy", row.sealed_proxy),
                )
            )
        except CannotUnseal as why:
            return replace(opened, trouble=str(why))
        found: dict[str, str] = json.loads(headers.reveal()) if headers else {}
        return replace(
            opened,
            key=key,
            headers={name: Secret(value) for name, value in found.items()},
            proxy=opened.proxy if proxy is None else proxy,
        )

    def _sealing(self) -> "Sealer":
        if self._sealer is None:
            from omniroute_agent.outside.sealer import Sealer  # noqa: PLC0415 (lazy)

            self._sealer = Sealer(self._keys)
        return self._sealer


def _moment(epoch: float | None) -> datetime | None:
    """None also where a hand wrote something that is no time."""
    with suppress(TypeError, ValueError, OverflowError, OSError):
        return None if epoch is None else datetime.fromtimestamp(epoch, UTC)
    return None


def _blank(wanted: StoredConnection, version: int, *, created_at: float, changed_at: float) -> ConnectionRow:
    """The row without what is secret."""
    return ConnectionRow(
        id=wanted.id,
        version=version,
        provider=wanted.provider,
        base_url=wanted.base_url,
        sealed_key=None,
        models=wanted.models,
        default_model=wanted.default_model,
        tier=wanted.tier,
        sealed_headers=None,
        proxy=None if wanted.proxy is None or has_password(wanted.proxy) else wanted.proxy.reveal(),
        sealed_proxy=None,
        expires_at=None if wanted.expires_at is None else wanted.expires_at.timestamp(),
        created_at=created_at,
        changed_at=changed_at,
        enabled=wanted.enabled,
    )


def _sealed(row: ConnectionRow, wanted: StoredConnection, key: "Callable[[], MasterKey]") -> ConnectionRow:
    """The row with its secrets sealed. Without secrets no key is asked for."""
    headers = {name: value.reveal() for name, value in wanted.headers.items()}
    secrets = {
        "sealed_key": wanted.key,
        "sealed_headers": Secret(json.dumps(headers)) if headers else None,
        "sealed_proxy": wanted.proxy if row.proxy is None else None,
    }
    if not any(secrets.values()):
        return row
    master = key()
    sealed = {column: master.seal(text, _place(row, column)) for column, text in secrets.items() if text}
    return replace(
        row,
        sealed_key=sealed.get("sealed_key"),
        sealed_headers=sealed.get("sealed_headers"),
        sealed_proxy=sealed.get("sealed_proxy"),
    )


def _place(row: ConnectionRow, column: str) -> Place:
    way = () if row.proxy is None else (row.proxy,)
    return Place(
        table=TABLE, column=column, row=row.id, version=row.version, bound=(row.provider, row.base_url or "", *way)
    )
