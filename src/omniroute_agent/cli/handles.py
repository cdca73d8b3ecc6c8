"""`budget handles`: what agents may spend with the handles that were made, as the owner sees it. Never their texts."""

from typing import Any

from omniroute_agent.app import House
from omniroute_agent.cli.house import in_house
from omniroute_agent.cli.page import out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.engine.handles import Standing, time_of
from omniroute_agent.kernel.money import usd
from omniroute_agent.store.handle_books import HandleRow


def list_handles(start: Start, *, every: bool, as_json: bool) -> int:
    found = in_house(start.settings(), lambda house: house.parts.handles.all(every=every))
    if as_json:
        print_json({"handles": [_json(row, state) for row, state in found]})
        return 0
    page = out()
    if not found:
        page.line("There is no budget handle. Agents make them over A2A; docs/a2a-extension.md says how.")
        return 0
    head = ("handle", "label", "of", "made by", "amount", "spent", "reserved", "given", "left", "good until", "state")
    page.table(head, [_line(row, state) for row, state in found])
    return 0


def revoke_handle(start: Start, handle_id: str, *, as_json: bool) -> int:
    async def work(house: House) -> Standing:
        return await house.parts.handles.end(handle_id)

    ended = in_house(start.settings(), work)
    row = ended.row
    if as_json:
        print_json({"handle": _json(row, ended.state), "ended": [below.id for below in ended.below]})
        return 0
    below = f" with {len(ended.below)} that came out of it" if ended.below else ""
    running = f" {usd(ended.reserved)} USD are reserved by what still runs." if ended.reserved else ""
    out().line(f"{row.id} is {ended.state}{below}. {usd(ended.spent)} of {usd(row.amount)} USD were spent.{running}")
    return 0


def _line(row: HandleRow, state: str) -> tuple[str, ...]:
    amounts = (row.amount, row.spent, row.reserved, row.given, max(row.left, 0))
    until = time_of(row.expires_at)[:16].replace("T", " ")
    return row.id, row.label or "-", row.parent or "-", row.minted_by, *map(usd, amounts), until, state


def _json(row: HandleRow, state: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "label": row.label,
        "parent": row.parent,
        "made_by": row.minted_by,
        "amount_usd": usd(row.amount),
        "spent_usd": usd(row.spent),
        "reserved_usd": usd(row.reserved),
        "given_usd": usd(row.given),
        "returned_usd": usd(row.returned),
        "left_usd": usd(max(row.left, 0)),
        "created_at": time_of(row.created_at),
        "expires_at": time_of(row.expires_at),
        "state": state,
    }
