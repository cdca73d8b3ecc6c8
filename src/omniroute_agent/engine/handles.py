"""Budget handles: a text that lets whoever holds it spend up to an amount, and give shares of it to others.

A handle only narrows. Whoever uses one is held against its own guards as well, so that minting gives nobody anything.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Final
from zlib import crc32

from omniroute_agent.engine.guards import Room
from omniroute_agent.kernel.caller import OWNER_ID, Caller
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.kernel.money import usd
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.store.handle_books import HandleRow, State, ended, unknown
from omniroute_agent.store.handles import Found, HandleRows

HANDLE_PREFIX: Final = "orbh_"
ID_PREFIX: Final = "bh-"
LIFETIME: Final = 30 * 86_400.0
"""Seconds a handle is good when nobody says how long."""
LONGEST: Final = 366 * 86_400.0
DEEPEST: Final = 8
"""Times an amount can be split further."""
MOST: Final = 2**53
"""Nano-dollars, as of a guard."""
LABEL: Final = 80
"""Characters of a label."""

SPEND: Final = "execute:completions"
"""The scope without which a handle is of no use, so that it is needed for everything about one."""

_TEXT: Final = re.compile(r"(?P<kept>orbh_(?P<id>[0-9a-z]{10})_[A-Za-z0-9_-]{43})(?P<check>[0-9a-f]{8})")
_ID: Final = re.compile(r"bh-[0-9a-z]{10}")
_NOBODY: Final = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A handle that was just made. Only its digest is kept, so this is the one moment to show its text."""

    row: HandleRow
    text: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A handle, and what came out of it, parents before their children."""

    row: HandleRow
    state: State
    below: tuple[HandleRow, ...]
    now: float

    @property
    def children(self) -> tuple[HandleRow, ...]:
        return tuple(row for row in self.below if row.parent == self.row.id)

    @property
    def spent(self) -> int:
        """By itself and by all that came out of it."""
        return self.row.spent + sum(row.spent for row in self.below)

    @property
    def reserved(self) -> int:
        return self.row.reserved + sum(row.reserved for row in self.below)


class Handles:
    def __init__(self, rows: HandleRows, ports: Ports, new_secret: Callable[[], str]) -> None:
        """`new_secret` draws 256 bits as 43 letters, digits, dashes and underscores."""
        self._rows = rows
        self._ports = ports
        self._new_secret = new_secret

    async def mint(
        self, caller: Caller, amount: int, *, seconds: float | None = None, label: str | None = None
    ) -> Minted:
        """A handle over `amount` nano-dollars, good for so many seconds.

        Raises:
            NotAllowed: its caller may not spend.
            InvalidRequest: the amount, the time or the label cannot be.
            LimitReached: there are too many of its caller's already.
        """
        caller.require((SPEND,))
        _check(amount, seconds, label)
        drawn, digest, handle_id = self._draw()
        now = self._now()
        row = HandleRow(
            id=handle_id,
            parent=None,
            depth=0,
            digest=digest,
            label=label,
            minted_by=caller.id,
            amount=amount,
            created_at=now,
            expires_at=now + (LIFETIME if seconds is None else seconds),
        )
        await self._rows.mint(row)
        return Minted(row=row, text=drawn)

    async def split(
        self, caller: Caller, named: str, amount: int, *, seconds: float | None = None, label: str | None = None
    ) -> Minted:
        """A child with a share of what is left of a handle; it ends with its parent at the latest.

        Raises:
            NotFound: there is no such handle.
            LimitReached: too little is left of it, or it has ended.
            NotAllowed, InvalidRequest: as in `mint`.
        """
        caller.require((SPEND,))
        _check(amount, seconds, label)
        parent = await self._entitled(caller, named)
        drawn, digest, handle_id = self._draw()
        now = self._now()

        def make(before: HandleRow) -> HandleRow:
            if before.depth >= DEEPEST:
                raise InvalidRequest(f"A budget is split at most {DEEPEST} times.", hint="Split one of its parents.")
            until = before.expires_at if seconds is None else min(now + seconds, before.expires_at)
            return HandleRow(
                id=handle_id,
                parent=before.id,
                depth=before.depth + 1,
                digest=digest,
                label=label,
                minted_by=caller.id,
                amount=amount,
                created_at=now,
                expires_at=until,
            )

        return Minted(row=await self._rows.split(parent.id, make), text=drawn)

    async def revoke(self, caller: Caller, named: str, *, child: str | None = None) -> Standing:
        """End a handle, or one with the id `child` that came out of it, and with it all that came out of that.

        Raises:
            NotFound: there is no such handle.
        """
        caller.require((SPEND,))
        found = await self._entitled(caller, named)
        if child is not None:
            below = (await self._rows.family(found.id, self._now()))[1:]
            if all(row.id != child for row in below):
                raise unknown()
            return await self.end(child)
        return await self.end(found.id)

    async def end(self, handle_id: str) -> Standing:
        """As `revoke`, by the id alone: for the owner.

        Raises:
            NotFound: there is no such handle.
        """
        await self._rows.revoke(handle_id, self._now())
        return await self._standing(handle_id)

    async def look(self, caller: Caller, named: str) -> Standing:
        """
        Raises:
            NotFound: there is no such handle.
        """
        caller.require((SPEND,))
        return await self._standing((await self._entitled(caller, named)).id)

    async def all(self, *, every: bool = False) -> Sequence[tuple[HandleRow, State]]:
        """The good ones, or all that are on record, the oldest first: for the owner."""
        now = self._now()
        return [(row, row.state(now)) for row in await self._rows.all(every=every, now=now)]

    async def room(self, text: str) -> Room:
        """What a request that brings this text may spend.

        Raises:
            InvalidRequest: it is cut off or mistyped.
            NotFound: there is no such handle.
            LimitReached: it was revoked or has expired.
        """
        row = await self._held(text)
        if over := ended(row, self._now()):
            raise over
        return room_of(row)

    async def _entitled(self, caller: Caller, named: str) -> HandleRow:
        """By its text whoever holds it; by its id who minted it, and the owner."""
        if not _ID.fullmatch(named):
            return await self._held(named)
        found = await self._rows.find(named, self._now())
        if found is None or caller.id not in (found.row.minted_by, OWNER_ID):
            raise unknown()
        return await self._current(found)

    async def _held(self, text: str) -> HandleRow:
        if _ID.fullmatch(text):
            raise InvalidRequest(
                f"`{text}` is the id of a budget handle, and an id pays for nothing.",
                hint="Bring the whole text that was given when it was made.",
            )
        match = _TEXT.fullmatch(text)
        if match is None or crc32(match["kept"].encode()) != int(match["check"], 16):
            raise InvalidRequest(
                "The budget handle is cut off or mistyped.",
                hint=f"It begins with `{HANDLE_PREFIX}`; copy the whole of it.",
            )
        found = await self._rows.find(f"{ID_PREFIX}{match['id']}", self._now())
        # An unknown id takes the same way, so that time does not tell which ids there are.
        same = compare_digest(digest_of(text), _NOBODY if found is None else found.row.digest)
        if found is None or not same:
            raise unknown()
        return await self._current(found)

    async def _current(self, found: Found) -> HandleRow:
        return await self._rows.collect(found.row.id, self._now()) if found.due else found.row

    async def _standing(self, handle_id: str) -> Standing:
        now = self._now()
        row, *below = await self._rows.family(handle_id, now)
        return Standing(row=row, state=row.state(now), below=tuple(below), now=now)

    def _draw(self) -> tuple[Secret, bytes, str]:
        """`orbh_<id>_<256 random bits><checksum>`: the id finds the row, the checksum tells a mistyped one at once."""
        drawn = self._ports.new_id()[-10:].lower()
        kept = f"{HANDLE_PREFIX}{drawn}_{self._new_secret()}"
        text = f"{kept}{crc32(kept.encode()):08x}"
        return Secret(text), digest_of(text), f"{ID_PREFIX}{drawn}"

    def _now(self) -> float:
        return self._ports.now().timestamp()


def digest_of(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def room_of(row: HandleRow) -> Room:
    return Room(
        guard=row.id,
        window=f"handle:{row.id}",
        limit=row.amount - row.given - row.returned,
        spent=row.spent,
        reserved=row.reserved,
        resets_at=None,
        handle=True,
    )


def _check(amount: int, seconds: float | None, label: str | None) -> None:
    if not 0 < amount <= MOST:
        raise InvalidRequest(
            f"A budget handle cannot hold {usd(amount)} USD.", hint='Give an amount of USD like "0.25", up to 9000000.'
        )
    if seconds is not None and not 0 < seconds <= LONGEST:
        raise InvalidRequest("A budget handle is good for at least a second and at most 366 days.")
    if label is not None and (not label.strip() or len(label) > LABEL or not label.isprintable()):
        raise InvalidRequest(f"A label has up to {LABEL} characters in one line.")


def time_of(epoch: float) -> str:
    """For people and programs."""
    return datetime.fromtimestamp(epoch, UTC).isoformat("T", "seconds")
