"""`cost-analysis`: what the caller spent, from the ledger."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from pydantic import JsonValue

from omniroute_agent.doors.a2a.skills.phrases import rule
from omniroute_agent.doors.a2a.skills.readings import Facts, Readings, answering, count, named, together
from omniroute_agent.doors.a2a.skills.skill import Skill
from omniroute_agent.tooling.tool import Tool

ID: Final = "cost-analysis"

SHOWN: Final = 15

_BY: Final = re.compile(r"\b(?:by|per|each|every|which|across) (provider|model|combo|task|connection)s?\b")
_LAST: Final = re.compile(r"\b(?:last|past) (\d{1,3} )?(hour|day|week|month)s?\b")
_SESSION: Final = re.compile(r"\b(?:session|conversation|so far with you)\b")
_PERIODS: Final = {
    "month": re.compile(r"\bmonth(?:ly)?\b"),
    "week": re.compile(r"\bweek(?:ly)?\b"),
}
_SPANS: Final[Mapping[str, timedelta]] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
}


async def answer(readings: Readings) -> str:
    text = readings.text
    span, when = _span(text, readings.context.parts.ports.now())
    asked = named(readings.ask, "period", "group_by", "since", "until")
    if asked.keys() & {"period", "since", "until"}:
        span, when = {}, "in the time asked for"
    by = _BY.search(text)
    arguments: dict[str, JsonValue] = {"group_by": by.group(1) if by else "model", **span, **asked}
    facts = await readings.read("cost_report", **arguments)
    return together(_total(facts, when), _groups(facts), _guards(facts))


def _span(text: str, now: datetime) -> tuple[dict[str, JsonValue], str]:
    """The arguments for the time that a text asks for, and its name."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if _SESSION.search(text):
        return {"period": "session"}, "in this session"
    if "yesterday" in text:
        before = midnight - timedelta(days=1)
        return {"since": before.isoformat(), "until": midnight.isoformat()}, "yesterday"
    if found := _LAST.search(text):
        number, unit = max(int(found.group(1) or 1), 1), found.group(2)
        since = now - number * _SPANS[unit]
        return {"since": since.isoformat()}, f"in the last {unit if number == 1 else count(number, unit)}"
    for period, words in _PERIODS.items():
        if words.search(text):
            return {"period": period}, f"this {period}"
    return {"period": "day"}, "today"


def _total(facts: Facts, when: str) -> str:
    totals = facts["totals"]
    tokens = f"{totals['input_tokens']} input and {totals['output_tokens']} output tokens"
    requests = count(totals["requests"], "request")
    said = [f"You spent {totals['cost']} USD {when} (since {facts['since']}): {requests}, {tokens}."]
    if share := totals["estimated_share"]:
        said.append(f"{share * 100:.0f} % of it is estimated, as the providers reported no token counts.")
    if unknown := totals["unknown_cost_attempts"]:
        said.append(f"Not in it: {count(unknown, 'attempt')} at a price nobody knows.")
    if facts["open_reserved"] != "0":
        said.append(f"{facts['open_reserved']} USD more are reserved for requests that run now.")
    return " ".join(said)


def _groups(facts: Facts) -> str:
    groups = sorted(facts["groups"], key=lambda each: Decimal(each["cost"]), reverse=True)
    if not groups:
        return ""
    lines = [
        f"- {group['name'] or 'none named'}: {group['cost']} USD, {count(group['requests'], 'request')}"
        for group in groups[:SHOWN]
    ]
    if (more := len(groups) - SHOWN) > 0:
        lines.append(f"- and {more} more")
    return "\n".join([f"By {facts['group_by']}:", *lines])


def _guards(facts: Facts) -> str:
    lines = [
        f"- {guard['guard']}: {guard['left']} of {guard['limit']} USD left"
        + (f" until {guard['resets_at']}" if guard["resets_at"] else "")
        + (f" ({guard['state']})" if guard["state"] != "within" else "")
        for guard in facts["guards"]
    ]
    return "\n".join(["Budgets:", *lines]) if lines else "No budget is set."


_COST: Final = "cost|costs|spend|spending|expenses|llm_cost|llm_costs|token_usage|usage|usage_cost|usage_costs"
_REPORT: Final = "report|analysis|summary|breakdown|overview|statistics|stats"
RULES: Final = (
    rule(
        "asks what was spent",
        "how_much|what money? did|have|has|do|does|am|are|is i|we|this_session|this_key|the_session already|now? "
        "spend|spent|spending|cost|used|paid|pay already? <period>*",
        "how_much|what did|does|has|will this|the|my|our session|conversation|month|week|day|key|usage cost|costs "
        "me|us? <period>*",
        "<what>|what_was|what_were|how_much_is|how_much_are|how_much_was my|our|the_total|the_current total? "
        f"{_COST}|bill <period>*",
        f"<show>? <our>* {_COST} {_REPORT}? <period>*",
    ),
    rule(
        "asks what is left of the budget",
        "how_much|what <our>* budget|money is_left|is_remaining|remains|left|do_i_have_left|do_we_have_left|"
        "can_i_spend|can_i_still_spend|can_we_spend <period>*",
        "<show>? <our>* budget|budgets|budget_guards|spending_limit|spending_limits status|left? <period>*",
        "<what> <the> <our>* budget|budgets|budget_guards|spending_limit|spending_limits left? <period>*",
    ),
)


def cost_analysis(cost_report: Tool) -> Skill:
    return Skill(
        id=ID,
        name="Cost analysis",
        description=(
            "What you spent in this session, today, this week, this month or any last days, by provider, model, combo, "
            "task or connection, and what is left of the budgets. Options in the metadata: period, group_by, since, "
            "until."
        ),
        tags=("cost", "usage", "budget", "analytics"),
        examples=("How much did I spend today?", "Cost report for this month by provider.", "How much budget is left?"),
        scopes=cost_report.scopes,
        run=answering(ID, answer),
        tools=("cost_report",),
        rules=RULES,
    )
