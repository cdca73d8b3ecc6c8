"""`keys`: who may call `serve`, and what."""

import re
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from omniroute_agent.app import House
from omniroute_agent.cli.failures import USAGE, CommandFailed
from omniroute_agent.cli.house import in_house
from omniroute_agent.cli.key_money import NONE, Budget, budget_json, budgets, change_of, money, per_period, read_budget
from omniroute_agent.cli.page import err, out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.doors.keybook import draw_key
from omniroute_agent.engine.key_budgets import DEFAULT_PERIOD, clearing, setting
from omniroute_agent.kernel.errors import Conflict, NotFound, not_found
from omniroute_agent.kernel.guard import CalendarPeriod
from omniroute_agent.kernel.scopes import PRESETS, parse_scopes
from omniroute_agent.kernel.view import View
from omniroute_agent.outside.ports import new_secret
from omniroute_agent.settings.values import check_name, moment
from omniroute_agent.store.keys import KeyRow, KeyRows
from omniroute_agent.tooling.tool import PREFIX, Tool
from omniroute_agent.tooling.view import ALL, read_view

_DEFAULT: Final = "agent"
_NEVER: Final = "never"
_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([dhm])")
_UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What stands on the command line; None: not given."""

    name: str
    scopes: str | None
    preset: str | None
    expires: str | None
    toolsets: str | None
    tools: str | None
    exclude: str | None
    read_only: bool | None
    budget: str | None = None
    """USD; "none" takes it away."""
    period: CalendarPeriod | None = None


def create_key(start: Start, wanted: Wanted, *, as_json: bool) -> int:
    try:
        check_name(wanted.name)
    except ValueError as error:
        raise _wrong(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    scopes, limit = _scopes(wanted) or PRESETS[_DEFAULT], read_budget(wanted.budget, wanted.period)

    async def work(house: House) -> tuple[KeyRow, str, Budget]:
        now = house.parts.ports.now()
        drawn = draw_key(house.parts.ports.new_id, new_secret)
        made = KeyRow(
            id=drawn.id,
            name=wanted.name,
            digest=drawn.digest,
            scopes=scopes,
            view=_view(View(), wanted, house.tools),
            created_at=now.timestamp(),
            expires_at=_end(wanted.expires, now),
        )

        def make(rows: tuple[KeyRow, ...]) -> KeyRow:
            if any(row.name == made.name and _alive(row, now) for row in rows):
                raise Conflict(
                    f"There is a key `{made.name}` already.",
                    hint=f"Take another name, or revoke it first: `omniroute-agent keys revoke {made.name}`.",
                )
            return made

        also = None if limit is None else setting(limit, wanted.period or DEFAULT_PERIOD, now)
        row = await KeyRows(house.parts.database).put(make, also)
        return row, drawn.key.reveal(), (await budgets(house)).get(row.id)

    row, key, budget = in_house(start.settings(), work)
    if as_json:
        print_json({"key": key, **_json(row, budget)})
        return 0
    out().line(key)
    page = err()
    page.line(f"This is the one time it is shown. It is called {row.name}, id {row.id}, and may: {_said(row.scopes)}.")
    if budget is not None:
        page.line(f"All it does may cost {per_period(budget)}.")
    page.line("Callers send it as `Authorization: Bearer KEY`.", "dim")
    return 0


def change_key(start: Start, wanted: Wanted, *, as_json: bool) -> int:
    access = (wanted.scopes, wanted.preset, wanted.expires, wanted.toolsets, wanted.tools, wanted.exclude)
    given = (*access, wanted.budget, wanted.period)
    if wanted.read_only is None and all(each is None for each in given):
        raise _wrong("Nothing is to be changed.", "Try `omniroute-agent keys set --help`.")
    scopes = _scopes(wanted)
    clears = wanted.budget == NONE
    limit = None if clears else read_budget(wanted.budget, wanted.period, changing=True)

    async def work(house: House) -> tuple[KeyRow, Budget]:
        now = house.parts.ports.now()
        also = change_of(await budgets(house), limit, wanted.period, clears=clears, now=now)

        def change(row: KeyRow) -> KeyRow:
            return replace(
                row,
                scopes=scopes or row.scopes,
                view=_view(row.view, wanted, house.tools),
                expires_at=row.expires_at if wanted.expires is None else _end(wanted.expires, now),
            )

        row = await _changed(house, wanted.name, change, also)
        return row, (await budgets(house)).get(row.id)

    row, budget = in_house(start.settings(), work)
    if as_json:
        print_json(_json(row, budget))
    else:
        cost = f" for up to {per_period(budget)}" if budget else ""
        out().line(f"{row.name} may now: {_said(row.scopes)}{cost}.")
    return 0


def revoke_key(start: Start, name: str, *, as_json: bool) -> int:
    async def work(house: House) -> KeyRow:
        now = house.parts.ports.now().timestamp()
        return await _changed(house, name, lambda row: replace(row, revoked_at=now), clearing)

    row = in_house(start.settings(), work)
    if as_json:
        print_json(_json(row, None))
    else:
        out().line(f"{row.name} ({row.id}) is revoked. No running server lets it in any more within a second.")
    return 0


def list_keys(start: Start, *, every: bool, as_json: bool) -> int:
    async def work(house: House) -> list[tuple[KeyRow, str, Budget]]:
        now = house.parts.ports.now()
        _, rows = await KeyRows(house.parts.database).all()
        known = await budgets(house)
        return [(row, _state(row, now), known.get(row.id)) for row in rows if every or _alive(row, now)]

    found = in_house(start.settings(), work)
    if as_json:
        print_json({"keys": [{**_json(row, budget), "state": state} for row, state, budget in found]})
        return 0
    page = out()
    if not found:
        page.line("There is no key yet. `omniroute-agent keys create --name laptop` makes one.")
        return 0
    head = ("key", "id", "may", "shows", "budget", "expires", "last used", "state")
    page.table(head, [_line(*each) for each in found])
    return 0


def _line(row: KeyRow, state: str, budget: Budget) -> tuple[str, ...]:
    may, shows = _said(row.scopes), _shows(row.view)
    return row.name, row.id, may, shows, money(budget), _day(row.expires_at), _day(row.last_used_at), state


async def _changed(
    house: House,
    name: str,
    change: Callable[[KeyRow], KeyRow],
    also: Callable[[sqlite3.Connection, KeyRow], None],
) -> KeyRow:
    """`also` is written in the same commit.

    Raises:
        NotFound: there is no such key, or it is no longer good.
    """
    now = house.parts.ports.now()

    def make(rows: tuple[KeyRow, ...]) -> KeyRow:
        # A name is good for one living key; an id also finds one that has expired, to be made good again.
        for row in rows:
            if (row.name == name and _alive(row, now)) or (row.id == name and row.revoked_at is None):
                return change(row)
        if any(name in {row.name, row.id} for row in rows):
            raise NotFound(
                f"The key `{name}` is not good any more.", hint="`omniroute-agent keys list --all` tells since when."
            )
        raise not_found("key", name, [row.name for row in rows if _alive(row, now)])

    return await KeyRows(house.parts.database).put(make, also)


def _scopes(wanted: Wanted) -> frozenset[str] | None:
    """
    Raises:
        CommandFailed: a word is no scope or preset, or both were given.
    """
    if wanted.scopes is not None and wanted.preset is not None:
        raise _wrong("Give --scopes or --preset; --scopes takes presets, too.")
    if wanted.preset is not None and wanted.preset not in PRESETS:
        raise _wrong(f"`{wanted.preset[:60]}` is no preset: {', '.join(PRESETS)}.")
    words = _words(wanted.preset if wanted.scopes is None else wanted.scopes)
    if words is None:
        return None
    if not words:
        raise _wrong("A key without a scope opens nothing.")
    try:
        return parse_scopes(words)
    except ValueError as error:
        raise _wrong(str(error)) from None


def _view(before: View, wanted: Wanted, tools: Iterable[Tool]) -> View:
    """
    Raises:
        InvalidRequest: there is no such toolset.
        NotFound: there is no such tool.
    """
    toolsets, named, excluded = (_words(text) for text in (wanted.toolsets, wanted.tools, wanted.exclude))
    said = read_view(
        [tool.name for tool in tools],
        toolsets=_without(toolsets, ALL),
        tools=_without(named, NONE),
        exclude=_without(excluded, NONE),
    )
    return View(
        toolsets=before.toolsets if toolsets is None else said.toolsets,
        tools=before.tools if named is None else said.tools,
        exclude=before.exclude if excluded is None else said.exclude,
        read_only=before.read_only if wanted.read_only is None else wanted.read_only,
    )


def _without(words: list[str] | None, nothing: str) -> list[str]:
    """A list whose one word says that it is to be empty is empty."""
    return [] if words is None or words == [nothing] else words


def _words(text: str | None) -> list[str] | None:
    return None if text is None else text.replace(",", " ").split()


def _end(text: str | None, now: datetime) -> float | None:
    """
    Raises:
        CommandFailed: it is no time, or over already.
    """
    if text is None or text == _NEVER:
        return None
    if span := _SPAN.fullmatch(text):
        return (now + timedelta(**{_UNITS[span[2]]: int(span[1])})).timestamp()
    try:
        end = moment(text).astimezone(UTC)
    except ValueError as error:
        raise _wrong(f"--expires: {error}, or a span like 30d, 12h or 45m.") from None
    if end <= now:
        raise _wrong("--expires: that is over already.")
    return end.timestamp()


def _alive(row: KeyRow, now: datetime) -> bool:
    return _state(row, now) == "good"


def _state(row: KeyRow, now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now.timestamp() else "good"


def _said(scopes: frozenset[str]) -> str:
    """The preset's name where it is just one."""
    return next((name for name, preset in PRESETS.items() if preset == scopes), ", ".join(sorted(scopes)))


def _shows(view: View) -> str:
    parts = [*sorted(view.toolsets), *(name.removeprefix(PREFIX) for name in sorted(view.tools))]
    parts += [f"not {name.removeprefix(PREFIX)}" for name in sorted(view.exclude)]
    parts += ["read-only"] if view.read_only else []
    return ", ".join(parts) or "all"


def _json(row: KeyRow, budget: Budget) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "scopes": sorted(row.scopes),
        "toolsets": sorted(row.view.toolsets),
        "tools": sorted(row.view.tools),
        "exclude_tools": sorted(row.view.exclude),
        "read_only": row.view.read_only,
        "budget": None if budget is None else budget_json(*budget),
        "created_at": _time(row.created_at),
        "expires_at": _time(row.expires_at),
        "last_used_at": _time(row.last_used_at),
        "revoked_at": _time(row.revoked_at),
    }


def _time(epoch: float | None) -> str | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")


def _day(epoch: float | None) -> str:
    return (_time(epoch) or "-")[:10]


def _wrong(message: str, hint: str = "Try `omniroute-agent keys create --help`.") -> CommandFailed:
    return CommandFailed(message, hint, "usage", USAGE)
