"""A hook's token and credentials at rest: sealed with the master key, bound to their row and to where they may go.

So whoever can write the database, but does not have the master key, cannot point a credential at another server.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from omniroute_agent.doors.a2a.push.configs import Protocol, PushConfig
from omniroute_agent.kernel.sealed import CannotUnseal, Keys, Place
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.store.push import TABLE, HookRow, read_sealed, write_sealed

if TYPE_CHECKING:  # the cipher is loaded when something is sealed
    from omniroute_agent.outside.sealer import Sealer
    from omniroute_agent.outside.sealing import MasterKey

_PROTOCOLS: Final[dict[str, Protocol]] = {"0.3": "0.3", "1.0": "1.0"}


class Seal:
    """Its methods may wait for a keyring: they are called from a thread; `close` under the database's write lock."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._sealer: Sealer | None = None

    def wake(self) -> None:
        """Let a keyring be unlocked before the database waits for it.

        Raises:
            CannotUnseal: there is no place for a key.
        """
        self._keys.where()

    def close(self, config: PushConfig, row: HookRow, beside: Iterable[bytes]) -> bytes | None:
        """What is secret in the config, sealed for that row; None when nothing is. `beside`: what the same key sealed.

        Raises:
            CannotUnseal: there is no key to seal with.
        """
        secrets = {
            name: secret.reveal()
            for name, secret in (("token", config.token), ("credentials", config.credentials))
            if secret is not None
        }
        if not secrets:
            return None
        return self._ready().key_beside(beside).seal(Secret(json.dumps(secrets)), _place(row))

    def open(self, row: HookRow) -> PushConfig:
        """
        Raises:
            CannotUnseal: its secrets do not open.
        """
        found: dict[str, str] = {}
        if row.sealed is not None:
            found = json.loads(self._ready().unseal(row.sealed, _place(row)).reveal())
        return PushConfig(
            protocol=_PROTOCOLS.get(row.protocol, "1.0"),
            url=row.url,
            id=row.id,
            token=Secret(found["token"]) if "token" in found else None,
            scheme=row.scheme,
            credentials=Secret(found["credentials"]) if "credentials" in found else None,
        )

    def _ready(self) -> "Sealer":
        if self._sealer is None:
            from omniroute_agent.outside.sealer import Sealer  # noqa: PLC0415 (lazy)

            self._sealer = Sealer(self._keys)
        return self._sealer


class HookSecrets:
    """The hooks' part in a rotation of the master key."""

    def sealed(self, connection: sqlite3.Connection, sealer: "Sealer") -> tuple[bytes, ...]:
        """Inside a job: those that still open."""
        return tuple(row.sealed for row, _ in _opening(connection, sealer) if row.sealed is not None)

    def reseal(self, connection: sqlite3.Connection, sealer: "Sealer", key: "MasterKey") -> None:
        """Inside a job: seal those under another key. What does not open stays as it is: its hook is given up when it
        is told, and that must not stand in the way of a rotation.
        """
        for row, secrets in _opening(connection, sealer):
            write_sealed(connection, row, key.seal(secrets, _place(row)))


def _opening(connection: sqlite3.Connection, sealer: "Sealer") -> Iterator[tuple[HookRow, Secret]]:
    for row in read_sealed(connection):
        with suppress(CannotUnseal):
            yield row, sealer.unseal(row.sealed or b"", _place(row))


def _place(row: HookRow) -> Place:
    """Every write has a generation of its own, so what an older write sealed does not fit."""
    return Place(
        table=TABLE,
        column="sealed",
        row=row.generation,
        version=1,
        bound=(row.owner, row.task_id, row.id, row.url, row.scheme, row.protocol),
    )
