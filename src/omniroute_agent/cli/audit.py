"""`audit`: what was called, read from the database without opening the house."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from omniroute_agent.cli.callers import caller_ids, told
from omniroute_agent.cli.failures import USAGE, CommandFailed
from omniroute_agent.cli.loop import run
from omniroute_agent.cli.page import Page, out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.outside.ports import real_ports
from omniroute_agent.settings.model import Settings
from omniroute_agent.store.audit import Question, Recorded, erase_calls, read_calls
from omniroute_agent.store.database import Database
from omniroute_agent.tooling.tool import PREFIX

T = TypeVar("T")

_BACK: Final = re.compile(r"(\d{1,9})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def list_calls(
    start: Start,
    *,
    tool: str | None,
    caller: str | None,
    outcome: str | None,
    since: str | None,
    limit: int,
    as_json: bool,
) -> int:
    """
    Raises:
        CommandFailed: `since` is no time.
        NotFound: nobody is called so.
    """
    name = tool if tool is None or tool.startswith((PREFIX, "(")) else PREFIX + tool
    question = Question(tool=name, outcome=outcome, since=None if since is None else _since(since), limit=limit)

    async def look(database: Database) -> tuple[Recorded, ...]:
        if caller is None:
            return await read_calls(database, question)
        ids = await caller_ids(database, caller)
        found = [call for one in ids for call in await read_calls(database, replace(question, caller=one))]
        return tuple(sorted(found, key=lambda call: (call.at, call.id), reverse=True)[:limit])

    settings = start.settings()
    calls = in_database(settings, look)
    if as_json:
        print_json({"level": settings.audit.level, "calls": [_told(call) for call in calls]})
    else:
        _draw(out(), calls, settings)
    return 0


def clear_calls(start: Start, *, caller: str, as_json: bool) -> int:
    """
    Raises:
        NotFound: nobody is called so.
    """

    async def erase(database: Database) -> tuple[tuple[str, ...], int]:
        ids = await caller_ids(database, caller)
        return ids, sum([await erase_calls(database, one) for one in ids])

    ids, gone = in_database(start.settings(), erase)
    if as_json:
        print_json({"erased": gone, "callers": ids})
    else:
        out().line(f"Erased {gone} recorded call{'' if gone == 1 else 's'} of {told(caller, ids)}.")
    return 0


def in_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Run `work` on the database alone: nothing is settled, cleared away or looked for.

    Raises:
        StoreUnavailable: it cannot be opened.
    """

    async def inside() -> T:
        database = await Database.open(settings.directory)
        try:
            return await work(database)
        finally:
            await database.close()

    return run(inside)


def _since(text: str) -> float:
    if back := _BACK.fullmatch(text):
        return real_ports().now().timestamp() - int(back[1]) * _SECONDS[back[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandFailed(
            f"`{text[:100]}` is no time.",
            "Say how far back, like 15m, 2h or 7d, or a time like 2026-11-21T09:00Z.",
            "usage",
            USAGE,
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _told(call: Recorded) -> dict[str, object]:
    return {**asdict(call), "at": _time(call.at, "milliseconds")}


def _draw(page: Page, calls: tuple[Recorded, ...], settings: Settings) -> None:
    if not calls:
        off = settings.audit.level == "none"
        page.line("Nothing is recorded: `[audit] level` is none." if off else "No such call is on record.")
        return
    head = ("at", "caller", "door", "tool", "outcome", "ms", "request", "input")
    rows = [
        (
            _time(call.at, "seconds"),
            call.caller,
            call.door,
            call.tool.removeprefix(PREFIX),
            call.outcome,
            f"{call.duration_ms:.1f}",
            call.request_id or "–",
            call.input_hash[:12],
        )
        for call in calls
    ]
    page.table(head, rows)
    for call in calls:
        if call.arguments is not None:
            page.line(f"{call.input_hash[:12]}: {call.arguments}", "dim")


def _time(epoch: float, detail: str) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec=detail)
