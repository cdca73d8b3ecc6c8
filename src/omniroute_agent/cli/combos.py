"""`combos`: what is there, and which one is the default."""

from collections.abc import Mapping
from typing import Any

from omniroute_agent.cli.house import show_tool
from omniroute_agent.cli.page import Page
from omniroute_agent.cli.start import Start


def list_combos(start: Start, *, metrics: bool, as_json: bool) -> int:
    return show_tool(start, "list_combos", {"include_metrics": metrics}, _draw_all, as_json=as_json)


def switch_combo(start: Start, name: str, *, active: bool, as_json: bool) -> int:
    arguments = {"combo": name, "active": active}
    return show_tool(start, "switch_combo", arguments, lambda page, found: _draw(page, found["combo"]), as_json=as_json)


def _draw_all(page: Page, found: dict[str, Any]) -> None:
    for combo in found["combos"]:
        _draw(page, combo)


def _draw(page: Page, combo: Mapping[str, Any]) -> None:
    marks = [combo["strategy"], combo["source"]]
    marks += ["the default"] if combo["is_default"] else []
    marks += ["disabled"] if not combo["enabled"] else []
    marks += ["switched by hand"] if combo["overridden"] else []
    page.write(combo["name"], "bold")
    page.line(f"  {', '.join(marks)}", "dim")
    for place, target in enumerate(combo["targets"], 1):
        stands_for = ", ".join(name for name in target["resolves_to"] if name != target["target"])
        page.line(f"  {place}. {target['target']}" + (f" → {stands_for}" if stands_for else ""))
    for finding in combo["findings"]:
        page.line(f"  ! {finding}", "yellow")
    if metrics := combo["metrics"]:
        cost = "unknown cost" if metrics["cost"] is None else f"{metrics['cost']} USD"
        page.line(f"  last 24 hours: {metrics['requests']} requests, {metrics['attempts']} attempts, {cost}", "dim")
