"""`models add|rm|sync` and `models alias`: what the owner says of models, and the providers' own lists."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from omniroute_agent.app import House
from omniroute_agent.cli.failures import OTHER, USAGE, CommandFailed
from omniroute_agent.cli.house import in_house
from omniroute_agent.cli.page import Page, out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.kernel.alias import AliasLoop, check_alias, refuse_loops
from omniroute_agent.kernel.errors import InvalidRequest, not_found
from omniroute_agent.kernel.money import nano_from_usd, usd
from omniroute_agent.providers.known import Said
from omniroute_agent.providers.listing import HIGHEST
from omniroute_agent.providers.sync import SyncReport
from omniroute_agent.store.models import ModelRow

_SHOWN: Final = 10
_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What stands on the command line; None: not given."""

    context_tokens: int | None
    max_output_tokens: int | None
    vision: bool | None
    tools: bool | None
    json_schema: bool | None
    reasoning: bool | None
    price_in: str | None
    price_out: str | None

    def said(self) -> Said:
        """
        Raises:
            CommandFailed: half a price, or no amount.
        """
        if (self.price_in is None) != (self.price_out is None):
            raise _wrong("A price needs both --price-in and --price-out.")
        return Said(
            context_tokens=self.context_tokens,
            max_output_tokens=self.max_output_tokens,
            vision=self.vision,
            tools=self.tools,
            json_schema=self.json_schema,
            reasoning=self.reasoning,
            input=None if self.price_in is None else amount(self.price_in),
            output=None if self.price_out is None else amount(self.price_out),
        )


def amount(text: str) -> int:
    """USD as nano-dollars.

    Raises:
        CommandFailed: not an amount, or below zero.
    """
    try:
        nano = nano_from_usd(text)
    except ValueError:
        nano = -1
    if not 0 <= nano <= HIGHEST:
        raise _wrong(f"{text[:40]!r} is no amount of USD per million tokens: write something like 0.25.")
    return nano


def sync_models(start: Start, connection: str | None, *, shorter: bool, as_json: bool) -> int:
    reports = in_house(start.settings(), lambda house: house.parts.model_sync.sync(connection, shorter=shorter))
    if as_json:
        print_json({"lists": [_report_json(report) for report in reports]})
    else:
        _draw_reports(out(), reports)
    return OTHER if reports and all(report.trouble for report in reports) else 0


def add_model(start: Start, connection: str, model: str, told: Told, *, as_json: bool) -> int:
    said = told.said()
    if not 0 < len(model) <= _MAX_NAME or not model.isprintable() or model != model.strip():
        raise _wrong(f"A model's name has 1 to {_MAX_NAME} printable characters and no space around it.")

    async def work(house: House) -> None:
        await _known_connection(house, connection)
        document = json.dumps(said.model_dump(mode="json", exclude_none=True))
        at = house.parts.ports.now().timestamp()
        await house.parts.models.put_model(ModelRow(connection=connection, model=model, document=document, at=at))

    in_house(start.settings(), work)
    if as_json:
        print_json({"model": f"{connection}/{model}", **said.model_dump(mode="json")})
    else:
        page = out()
        page.line(f"{connection}/{model} is known from now on.")
        if said.input is None:
            page.line(f"Its price stays as it was: `models list --search {model}` shows it.", "dim")
    return 0


def remove_model(start: Start, connection: str, model: str, *, as_json: bool) -> int:
    async def work(house: House) -> None:
        if await house.parts.models.delete_model(connection, model):
            return
        own = (await house.parts.known.look(fresh=True)).own
        if (connection, model) in own:
            raise InvalidRequest(
                f"`{connection}/{model}` was not added by hand: it stands in the settings file.",
                hint="Remove it there, under [[models]].",
            )
        raise not_found("added model", f"{connection}/{model}", [f"{where}/{name}" for where, name in own])

    in_house(start.settings(), work)
    if as_json:
        print_json({"removed": f"{connection}/{model}"})
    else:
        out().line(f"What was said of {connection}/{model} is forgotten.")
    return 0


def add_alias(start: Start, pattern: str, target: str, *, as_json: bool) -> int:
    try:
        check_alias(pattern, target)
    except ValueError as error:
        raise _wrong(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None

    async def work(house: House) -> tuple[str, ...]:
        def check(stored: Mapping[str, str]) -> None:
            refuse_loops({**house.parts.known.configured_aliases, **stored})

        at = house.parts.ports.now().timestamp()
        await house.parts.models.put_alias(pattern, target, at=at, check=check)
        known = await house.parts.known.look(fresh=True)
        end = known.aliases.follow(target)[-1]
        if end.startswith("combo/"):
            return (end,) if await house.parts.combos.get(end.removeprefix("combo/")) else ()
        return tuple(f"{connection.id}/{model}" for connection, model in await house.parts.catalogue.resolve(end))

    try:
        leads_to = in_house(start.settings(), work)
    except AliasLoop as error:
        raise _wrong(f"Nothing was changed: {error}.", "`models alias ls` shows what there is.") from None
    if as_json:
        print_json({"pattern": pattern, "target": target, "leads_to": list(leads_to)})
    else:
        page = out()
        page.line(f"{pattern} → {target}")
        if leads_to:
            page.line(f"Now that is {', '.join(leads_to[:_SHOWN])}.", "dim")
        else:
            page.line("No connection here serves that now; `models` lists what there is.", "yellow")
    return 0


def list_aliases(start: Start, *, as_json: bool) -> int:
    async def work(house: House) -> list[dict[str, str]]:
        known = await house.parts.known.look(fresh=True)
        return [
            {
                "pattern": pattern,
                "target": target,
                "source": "added by hand" if pattern in known.stored_aliases else "settings",
            }
            for pattern, target in sorted(known.aliases.table.items())
        ]

    found = in_house(start.settings(), work)
    if as_json:
        print_json({"aliases": found})
        return 0
    page = out()
    if not found:
        page.line("There is no alias yet. `omniroute-agent models alias add fast openai/gpt-5-mini` adds one.")
        return 0
    page.table(("alias", "stands for", "from"), [(row["pattern"], row["target"], row["source"]) for row in found])
    return 0


def remove_alias(start: Start, pattern: str, *, as_json: bool) -> int:
    async def work(house: House) -> None:
        if await house.parts.models.delete_alias(pattern):
            return
        known = await house.parts.known.look(fresh=True)
        if pattern in known.aliases.table:
            raise InvalidRequest(
                f"`{pattern}` was not added by hand: it stands in the settings file.",
                hint="Remove it there, under [aliases].",
            )
        raise not_found("alias", pattern, list(known.aliases.table))

    in_house(start.settings(), work)
    if as_json:
        print_json({"removed": pattern})
    else:
        out().line(f"{pattern} is no alias added by hand any more.")
    return 0


async def _known_connection(house: House, name: str) -> None:
    """
    Raises:
        NotFound: no connection of that name.
    """
    connections = await house.parts.connections.all()
    if all(connection.id != name for connection in connections):
        raise not_found("connection", name, [connection.id for connection in connections])


def _report_json(report: SyncReport) -> dict[str, Any]:
    return {
        "connection": report.connection,
        "total": report.total,
        "added": list(report.added),
        "removed": list(report.removed),
        "source": report.source,
        "trouble": report.trouble,
    }


def _draw_reports(page: Page, reports: tuple[SyncReport, ...]) -> None:
    if not reports:
        page.line("No connection has a key. `omniroute-agent connections add openai` adds one.")
    for report in reports:
        if report.trouble:
            page.line(f"! {report.connection}: {report.trouble}", "yellow")
            continue
        page.line(f"✓ {report.connection}: {report.total} chat models", "green")
        for sign, names in (("+", report.added), ("-", report.removed)):
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            if names:
                page.line(f"  {sign} {', '.join(names[:_SHOWN])}{more}")


def rate(nano: int | None) -> str:
    return "-" if nano is None else usd(nano)


def _wrong(message: str, hint: str = "Try `omniroute-agent models --help`.") -> CommandFailed:
    return CommandFailed(message, hint, "usage", USAGE)
