"""`costs`: what callers spent. The tool tells each caller its own; the owner at the terminal sees everyone's."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from math import inf
from typing import Any, cast

from omniroute_agent.app import House
from omniroute_agent.cli.callers import caller_ids, told
from omniroute_agent.cli.house import call_tool, in_house, owner
from omniroute_agent.cli.page import Page, out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.kernel.money import usd
from omniroute_agent.store.usage import GroupBy, GroupTotals


def show_costs(start: Start, wanted: Mapping[str, object], caller: str | None, *, as_json: bool) -> int:
    """`wanted` are arguments of the tool; without a caller all of them are counted.

    Raises:
        NotFound: nobody is called so.
    """

    async def work(house: House) -> dict[str, Any]:
        if caller is None:
            return await _of_everyone(house, wanted)
        ids = await caller_ids(house.parts.database, caller)
        found = await call_tool(house, "cost_report", wanted, replace(owner(house), id=ids[0]))
        return {**found, "scope": f"caller {told(caller, ids[:1])}"}

    found = in_house(start.settings(), work)
    if as_json:
        print_json(found)
    else:
        _draw(out(), found)
    return 0


async def _of_everyone(house: House, wanted: Mapping[str, object]) -> dict[str, Any]:
    """The tool's own report of the span that it understood, with the sums of all callers in it."""
    found = await call_tool(house, "cost_report", wanted)
    totals = await house.parts.usage.totals(
        since=datetime.fromisoformat(found["since"]).timestamp(),
        until=inf if wanted.get("until") is None else datetime.fromisoformat(found["until"]).timestamp(),
        caller=None,
        session=None,
        group_by=cast("GroupBy | None", wanted.get("group_by")),
    )
    return {
        **found,
        "scope": "all callers",
        "totals": _figures(totals),
        "open_reserved": usd(totals.open_reserved_nano),
        "groups": [{"name": group.name, **_figures(group)} for group in totals.groups],
    }


def _figures(totals: GroupTotals) -> dict[str, Any]:
    """As the tool tells them."""
    cost = totals.cost_nano
    return {
        "requests": totals.requests,
        "attempts": totals.attempts,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "cache_read_tokens": totals.cache_read_tokens,
        "cache_write_tokens": totals.cache_write_tokens,
        "reasoning_tokens": totals.reasoning_tokens,
        "cost": usd(cost),
        "estimated_share": round(totals.estimated_cost_nano / cost, 4) if cost else None,
        "unknown_cost_attempts": totals.unknown_cost_attempts,
    }


def _draw(page: Page, found: Mapping[str, Any]) -> None:
    totals = found["totals"]
    page.line(f"{totals['cost']} USD for {totals['requests']} requests, {found['since']} to {found['until']}", "bold")
    page.line(f"{found['scope']}: {totals['input_tokens']:,} tokens in, {totals['output_tokens']:,} out", "dim")
    if totals["unknown_cost_attempts"]:
        page.line(f"! {totals['unknown_cost_attempts']} attempts have an unknown price and are not in it", "yellow")
    if found["groups"]:
        head = (found["group_by"], "USD", "requests", "tokens in/out")
        page.table(head, [_group(group) for group in found["groups"]])
    for guard in found["guards"]:
        page.line(f"guard {guard['guard']}: {guard['left']} of {guard['limit']} USD left", "dim")


def _group(group: Mapping[str, Any]) -> tuple[str, str, str, str]:
    tokens = f"{group['input_tokens']:,} / {group['output_tokens']:,}"
    return group["name"] or "–", group["cost"], str(group["requests"]), tokens
