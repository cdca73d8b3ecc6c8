"""`models list`: the catalogue as a table."""

from collections.abc import Mapping
from typing import Any, Final

from omniroute_agent.cli.house import show_tool
from omniroute_agent.cli.page import Page
from omniroute_agent.cli.start import Start

_ABILITIES: Final = ("vision", "tools", "json_schema", "reasoning")
_HEAD: Final = ("model", "context", "USD per million in/out", "can")


def list_models(start: Start, wanted: Mapping[str, object], *, as_json: bool) -> int:
    return show_tool(start, "list_models_catalog", wanted, _draw, as_json=as_json)


def _draw(page: Page, found: dict[str, Any]) -> None:
    rows: list[dict[str, Any]] = found["models"]
    if not rows:
        page.line("No model matches." if found["total"] == 0 else "There are no more models.")
        page.line("`omniroute-agent doctor` shows which connections there are and how to get one.", "dim")
        return
    page.table(_HEAD, [_row(model) for model in rows])
    for reason in dict.fromkeys(model["unavailable"] for model in rows if model["unavailable"]):
        page.line(f"* {reason}", "yellow")
    page.line(f"{len(rows)} of {found['total']} models.", "dim")
    if found["next_cursor"]:
        page.line(f"The next ones: --cursor {found['next_cursor']}", "dim")


def _row(model: Mapping[str, Any]) -> tuple[str, str, str, str]:
    context = model["context_tokens"]
    mark = " *" if model["unavailable"] else ""
    return (
        f"{model['id']}{mark}",
        "?" if context is None else f"{context:,}",
        _price(model["price"]),
        ", ".join(_ability(name, model[name]) for name in _ABILITIES if model[name] is not False) or "–",
    )


def _price(price: Mapping[str, Any] | None) -> str:
    if price is None:
        return "?"
    pair = (price["input_usd_per_million"], price["output_usd_per_million"])
    return "free" if pair == ("0", "0") else " / ".join(pair)


def _ability(name: str, known: bool | None) -> str:
    """Unknown is said, not guessed."""
    return name if known else f"{name}?"
