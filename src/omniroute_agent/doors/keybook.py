"""The stored keys as a running server knows them: all in memory, and never older than half a second.

Nothing a stranger sends reaches the database: an unknown key is found out here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Final
from zlib import crc32

import anyio

from omniroute_agent.doors.holders import CannotTell, Holder, NotRecognised
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.scopes import missing
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.store.keys import KeyRow, KeyRows

KEY_PREFIX: Final = "ork_"
LOOK_SECONDS: Final = 0.5
"""How long what was read counts as present."""
NOTE_SECONDS: Final = 60.0
"""How often uses are written down, all of them in one go."""

_KEY: Final = re.compile(rb"(?P<kept>ork_(?P<id>[0-9a-z]{10})_[A-Za-z0-9_-]{43})(?P<check>[0-9a-f]{8})")
_ID_PREFIX: Final = "key-"
_NOBODY: Final = bytes(32)
_ASK: Final = "Ask the owner for another: `omniroute-agent keys create`."


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just drawn. Only its digest is kept, so this is the one moment to show it."""

    id: str
    key: Secret

    @property
    def digest(self) -> bytes:
        return sha256(self.key.reveal().encode()).digest()


def draw_key(new_id: Callable[[], str], new_secret: Callable[[], str]) -> NewKey:
    """`ork_<id>_<256 random bits><checksum>`: the id finds its row, the checksum tells a mistyped key at once."""
    key_id = new_id()[-10:].lower()
    kept = f"{KEY_PREFIX}{key_id}_{new_secret()}"
    return NewKey(f"{_ID_PREFIX}{key_id}", Secret(f"{kept}{crc32(kept.encode()):08x}"))


class KeyBook:
    def __init__(self, rows: KeyRows, ports: Ports) -> None:
        self._rows = rows
        self._now = ports.now
        self._monotonic = ports.monotonic
        self._known: dict[str, KeyRow] = {}
        self._count = -1
        self._looked_at = float("-inf")
        self._looking = anyio.Lock()
        self._changed: set[str] = set()
        self._used: dict[str, float] = {}
        self._noted_at = ports.monotonic()

    def ours(self, presented: bytes) -> bool:
        return presented.startswith(KEY_PREFIX.encode())

    async def find(self, presented: bytes) -> Holder:
        """
        Raises:
            NotRecognised: nobody has this key, it was revoked or has expired; the text says which, to whoever holds it.
            CannotTell: the keys cannot be read.
        """
        match = _KEY.fullmatch(presented)
        if match is None or crc32(match["kept"]) != int(match["check"], 16):
            raise NotRecognised("The key is cut off or mistyped.", "Copy it anew, the whole of it.")
        try:
            await self.look()
        except StoreUnavailable as error:
            raise CannotTell(error.message, error.hint) from None
        row = self._known.get(f"{_ID_PREFIX}{match['id'].decode('ascii')}")
        # An unknown id takes the same way, so that time does not tell which ids there are.
        same = compare_digest(sha256(presented).digest(), _NOBODY if row is None else row.digest)
        if row is None or not same:
            raise NotRecognised
        now = self._now().timestamp()
        if row.revoked_at is not None:
            raise NotRecognised(f"This key was revoked on {_day(row.revoked_at)}.", _ASK)
        if row.expires_at is not None and row.expires_at <= now:
            raise NotRecognised(f"This key expired on {_day(row.expires_at)}.", _ASK)
        self._used[row.id] = now
        return Holder(id=row.id, scopes=row.scopes, view=row.view, until=row.expires_at)

    async def look(self, *, every: float = LOOK_SECONDS) -> None:
        """Read what changed, unless that was done less than `every` seconds ago.

        Raises:
            StoreUnavailable: the keys cannot be read.
        """
        if self._monotonic() - self._looked_at < every:
            return
        async with self._looking:
            begun = self._monotonic()
            if begun - self._looked_at < every:
                return  # somebody else has looked meanwhile
            if await self._rows.changes() != self._count:
                self._count, rows = await self._rows.all()
                known = {row.id: row for row in rows}
                self._changed |= {
                    key_id for key_id, row in self._known.items() if _grant(known.get(key_id)) != _grant(row)
                }
                self._known = known
            self._looked_at = begun
            if begun - self._noted_at >= NOTE_SECONDS:
                self.note_uses()

    def take_changed(self) -> frozenset[str]:
        """Ids of keys that stand for something else than when this was asked last."""
        changed, self._changed = frozenset(self._changed), set()
        return changed

    def good(self, holder: Holder) -> bool:
        """Whether one who came in earlier might still come in, as far as it is known here."""
        if not holder.id.startswith(_ID_PREFIX):
            return True
        row = self._known.get(holder.id)
        return row is not None and row.revoked_at is None

    def unnarrowed(self, holder: Holder) -> bool:
        """Whether one who came in earlier may still do all that it might then."""
        row = self._known.get(holder.id)
        return row is None or (row.view == holder.view and not missing(row.scopes, holder.scopes))

    def note_uses(self) -> None:
        """Have the uses so far written down."""
        self._noted_at = self._monotonic()
        used, self._used = self._used, {}
        if used:
            self._rows.used(used)


def _grant(row: KeyRow | None) -> object:
    return None if row is None else (row.scopes, row.view, row.revoked_at is None)


def _day(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).date().isoformat()
