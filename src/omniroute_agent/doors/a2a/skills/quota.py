"""`quota-management`: what is left of the owner's accounts, and what costs nothing."""

import re
from collections.abc import Sequence
from typing import Final

from omniroute_agent.doors.a2a.skills.phrases import rule
from omniroute_agent.doors.a2a.skills.readings import Facts, Readings, answering, count, named, together
from omniroute_agent.doors.a2a.skills.skill import Skill
from omniroute_agent.kernel.errors import NoRoute
from omniroute_agent.tooling.tool import Tool

ID: Final = "quota-management"

LOW_PERCENT: Final = 20.0
SHOWN: Final = 15

_RANKING: Final = re.compile(r"\b(?:ranking|rank|most(?: \w+)? quota|best)\b")
_FREE: Final = re.compile(r"\b(?:free|costs? nothing)\b")
_SUGGEST: Final = re.compile(r"\b(?:suggest\w*|recommend\w*)\b")
_TASKS: Final = {
    "coding": re.compile(r"\b(?:cod(?:e|ing)|programming|develop(?:ment|ing))\b"),
    "review": re.compile(r"\breview(?:s|ing)?\b"),
    "planning": re.compile(r"\bplan(?:s|ning)?\b"),
    "analysis": re.compile(r"\banaly(?:sis|[sz]ing|[sz]e)\b"),
    "debugging": re.compile(r"\bdebug(?:ging)?\b"),
    "documentation": re.compile(r"\bdoc(?:s|umentation|umenting)\b"),
}


async def answer(readings: Readings) -> str:
    ranking = _RANKING.search(readings.text) is not None
    if _FREE.search(readings.text) or (_SUGGEST.search(readings.text) and not ranking):
        return await _free(readings)
    facts = await readings.read_all("check_quota", "windows", **named(readings.ask, "provider", "connection"))
    return _ranking(facts) if ranking else _summary(facts)


def _summary(facts: Facts) -> str:
    windows = facts["windows"]
    lines = [f"- {_whose(each)}, {each['window']}: {_left(each)}{_source(each)}" for each in windows[:SHOWN]]
    if (more := len(windows) - SHOWN) > 0:
        lines.append(f"- and {more} more windows with more left")
    head = f"{count(len(windows), 'quota window')}, tightest first:" if windows else "No quota is known yet."
    return together("\n".join([head, *lines]), _warnings(windows), _unknown(facts))


def _ranking(facts: Facts) -> str:
    """By what is left in the tightest window of each."""
    tightest: dict[str, Facts] = {}
    for window in facts["windows"]:
        kept = tightest.get(_whose(window))
        if window["percent_left"] is not None and (kept is None or window["percent_left"] < kept["percent_left"]):
            tightest[_whose(window)] = window
    ranked = sorted(tightest.items(), key=lambda each: (-each[1]["percent_left"], each[0]))
    if not ranked:
        return together("No quota is known yet, so there is nothing to rank.", _unknown(facts))
    best, window = ranked[0]
    lines = [
        f"{place}. {name}, {each['window']}: {_left(each)}" for place, (name, each) in enumerate(ranked[:SHOWN], 1)
    ]
    if (more := len(ranked) - SHOWN) > 0:
        lines.append(f"and {more} more with less left")
    head = f"{best} has the most quota left: {window['percent_left']:g} % in its tightest window."
    return together(head, "\n".join(lines), _warnings([each for _, each in ranked]), _unknown(facts))


async def _free(readings: Readings) -> str:
    """Combos and providers that cost nothing, as far as the caller may see them."""
    sections: list[str] = []
    task = next((task for task, words in _TASKS.items() if words.search(readings.text)), None)
    if task is not None and readings.may("best_combo_for_task"):
        sections.append(await _advice(readings, task))
    models: list[Facts] = []
    if readings.may("list_models_catalog"):
        listed = await readings.read_all("list_models_catalog", "models", free=True, limit=200)
        models = [model for model in listed["models"] if not model.get("unavailable")]
        sections.append(_free_models(models))
    if readings.may("list_combos"):
        combos = await readings.read_all("list_combos", "combos", detail="detailed")
        sections.append(_free_combos(combos["combos"], {model["id"] for model in models}))
    if not sections:
        return "Which combos and models are free is told to keys with the scopes read:combos and read:models."
    sections.append("Name one as `combo` or `model` in the metadata of your next message.")
    return together(*sections)


async def _advice(readings: Readings, task: str) -> str:
    try:
        advice = await readings.read("best_combo_for_task", task=task)
    except NoRoute as error:
        return error.sentence()
    if (free := advice["free"]) is not None:
        return f"For {task}, use the combo `{free['combo']}`: {free['reason']}. It costs nothing."
    best = advice["recommendation"]
    return f"No combo for {task} is free. The best is `{best['combo']}`: {best['reason']}."


def _free_models(models: Sequence[Facts]) -> str:
    if not models:
        return "No model that can be used now is known to be free."
    by_place: dict[str, list[str]] = {}
    for model in models:
        place, _, name = model["id"].partition("/")
        by_place.setdefault(f"{place} ({model['provider']})", []).append(name)
    lines = [
        f"- {place}: {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"  # noqa: PLR2004 (as many as a reader takes in)
        for place, names in list(by_place.items())[:SHOWN]
    ]
    return "\n".join([f"{count(len(models), 'model')} that {'costs' if len(models) == 1 else 'cost'} nothing:", *lines])


def _free_combos(combos: Sequence[Facts], free: set[str]) -> str:
    """A combo is free if all that it may try is."""
    found = [
        combo
        for combo in combos
        if combo["enabled"]
        and (reached := {target for each in combo["targets"] for target in each["resolves_to"]})
        and reached <= free
    ]
    if not found:
        return "No combo is free in all its targets."
    names = ", ".join(
        f"`{combo['name']}` ({combo['strategy']}, {count(len(combo['targets']), 'target')})" for combo in found
    )
    return f"Combos that cost nothing: {names}."


def _warnings(windows: Sequence[Facts]) -> str:
    low = [each for each in windows if each["percent_left"] is not None and each["percent_left"] < LOW_PERCENT]
    if not low:
        return ""
    lines = [
        f"- {_whose(each)} is {'used up' if each['percent_left'] <= 0 else 'low'} in {each['window']}: {_left(each)}"
        for each in low[:SHOWN]
    ]
    return "\n".join(["Warnings:", *lines])


def _unknown(facts: Facts) -> str:
    lines = [f"- {name}: {why}" for name, why in list(facts["not_known"].items())[:SHOWN]]
    return "\n".join(["Not known:", *lines]) if lines else ""


def _whose(window: Facts) -> str:
    return f"{window['connection']}/{window['model']}" if window["model"] else str(window["connection"])


def _left(window: Facts) -> str:
    left = "an unknown share left" if window["percent_left"] is None else f"{window['percent_left']:g} % left"
    told = window["used"] is not None and window["limit"] is not None and window["limit"] != 1
    used = f" ({window['used']:g} of {window['limit']:g} used)" if told else ""
    return f"{left}{used}" + (f", resets at {window['resets_at']}" if window["resets_at"] else "")


def _source(window: Facts) -> str:
    return f" (from {window['source']}, {window['age_seconds']} s ago)"


_WORK: Final = (
    "coding|code|programming|review|reviews|planning|analysis|debugging|documentation|docs|writing|chat|reasoning|vision|"
    "testing"
)
_QUOTA: Final = "quota|quotas|rate_limit|rate_limits|usage_limits"
RULES: Final = (
    rule(
        "asks for the quota that is left",
        f"<show>? <our>* {_QUOTA} status|summary|overview|report|usage|windows? <here>*",
        f"<what> <the> <our>* {_QUOTA} status|summary|overview|report|usage|windows? <here>*",
        f"<what> left|remaining of <the> <our>* {_QUOTA} <here>*",
        "how_much <our>* quota is|is_there|remains|do_i_have|do_we_have|have_i|have_we left|remaining? <here>*",
        "how_much <our>* quota does|has ~ have|got? left|remaining? <here>*",
        "is_there|do_i_have|do_we_have any|enough? quota left|remaining? <here>*",
    ),
    rule(
        "asks who has the most quota",
        "which|what|tell_me_which <places> here? has|have|with|got the? most|best|least|highest|lowest|largest|more "
        "remaining|free|available? quota|quotas left|remaining? <here>*",
        "rank <our>* <places> by remaining|free? quota left?",
        "<show>? <our>* quota_ranking|quota_rankings|ranking_by_quota <here>*",
        "<show>? <our>* <places> ranked|sorted by remaining? quota",
    ),
    rule(
        "asks for something free",
        "suggest|recommend|find|suggest_me|recommend_me|find_me a|an|any|the|some? best|good? free|zero-cost|no-cost "
        f"{_WORK}? combo|combos|model|models|provider|providers|tier|option|options "
        f"for|to|use|my|the|tasks|work|{_WORK}* <here>*",
        "which|what combo|combos is|are free <here>*",
    ),
)


def quota_management(check_quota: Tool) -> Skill:
    return Skill(
        id=ID,
        name="Quota management",
        description=(
            "What is left of each account's quota and rate limits, who has the most left, and which combos and models "
            "cost nothing."
        ),
        tags=("quota", "analytics", "cost", "rate-limits"),
        examples=(
            "Which provider has the most quota left?",
            "Suggest a free combo for coding.",
            "Show the quota of all my accounts.",
        ),
        scopes=check_quota.scopes,
        run=answering(ID, answer),
        tools=("check_quota",),
        rules=RULES,
    )
