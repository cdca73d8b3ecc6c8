"""`prices`: the owner's own, a synced list, and going back to the bundled ones."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from omniroute_agent.app import House
from omniroute_agent.cli.failures import USAGE, CommandFailed
from omniroute_agent.cli.house import in_house
from omniroute_agent.cli.own_models import amount, rate
from omniroute_agent.cli.page import Page, out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.kernel.errors import InvalidRequest, not_found
from omniroute_agent.kernel.money import usd
from omniroute_agent.providers.price_book import FRESH_DAYS, bundled_source
from omniroute_agent.providers.price_sync import BUNDLED, PriceChange, PriceSyncReport
from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.values import priced
from omniroute_agent.store.prices import PriceRow, PriceTables

_SHOWN: Final = 20
_HEAD: Final = ("model", "in", "out", "cache read", "cache write", "from")


def sync_prices(start: Start, source: str, *, dry_run: bool, shorter: bool, as_json: bool) -> int:
    path = Path(source).expanduser()

    async def work(house: House) -> PriceSyncReport:
        sync = house.parts.price_sync
        if source == BUNDLED:
            return await sync.to_bundled(dry_run=dry_run)
        if "://" in source:
            return await sync.from_url(source, dry_run=dry_run, shorter=shorter)
        return await sync.from_file(path, dry_run=dry_run, shorter=shorter)

    report = in_house(start.settings(), work)
    if as_json:
        print_json(_report_json(report))
    else:
        _draw_report(out(), report)
    return 0


def list_prices(start: Start, *, search: str | None, as_json: bool) -> int:
    settings = start.settings()

    async def work(house: House) -> PriceTables:
        return (await house.parts.known.look(fresh=True)).prices

    tables = in_house(settings, work)
    own = _own(settings, tables)
    found = [row for row in tables.synced if search and search.lower() in row.name.lower()]
    if as_json:
        print_json(
            {
                "own": own,
                "synced": _synced_json(tables),
                "matches": [_row_json(row, tables.source or "") for row in found],
                "bundled": bundled_source(),
            }
        )
        return 0
    page = out()
    rows = [*own, *(_row_json(row, tables.source or "") for row in found[:_SHOWN])]
    if rows:
        page.line("USD per million tokens", "dim")
        page.table(_HEAD, [tuple(str(value if value is not None else "-") for value in row.values()) for row in rows])
    else:
        page.line("You set no price of your own. `prices set NAME --input USD --output USD` sets one.")
    if synced := _synced_json(tables):
        page.line(
            f"{synced['count']} synced prices from {synced['source']} of {synced['at'][:10]}; "
            f"they go before the bundled ones until {synced['first_until'][:10]}."
        )
    page.line(f"The rest: {bundled_source()}.", "dim")
    return 0


def set_price(start: Start, name: str, rates: Mapping[str, str | None], *, as_json: bool) -> int:
    try:
        priced(name)
    except ValueError:
        raise CommandFailed(
            f"`{name[:100]}` names no model.", "Write connection/model or provider/model.", "usage", USAGE
        ) from None
    nano = {kind: None if text is None else amount(text) for kind, text in rates.items()}
    row = PriceRow(
        name=name,
        input=nano["input"] or 0,
        output=nano["output"] or 0,
        cache_read=nano["cache_read"],
        cache_write=nano["cache_write"],
    )

    async def work(house: House) -> bool:
        await house.parts.price_rows.put(row, at=house.parts.ports.now().timestamp())
        return bool(await house.parts.catalogue.resolve(name))

    serves = in_house(start.settings(), work)
    if as_json:
        print_json({"price": _row_json(row, "set by hand"), "served_here": serves})
    else:
        page = out()
        page.line(f"{name}: {rate(row.input)} in, {rate(row.output)} out, USD per million tokens.")
        if not serves:
            page.line("No connection here serves a model of that name now.", "yellow")
    return 0


def remove_price(start: Start, name: str, *, as_json: bool) -> int:
    settings = start.settings()

    async def work(house: House) -> None:
        if await house.parts.price_rows.delete(name):
            return
        if name in settings.prices:
            raise InvalidRequest(
                f"The price of `{name}` was not set by hand: it stands in the settings file.",
                hint="Remove it there, under [prices].",
            )
        tables = (await house.parts.known.look(fresh=True)).prices
        raise not_found("price set by hand", name, [row.name for row in tables.own])

    in_house(settings, work)
    if as_json:
        print_json({"removed": name})
    else:
        out().line(f"The price of {name} is again what it was before.")
    return 0


def _own(settings: Settings, tables: PriceTables) -> list[dict[str, Any]]:
    """The owner's prices in force, by name."""
    rows = {
        name: PriceRow(name=name, input=p.input, output=p.output, cache_read=p.cache_read, cache_write=p.cache_write)
        for name, p in settings.prices.items()
    }
    by_hand = {row.name: row for row in tables.own}
    return [
        _row_json(row, "set by hand" if name in by_hand else "settings")
        for name, row in sorted({**rows, **by_hand}.items())
    ]


def _row_json(row: PriceRow, source: str) -> dict[str, Any]:
    rates = (row.input, row.output, row.cache_read, row.cache_write)
    shown = dict(zip(_HEAD[1:5], (None if nano is None else usd(nano) for nano in rates), strict=True))
    return {"model": row.name, **{name.replace(" ", "_"): text for name, text in shown.items()}, "source": source}


def _synced_json(tables: PriceTables) -> dict[str, Any] | None:
    if tables.source is None or tables.at is None:
        return None
    at = datetime.fromtimestamp(tables.at, UTC)
    return {
        "source": tables.source,
        "at": at.isoformat(timespec="seconds"),
        "count": len(tables.synced),
        "first_until": (at + timedelta(days=FRESH_DAYS)).isoformat(timespec="seconds"),
    }


def _report_json(report: PriceSyncReport) -> dict[str, Any]:
    return {
        "source": report.source,
        "format": report.format,
        "applied": report.applied,
        "changes": [
            {
                "model": change.name,
                "change": change.kind,
                "before": _pair_json(change.before),
                "after": _pair_json(change.after),
            }
            for change in report.changes
        ],
        "unchanged": report.unchanged,
        "kept": report.kept,
        "left_out": dict(report.left_out),
    }


def _pair_json(rates: tuple[int, int] | None) -> dict[str, str] | None:
    return None if rates is None else {"in": usd(rates[0]), "out": usd(rates[1])}


def _draw_report(page: Page, report: PriceSyncReport) -> None:
    done = "" if report.applied else "Nothing was changed; it would be: "
    what = (
        "back to the bundled prices" if report.source == BUNDLED else f"synced from {report.source} ({report.format})"
    )
    page.line(f"{done}{what}." if done else f"{what[:1].upper()}{what[1:]}.", "bold")
    for change in report.changes[:_SHOWN]:
        page.line(f"  {change.kind:8}{change.name}: {_pair(change, before=True)} → {_pair(change, before=False)}")
    if len(report.changes) > _SHOWN:
        page.line(f"  and {len(report.changes) - _SHOWN} more; --json has them all", "dim")
    page.line(f"{len(report.changes)} changes, {report.unchanged} as before, {report.kept} of your own kept.")
    for reason, count in sorted(report.left_out.items(), key=lambda item: -item[1]):
        page.line(f"  left out: {count} × {reason}", "dim")


def _pair(change: PriceChange, *, before: bool) -> str:
    rates = change.before if before else change.after
    return "unknown" if rates is None else f"{usd(rates[0])} / {usd(rates[1])}"
