"""`connections test`: one cheap real call, and what was seen."""

from typing import Any, Final

from omniroute_agent.app import House
from omniroute_agent.cli.failures import OTHER
from omniroute_agent.cli.house import DOOR, in_house, owner
from omniroute_agent.cli.page import out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.cli.typed_keys import refuse_keys
from omniroute_agent.kernel.errors import InvalidRequest, NoRoute, not_found
from omniroute_agent.providers.expiry import expiry_note
from omniroute_agent.tooling.trials import try_target

_MAX_TEXT: Final = 200


def try_connection(start: Start, name: str, *, model: str | None, as_json: bool) -> int:
    refuse_keys([name, *([model] if model else [])])
    seen = in_house(start.settings(), lambda house: _try(house, name, model))
    if as_json:
        print_json(seen)
    else:
        _draw(seen)
    return 0 if seen["ok"] else OTHER


async def _try(house: House, name: str, model: str | None) -> dict[str, Any]:
    connection = await house.parts.connections.find(name)
    if connection is None:
        raise not_found("connection", name, [each.id for each in await house.parts.connections.all()])
    if connection.unavailable:
        raise NoRoute(connection.unavailable)
    asked = model or connection.default_model
    if asked is None:
        raise InvalidRequest(f"`{name}` has no default model.", hint="Say which one to try with --model.")
    seen = await _call(house, f"{connection.id}/{asked}")
    note = expiry_note(connection.expires_at, house.parts.ports.now())
    return {"connection": connection.id, **seen, "note": note}


async def _call(house: House, target: str) -> dict[str, Any]:
    """
    Raises:
        CallError: nothing was sent.
    """
    trial = await try_target(house.parts, target, caller=owner(house), door=DOOR)
    receipt = trial.receipt
    if receipt is None:
        assert trial.refusal is not None, "nothing was sent, so something refused it"
        raise trial.refusal
    last = receipt.tried[-1]
    shown = receipt.model_dump(mode="json")
    return {
        "ok": last.outcome == "answered",
        "target": target,
        "text": trial.text[:_MAX_TEXT],
        "latency_ms": last.latency_ms,
        "first_token_ms": last.first_token_ms,
        "usage": shown["usage"],
        "cost": shown["cost"],
        "cost_state": shown["cost_state"],
        "fault": None if last.fault is None else {"kind": last.fault, "detail": last.detail, "status": last.status},
        "reported_model": receipt.reported_model,
        "request_id": receipt.request_id,
    }


def _draw(seen: dict[str, Any]) -> None:
    page = out()
    cost = "cost unknown" if seen["cost"] is None else f"{seen['cost']} USD"
    if seen["ok"]:
        said = f"says “{seen['text']}”" if seen["text"] else "answers, with no text before the limit"
        page.line(f"✓ {seen['target']} {said} · {seen['latency_ms']} ms · {cost}", "green")
    else:
        fault = seen["fault"] or {"kind": "failed", "detail": None}
        detail = f": {fault['detail']}" if fault["detail"] else ""
        page.line(f"✗ {seen['target']}: {fault['kind']}{detail} · {seen['latency_ms']} ms · {cost}", "red")
    if seen["note"]:
        page.line(f"  {seen['note']}", "yellow")
    page.line(f"  `omniroute-agent explain {seen['request_id']}` has the rest.", "dim")
