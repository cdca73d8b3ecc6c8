"""`combos`: what is there, which one is the default, and whether its targets answer."""

import json
from collections.abc import Mapping
from typing import Any

from omniroute_agent.app import House
from omniroute_agent.cli.failures import OTHER
from omniroute_agent.cli.house import call_tool, in_house, show_tool
from omniroute_agent.cli.page import Page, out, print_json
from omniroute_agent.cli.start import Start


def list_combos(start: Start, *, metrics: bool, as_json: bool) -> int:
    return show_tool(start, "list_combos", {"include_metrics": metrics}, _draw_all, as_json=as_json)


def show_combo(start: Start, name: str, *, as_json: bool) -> int:
    async def work(house: House) -> dict[str, Any]:
        combo = await house.parts.combos.named(name)
        listed = await call_tool(house, "list_combos", {"include_metrics": True})
        return next(each for each in listed["combos"] if each["name"] == combo.name)

    found = in_house(start.settings(), work)
    if as_json:
        print_json({"combo": found})
    else:
        draw_combo(out(), found)
    return 0


def switch_combo(start: Start, name: str, *, active: bool, as_json: bool) -> int:
    arguments = {"combo": name, "active": active}
    return show_tool(
        start, "switch_combo", arguments, lambda page, found: draw_combo(page, found["combo"]), as_json=as_json
    )


def _draw_all(page: Page, found: dict[str, Any]) -> None:
    for combo in found["combos"]:
        draw_combo(page, combo)


def draw_combo(page: Page, combo: Mapping[str, Any]) -> None:
    marks = [combo["strategy"], combo["source"]]
    marks += ["the default"] if combo["is_default"] else []
    marks += ["disabled"] if not combo["enabled"] else []
    marks += ["changed by hand"] if combo["overridden"] else []
    page.write(combo["name"], "bold")
    page.line(f"  {', '.join(marks)}", "dim")
    if combo["options"]:
        page.line(f"  options: {json.dumps(combo['options'], ensure_ascii=False)}", "dim")
    for place, target in enumerate(combo["targets"], 1):
        stands_for = ", ".join(name for name in target["resolves_to"] if name != target["target"])
        page.line(f"  {place}. {target['target']}" + (f" → {stands_for}" if stands_for else ""))
    for finding in combo["findings"]:
        page.line(f"  ! {finding}", "yellow")
    if metrics := combo["metrics"]:
        cost = "unknown cost" if metrics["cost"] is None else f"{metrics['cost']} USD"
        page.line(f"  last 24 hours: {metrics['requests']} requests, {metrics['attempts']} attempts, {cost}", "dim")


def test_combo(start: Start, name: str, *, prompt: str | None, as_json: bool) -> int:
    found = in_house(start.settings(), lambda house: call_tool(house, "test_combo", {"combo": name, "prompt": prompt}))
    if as_json:
        print_json(found)
    else:
        _draw_trials(out(), found)
    return 0 if found["answered"] else OTHER


def _draw_trials(page: Page, found: Mapping[str, Any]) -> None:
    for trial in found["trials"]:
        cost = "cost unknown" if trial["cost"] is None else f"{trial['cost']} USD"
        if trial["ok"]:
            said = f"says “{trial['text']}”" if trial["text"] else "answers, with no text before the limit"
            page.line(f"✓ {trial['target']} {said} · {trial['latency_ms']} ms · {cost}", "green")
        else:
            took = f" · {trial['latency_ms']} ms · {cost}" if trial["latency_ms"] is not None else ""
            page.line(f"✗ {trial['target']}: {trial['fault']}{took}", "red")
    page.line(f"{found['answered']} of {len(found['trials'])} answered.", "dim")
