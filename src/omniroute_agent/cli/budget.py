"""`budget`: the guards, as their owner sees and sets them. In the terminal the owner needs nobody's consent."""

from dataclasses import dataclass
from typing import Any

from omniroute_agent.app import House
from omniroute_agent.cli.callers import caller_ids
from omniroute_agent.cli.house import in_house
from omniroute_agent.cli.page import out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.engine.guard_changes import Change, read_limit, told
from omniroute_agent.engine.guards import Room
from omniroute_agent.kernel.caller import OWNER_ID
from omniroute_agent.kernel.errors import CallError, InvalidRequest
from omniroute_agent.kernel.guard import Action, Guard, GuardTier, Period
from omniroute_agent.kernel.money import usd
from omniroute_agent.settings.values import check_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line says of a guard."""

    limit: str | None
    period: Period | None
    action: Action | None
    tier: GuardTier | None
    caller: str | None
    combo: str | None
    on: bool | None


def list_guards(start: Start, *, as_json: bool) -> int:
    found = in_house(start.settings(), lambda house: house.parts.guards.report())
    if as_json:
        print_json({"guards": [_json(guard, room) for guard, room in found]})
        return 0
    page = out()
    if not found:
        page.line("There is no guard. `omniroute-agent budget set day --limit 5` sets one.")
        return 0
    head = ("guard", "does", "spent", "reserved", "left", "starts anew", "from")
    page.table(head, [_row(guard, room) for guard, room in found])
    return 0


def _row(guard: Guard, room: Room | None) -> tuple[str, ...]:
    source = "set by hand, over the settings" if guard.overrides else _sources(guard)
    if room is None:
        return (guard.name, told(guard), "-", "-", "-", "with each session" if guard.enabled else "-", source)
    return (guard.name, told(guard), usd(room.spent), usd(room.reserved), usd(room.left), room.resets or "-", source)


def _sources(guard: Guard) -> str:
    return "settings" if guard.source == "settings" else f"set by {guard.created_by}"


def _json(guard: Guard, room: Room | None) -> dict[str, Any]:
    return {
        "guard": guard.name,
        "limit_usd": usd(guard.limit),
        "period": guard.period,
        "action": guard.action,
        "tier": guard.tier,
        "caller": guard.caller,
        "session": guard.session,
        "combo": guard.combo,
        "enabled": guard.enabled,
        "source": guard.source,
        "overrides_settings": guard.overrides,
        "created_by": guard.created_by,
        "window": room.window if room else None,
        "spent_usd": usd(room.spent) if room else None,
        "reserved_usd": usd(room.reserved) if room else None,
        "left_usd": usd(room.left) if room else None,
        "resets_at": room.resets if room else None,
    }


def set_guard(start: Start, name: str, wanted: Wanted, *, as_json: bool) -> int:
    try:
        check_name(name)
    except ValueError as error:
        raise InvalidRequest(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    limit = None if wanted.limit is None else read_limit(wanted.limit)

    async def work(house: House) -> Guard:
        caller = None if wanted.caller is None else (await caller_ids(house.parts.database, wanted.caller))[0]
        change = Change(
            limit=limit,
            period=wanted.period,
            action=wanted.action,
            tier=wanted.tier,
            caller=caller,
            combo=wanted.combo,
            enabled=wanted.on,
        )
        guards = house.parts.guards
        if wanted.combo is not None:
            await house.parts.combos.named(wanted.combo)
        before = next((guard for guard in await guards.all() if guard.name == name), None)
        return await guards.put(change.of(name, before, OWNER_ID), before)

    guard = in_house(start.settings(), work)
    return _show(guard, f"{name}: {told(guard)}. The next request is held against it.", as_json=as_json)


def remove_guard(start: Start, name: str, *, as_json: bool) -> int:
    async def work(house: House) -> Guard | None:
        guard = await house.parts.guards.find(name)
        if guard.source == "settings":
            raise _of_the_settings(name)
        return await house.parts.guards.restore(guard)

    left = in_house(start.settings(), work)
    said = f"{name} is again what the settings say: {told(left)}." if left else f"{name} is gone."
    return _show(left, said, as_json=as_json)


def _of_the_settings(name: str) -> CallError:
    return InvalidRequest(
        f"`{name}` is defined in the settings.",
        hint=f"Remove it there, or switch it off: `omniroute-agent budget set {name} --off`.",
    )


def _show(guard: Guard | None, said: str, *, as_json: bool) -> int:
    if as_json:
        print_json({"guard": None if guard is None else _json(guard, None)})
    else:
        out().line(said)
    return 0
