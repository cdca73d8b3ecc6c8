"""`cache`: what is kept, and erasing it."""

from dataclasses import asdict
from datetime import UTC, datetime

from omniroute_agent.app import House
from omniroute_agent.cli.callers import caller_ids
from omniroute_agent.cli.house import in_house
from omniroute_agent.cli.page import out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.store.cached import CacheSize, Entry


def list_cache(start: Start, *, limit: int, as_json: bool) -> int:
    async def look(house: House) -> tuple[CacheSize, tuple[Entry, ...]]:
        reuse, now = house.parts.reuse, house.parts.ports.now().timestamp()
        return await reuse.size(), await reuse.rows.entries(None, at=now, limit=limit)

    settings = start.settings()
    size, entries = in_house(settings, look)
    if as_json:
        print_json(
            {
                "enabled": settings.cache.enabled,
                "entries": size.entries,
                "bytes": size.bytes,
                "answers": [_entry(entry) for entry in entries],
            }
        )
        return 0
    page = out()
    if not settings.cache.enabled:
        page.line("The cache is off ([cache] enabled); what is shown here is not used.", "yellow")
    if not entries:
        page.line("No answer is kept. Requests of temperature 0 fill the cache.")
        return 0
    head = ("request", "caller", "asked", "served by", "kept until", "uses", "bytes")
    rows = [
        (
            entry.request_id,
            entry.caller,
            entry.asked or "(default)",
            entry.served_by or "?",
            _time(entry.keep_until),
            str(entry.uses),
            str(entry.bytes),
        )
        for entry in entries
    ]
    page.table(head, rows)
    page.line(f"{len(entries)} of {size.entries} answers, {size.bytes} bytes.", "dim")
    return 0


def clear_cache(start: Start, *, caller: str | None, as_json: bool) -> int:
    """
    Raises:
        NotFound: nobody is called so.
    """

    async def erase(house: House) -> int:
        rows = house.parts.reuse.rows
        if caller is None:
            return await rows.clear(None)
        return sum([await rows.clear(one) for one in await caller_ids(house.parts.database, caller)])

    gone = in_house(start.settings(), erase)
    if as_json:
        print_json({"erased": gone})
    else:
        out().line(f"Erased {gone} kept answer{'' if gone == 1 else 's'}.")
    return 0


def _entry(entry: Entry) -> dict[str, object]:
    times = {"at": _time(entry.at), "keep_until": _time(entry.keep_until), "used_at": _time(entry.used_at)}
    return {**asdict(entry), **times}


def _time(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")
