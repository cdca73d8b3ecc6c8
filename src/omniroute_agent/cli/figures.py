"""`quota`, `metrics`, `resilience`: what the tools tell, drawn for a person."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from omniroute_agent.app import House
from omniroute_agent.cli.failures import USAGE, CommandFailed
from omniroute_agent.cli.house import call_tool, in_house, show_tool
from omniroute_agent.cli.page import Page, out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.engine.tuning import TUNINGS


def show_quota(start: Start, wanted: Mapping[str, object], *, as_json: bool) -> int:
    return show_tool(start, "check_quota", wanted, _draw_quota, as_json=as_json)


def show_metrics(start: Start, *, provider: str | None, combo: str | None, window: str, as_json: bool) -> int:
    """
    Raises:
        CommandFailed: both a provider and a combo are named.
    """
    if provider is not None and combo is not None:
        raise CommandFailed(
            "Give --provider or --combo, not both.", "Try `omniroute-agent metrics --help`.", "usage", USAGE
        )
    if combo is not None:
        return show_tool(start, "get_combo_metrics", {"combo": combo, "window": window}, _draw_combo, as_json=as_json)
    arguments = {"provider": provider, "window": window}
    return show_tool(start, "get_provider_metrics", arguments, _draw_providers, as_json=as_json)


def show_resilience(start: Start, profile: str | None, *, reset: bool, as_json: bool) -> int:
    """
    Raises:
        CommandFailed: there is no such profile, or it is given together with --reset.
    """
    if profile is not None and (reset or profile not in TUNINGS):
        what = "Give a profile or --reset, not both." if reset else f"No profile is called `{profile}`."
        raise CommandFailed(what, f"The profiles are {', '.join(TUNINGS)}.", "usage", USAGE)

    async def work(house: House) -> dict[str, Any]:
        if reset:
            await house.parts.profiles.forget()
        if profile is not None:
            await call_tool(house, "set_resilience_profile", {"profile": profile})
        return await _in_force(house)

    found = in_house(start.settings(), work)
    if as_json:
        print_json(found)
    else:
        _draw_resilience(out(), found)
    return 0


async def _in_force(house: House) -> dict[str, Any]:
    """The profile, its numbers and who chose it."""
    stored, resilience = await house.parts.profiles.get(), house.parts.resilience
    resilience.follow(stored.profile if stored else None)
    tuning = resilience.tuning
    return {
        "profile": tuning.profile,
        "configured": resilience.configured.profile,
        "set_by": stored.by if stored else None,
        "set_at": datetime.fromtimestamp(stored.at, UTC).isoformat(timespec="seconds") if stored else None,
        "breaker_opens_after": tuning.threshold,
        "breaker_open_seconds": tuning.open_base,
        "breaker_open_most_seconds": tuning.open_max,
        "cooldown_seconds": tuning.cool_down(1),
        "cooldown_most_seconds": tuning.cool_down(tuning.cool_steps),
        "calls_at_a_time": tuning.concurrency,
    }


def _draw_resilience(page: Page, found: Mapping[str, Any]) -> None:
    where = "as the settings say"
    if found["set_at"] is not None:
        where = f"set by {found['set_by']} at {found['set_at']}; the settings say {found['configured']}"
    page.write(found["profile"], "bold")
    page.line(f"  {where}", "dim")
    page.line(
        f"  breaker: opens after {found['breaker_opens_after']} outages in a row, "
        f"{found['breaker_open_seconds']:g} to {found['breaker_open_most_seconds']:g} s"
    )
    page.line(f"  cool-down without a hint: {found['cooldown_seconds']:g} to {found['cooldown_most_seconds']:g} s")
    page.line(f"  calls at a time per connection, to begin with: {found['calls_at_a_time']}")


def _draw_quota(page: Page, found: dict[str, Any]) -> None:
    if found["windows"]:
        page.table(
            ("connection", "window", "left", "used", "resets at", "source"), [_quota(w) for w in found["windows"]]
        )
    for name, why in found["not_known"].items():
        page.line(f"{name}: {why}", "dim")
    if not found["windows"] and not found["not_known"]:
        page.line("There is no connection yet; `omniroute-agent doctor` shows how to get one.", "dim")


def _quota(window: Mapping[str, Any]) -> tuple[str, ...]:
    used = "?" if window["used"] is None else f"{window['used']:g}"
    limit = "?" if window["limit"] is None else f"{window['limit']:g}"
    return (
        f"{window['connection']}/{window['model']}" if window["model"] else window["connection"],
        window["window"],
        "?" if window["percent_left"] is None else f"{window['percent_left']:g} %",
        f"{used} of {limit}",
        window["resets_at"] or "?",
        f"{window['source']}, {window['age_seconds']} s ago",
    )


def _draw_providers(page: Page, found: dict[str, Any]) -> None:
    page.line(f"since {found['since']}", "dim")
    rows = [("all", found["totals"]), *((each["connection"], each) for each in found["connections"])]
    _draw_figures(page, "connection", rows)
    for each in found["connections"]:
        if each["breaker"] != "closed":
            page.line(f"! {each['connection']}: breaker {each['breaker']}, last fault {each['last_fault']}", "yellow")


def _draw_combo(page: Page, found: dict[str, Any]) -> None:
    page.line(f"since {found['since']}, {found['fallbacks']} requests fell back", "dim")
    _draw_figures(page, "target", [("all", found["totals"]), *((each["target"], each) for each in found["by_target"])])


def _draw_figures(page: Page, what: str, rows: list[tuple[str, Mapping[str, Any]]]) -> None:
    head = (what, "requests", "answered", "p50/p95/p99 ms", "first token ms", "tokens/s", "USD", "faults")
    page.table(head, [(name, *_figures(figures)) for name, figures in rows])


def _figures(found: Mapping[str, Any]) -> tuple[str, ...]:
    rate, speed, first = found["success_rate"], found["tokens_per_second"], found["first_token_ms"]
    latency = found["latency_ms"]
    return (
        str(found["requests"]),
        "?" if rate is None else f"{rate:.1%}",
        "?" if latency is None else f"{latency['p50']} / {latency['p95']} / {latency['p99']}",
        "?" if first is None else str(first["p50"]),
        "?" if speed is None else f"{speed:g}",
        "?" if found["cost"] is None else found["cost"],
        ", ".join(f"{kind} ×{count}" for kind, count in found["faults"].items()) or "–",
    )
