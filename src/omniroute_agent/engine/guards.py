"""Spend guards: named limits over a window, reserved before each attempt and settled after it."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from omniroute_agent.kernel.bill import Hold
from omniroute_agent.kernel.caller import OWNER_ID, Caller
from omniroute_agent.kernel.errors import not_found
from omniroute_agent.kernel.guard import DEGRADE_FROM, TIERS_BELOW, Action, Guard, GuardTier, Period, Source
from omniroute_agent.kernel.money import usd
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.tier import Tier
from omniroute_agent.providers.discovery import ENVIRONMENT_GUARD
from omniroute_agent.store.guards import Count, GuardRows, GuardsSeen, GuardState

REQUEST_GUARD: Final = "request"
"""The guard a request brings along as `budget_usd`; its window is the request itself."""

CONSENT_GUARD: Final = "consent"
"""The guard of what the owner allowed one request beyond the limits of guards that ask."""

_MOST_TOLD: Final = 1024
"""Sessions have windows of their own, so their number has an end here."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a guard has left in its present window, in nano-dollars."""

    guard: str
    window: str
    limit: int
    spent: int
    reserved: int
    resets_at: float | None
    action: Action = "block"
    tier: GuardTier | None = None
    combo: str | None = None
    """The one combo it is for."""
    source: Source = "settings"
    agreed: bool = False
    """The owner lets this request pass it."""
    handle: bool = False
    """It is a budget handle, of the id `guard`."""

    @property
    def left(self) -> int:
        return max(self.limit - self.used, 0)

    @property
    def resets(self) -> str | None:
        """`resets_at` for people."""
        return None if self.resets_at is None else datetime.fromtimestamp(self.resets_at, UTC).isoformat("T", "seconds")

    @property
    def used(self) -> int:
        return self.spent + self.reserved

    @property
    def enforced(self) -> bool:
        """Whether an attempt that may exceed it is not made."""
        return self.action != "alert" and not self.agreed

    @property
    def degraded(self) -> bool:
        return self.action == "degrade" and self.used * 100 >= self.limit * DEGRADE_FROM

    def admits(self, tier: Tier) -> bool:
        """Whether targets of that tier may still be tried under it."""
        return not self.degraded or tier in TIERS_BELOW[self.tier or "free"]

    def hold(self, amount: int) -> Hold:
        return Hold(
            guard=self.guard,
            window=self.window,
            limit=self.limit,
            amount=amount,
            resets_at=self.resets_at,
            enforced=self.enforced,
            handle=self.handle,
        )

    def note(self) -> str | None:
        """What a plan has to say of it."""
        if self.degraded:
            only = "free" if self.tier != "cheap" else "cheap and free"
            return (
                f"The guard `{self.guard}` has {usd(self.left)} of {usd(self.limit)} USD left: "
                f"only {only} targets {f'until {self.resets}' if self.resets else 'for the rest of the session'}."
            )
        if self.action == "alert" and self.left == 0:
            return f"The guard `{self.guard}` is over: {usd(self.used)} of {usd(self.limit)} USD. It only alerts."
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Where a guard counts now. Times are UTC epoch seconds."""

    name: str
    since: float
    resets_at: float | None


def window_of(guard: Guard, now: datetime, caller: str | None, session: str | None) -> Window:
    if guard.period == "session":
        return Window(name=f"session:{caller}/{session}", since=0.0, resets_at=None)
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = _span(guard.period, midnight)
    name = f"month:{start:%Y-%m}" if guard.period == "month" else f"{guard.period}:{start.date().isoformat()}"
    return Window(name=name, since=start.timestamp(), resets_at=end.timestamp())


def _span(period: Period, midnight: datetime) -> tuple[datetime, datetime]:
    if period == "month":
        first = midnight.replace(day=1)
        return first, (first + timedelta(days=32)).replace(day=1)
    if period == "week":
        monday = midnight - timedelta(days=midnight.weekday())
        return monday, monday + timedelta(days=7)
    return midnight, midnight + timedelta(days=1)


def request_room(request_id: str, budget: int) -> Room:
    """The room of a request's own budget before its first attempt."""
    return _own_room(REQUEST_GUARD, request_id, budget)


def consent_room(request_id: str, most: int) -> Room:
    """The room of what the owner allowed a request."""
    return _own_room(CONSENT_GUARD, request_id, most)


def _own_room(guard: str, request_id: str, limit: int) -> Room:
    return Room(guard=guard, window=f"{guard}:{request_id}", limit=limit, spent=0, reserved=0, resets_at=None)


def rooms_for(rooms: Mapping[str, Room], combo: str | None) -> dict[str, Room]:
    """Those that count what is routed through that combo, or through none."""
    return {name: room for name, room in rooms.items() if room.combo in (None, combo)}


def own_name(period: Period, caller: Caller, combo: str | None) -> str:
    """The name of the guard a caller sets without naming one: always the same for the same purpose."""
    pieces = [period if period != "session" else f"session-{_short(f'{caller.id}/{caller.session}')}"]
    if caller.id != OWNER_ID:
        pieces.append(_short(caller.id))
    return "-".join((*pieces, combo) if combo else pieces)[:64]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


class Guards:
    """All guards: those of the settings, and those set at run time, which stand in their place."""

    def __init__(self, defined: Sequence[Guard], rows: GuardRows, ports: Ports) -> None:
        self._defined = {guard.name: guard for guard in defined}
        self._rows = rows
        self._ports = ports
        self._told: set[tuple[str, str]] = set()
        """Guards and windows whose alert was logged."""

    def merged(self, stored: Sequence[Guard]) -> tuple[Guard, ...]:
        over = {guard.name: replace(guard, overrides=guard.name in self._defined) for guard in stored}
        return tuple({**self._defined, **over}.values())

    async def all(self) -> tuple[Guard, ...]:
        return self.merged((await self._rows.seen(_no_windows)).stored)

    async def find(self, name: str) -> Guard:
        """
        Raises:
            NotFound: the nearest names are in it.
        """
        guards = {guard.name: guard for guard in await self.all()}
        if name not in guards:
            raise not_found("guard", name, list(guards))
        return guards[name]

    def windows(self, caller: Caller | None, now: datetime) -> Callable[[Sequence[Guard]], Mapping[str, str]]:
        """The present windows of the guards that concern a caller, as a function of the stored guards."""

        def windows(stored: Sequence[Guard]) -> dict[str, str]:
            found = self._concerning(stored, caller)
            return {guard.name: _window(guard, now, caller).name for guard in found}

        return windows

    def _concerning(self, stored: Sequence[Guard], caller: Caller | None) -> list[Guard]:
        who, session = (caller.id, caller.session) if caller else (None, None)
        return [guard for guard in self.merged(stored) if guard.enabled and guard.concerns(who, session)]

    def rooms(self, seen: GuardsSeen, caller: Caller | None, now: datetime) -> dict[str, Room]:
        """The rooms of what `windows` had read."""
        rooms = {
            guard.name: _room(guard, _window(guard, now, caller), seen.states[guard.name])
            for guard in self._concerning(seen.stored, caller)
        }
        for room in rooms.values():
            self._tell_once(room)
        return rooms

    def standing(self, stored: Sequence[Guard], caller: Caller, now: datetime) -> dict[str, Room]:
        """The rooms of the guards that concern a caller, as if nothing had been spent in them."""
        return {
            guard.name: _room(guard, _window(guard, now, caller), GuardState(0, 0))
            for guard in self._concerning(stored, caller)
        }

    def _tell_once(self, room: Room) -> None:
        told = (room.guard, room.window)
        if room.action != "alert" or room.left > 0 or told in self._told:
            return
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told.add(told)
        _log.warning("%s", room.note())

    async def report(self) -> tuple[tuple[Guard, Room | None], ...]:
        """Every guard with its present room; None where each session has its own, or it is switched off."""
        now = self._ports.now()

        def windows(stored: Sequence[Guard]) -> dict[str, str]:
            return {guard.name: _standing_window(guard, now).name for guard in self.merged(stored) if _stands(guard)}

        seen = await self._rows.seen(windows)
        return tuple(
            (guard, _room(guard, _standing_window(guard, now), seen.states[guard.name]) if _stands(guard) else None)
            for guard in self.merged(seen.stored)
        )

    async def put(self, guard: Guard, before: Guard | None) -> Guard:
        """Set a guard in the place of `before`, as it was found. It counts what was spent in its window already.

        Raises:
            Conflict: it was changed meanwhile.
        """
        now = self._ports.now()
        guard = replace(guard, source="stored", overrides=False, created_at=now.timestamp())
        fresh = before is None or not before.enabled or before.counted != guard.counted
        counts = [count_of(guard, now)] if fresh and _counts_alone(guard) else []
        await self._rows.put(guard, before=_stored(before), counts=counts, now=now.timestamp())
        return replace(guard, overrides=guard.name in self._defined)

    async def remove(self, before: Guard, by: str) -> Guard | None:
        """Take a guard out of force: a stored one goes; one that the settings define is switched off.

        Raises:
            Conflict: it was changed meanwhile.
        """
        if before.name in self._defined:
            return await self.put(replace(before, enabled=False, created_by=by), before)
        await self._rows.remove(before.name, before=_stored(before))
        return None

    async def restore(self, before: Guard) -> Guard | None:
        """Forget what was set at run time; gives what the settings say, if they do."""
        await self._rows.remove(before.name, before=_stored(before))
        return self._defined.get(before.name)

    async def begin(self) -> None:
        """Let the settings' guards count what was spent before they were defined."""
        now = self._ports.now()
        counts = [count_of(guard, now) for guard in await self.all() if guard.enabled and _counts_alone(guard)]
        if counts:
            await self._rows.begin(counts, now.timestamp())


def _no_windows(_: Sequence[Guard]) -> dict[str, str]:
    return {}


def _stored(guard: Guard | None) -> Guard | None:
    """As its row has it."""
    return None if guard is None or guard.source != "stored" else replace(guard, overrides=False)


def _window(guard: Guard, now: datetime, caller: Caller | None) -> Window:
    return window_of(guard, now, caller.id if caller else None, caller.session if caller else None)


def _stands(guard: Guard) -> bool:
    """Whether it has one window for all that it counts."""
    return guard.enabled and (guard.period != "session" or None not in (guard.caller, guard.session))


def _standing_window(guard: Guard, now: datetime) -> Window:
    return window_of(guard, now, guard.caller, guard.session)


def _counts_alone(guard: Guard) -> bool:
    """Whether the ledger alone tells what it counts: not which calls went out with a key of the environment."""
    return guard.name != ENVIRONMENT_GUARD and _stands(guard)


def count_of(guard: Guard, now: datetime) -> Count:
    """Its present window, to begin with what the ledger has of it."""
    window = _standing_window(guard, now)
    return Count(
        guard=guard,
        window=window.name,
        since=window.since,
        resets_at=window.resets_at,
        caller=guard.caller,
        session=guard.session,
    )


def _room(guard: Guard, window: Window, state: GuardState) -> Room:
    return Room(
        guard=guard.name,
        window=window.name,
        limit=guard.limit,
        spent=state.spent,
        reserved=state.reserved,
        resets_at=window.resets_at,
        action=guard.action,
        tier=guard.tier,
        combo=guard.combo,
        source=guard.source,
    )
