"""`learner`: what it learned, and whether that was worth it."""

from collections.abc import Mapping
from typing import Any, Final

from omniroute_agent.app import House
from omniroute_agent.cli.house import in_house
from omniroute_agent.cli.page import Page, out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.engine.bandit import ENOUGH, faded
from omniroute_agent.engine.learner import FEW, Estimate, TaskReport, report
from omniroute_agent.kernel.money import usd
from omniroute_agent.kernel.outcome import Arm

METHOD: Final = (
    "Reward is quality minus the cost's share, 0 to 1. Single targets are estimated from the learner's requests, each "
    "weighed by 1 over its chance (self-normalised inverse propensity), with a 95 % interval; first choices only."
)
_DAY_SECONDS: Final = 86_400.0


def show_learner(start: Start, *, days: int, as_json: bool) -> int:
    settings = start.settings()
    reports, arms = in_house(settings, lambda house: _look(house, days))
    if as_json:
        print_json(
            {
                "enabled": settings.routing.learner,
                "days": days,
                "method": METHOD,
                "tasks": [_report(found) for found in reports],
                "arms": [
                    {"task": task, "target": target, "outcomes": round(arm.seen, 2), "mean_reward": round(arm.mean, 4)}
                    for task, targets in arms.items()
                    for target, arm in targets.items()
                ],
            }
        )
        return 0
    page = out()
    if not settings.routing.learner:
        page.line("The learner is off (`learner = true` under [routing] switches it on).", "yellow")
    if not arms:
        page.line("No outcome is known yet.")
    for found in reports:
        _draw(page, found)
    for task, targets in arms.items():
        page.line(f"What it remembers of {task}", "bold")
        for target, arm in targets.items():
            page.line(f"  {target}: mean reward {arm.mean:.2f} over {arm.seen:.1f} outcomes")
        if (seen := sum(arm.seen for arm in targets.values())) < ENOUGH:
            page.line(f"  {seen:.0f} of {ENOUGH:.0f} outcomes: until then the strategy decides alone.", "dim")
    if reports:
        page.line(METHOD, "dim")
    return 0


async def _look(house: House, days: int) -> tuple[tuple[TaskReport, ...], Mapping[str, Mapping[str, Arm]]]:
    now = house.parts.ports.now().timestamp()
    drawn = await house.parts.outcomes.drawn(since=now - days * _DAY_SECONDS)
    arms = await house.parts.outcomes.tasks()
    return report(drawn), {
        task: {target: faded(arm, now) for target, arm in targets.items()} for task, targets in arms.items()
    }


def _draw(page: Page, found: TaskReport) -> None:
    page.line(f"{found.task}: {found.requests} first choices drawn", "bold")
    rows = (("the learner", found.learner), ("always the best", found.best), ("always the cheapest", found.cheapest))
    page.table(("", "target", "mean reward", "95 %", "USD a request"), [_row(*row) for row in rows])


def _row(name: str, estimate: Estimate | None) -> tuple[str, str, str, str, str]:
    if estimate is None:
        return name, "unknown", f"fewer than {FEW} outcomes", "", ""
    return (
        name,
        estimate.target or "",
        f"{estimate.reward:.3f}",
        f"{estimate.low:.3f}–{estimate.high:.3f}",
        "unknown" if estimate.cost is None else usd(round(estimate.cost)),
    )


def _report(found: TaskReport) -> dict[str, Any]:
    return {
        "task": found.task,
        "requests": found.requests,
        "learner": _estimate(found.learner),
        "best_single": _estimate(found.best),
        "cheapest_single": _estimate(found.cheapest),
        "targets": [_estimate(estimate) for estimate in found.targets],
    }


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    """None: too few outcomes to say."""
    if estimate is None:
        return None
    return {
        "target": estimate.target,
        "requests": estimate.requests,
        "reward": round(estimate.reward, 4),
        "low": round(estimate.low, 4),
        "high": round(estimate.high, 4),
        "cost": None if estimate.cost is None else usd(round(estimate.cost)),
    }
