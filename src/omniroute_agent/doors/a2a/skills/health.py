"""`health-report`: how this agent and its connections are."""

from typing import Final

from omniroute_agent.doors.a2a.skills.phrases import rule
from omniroute_agent.doors.a2a.skills.readings import Facts, Readings, answering, count, together
from omniroute_agent.doors.a2a.skills.skill import Skill
from omniroute_agent.tooling.tool import Tool

ID: Final = "health-report"

SHOWN: Final = 20

_STATUS: Final = {
    "ok": "All is well",
    "degraded": "Some connections are in trouble, the others serve",
    "down": "Nothing can be routed now",
}


async def answer(readings: Readings) -> str:
    facts = await readings.read("get_health", detail="detailed")
    return together(_head(facts), _connections(facts), _guards(facts), _rest(facts))


def _head(facts: Facts) -> str:
    connections = facts["connections"]
    ready = sum(1 for each in connections if each["state"] == "ready")
    served = f"{ready} of {count(len(connections), 'connection')} ready" if connections else "no connection found yet"
    hours, minutes = divmod(facts["uptime_seconds"] // 60, 60)
    up = f"{hours} h {minutes} min" if hours else f"{minutes} min"
    return f"{_STATUS[facts['status']]}: {served}. Version {facts['version']}, up {up}."


def _connections(facts: Facts) -> str:
    """Those in trouble first."""
    listed = sorted(facts["connections"], key=lambda each: (each["state"] == "ready", each["id"]))
    lines = [_line(each) for each in listed[:SHOWN]]
    if (more := len(listed) - SHOWN) > 0:
        lines.append(f"- and {more} more")
    return "\n".join(lines)


def _line(each: Facts) -> str:
    said = [each["state"].replace("_", " ")]
    said += [
        f"model {lock['model']} locked for {lock['seconds_left']} s ({lock['reason']})"
        for lock in each["locked_models"]
    ]
    said += [
        f"{each[share] * 100:.0f} % of its {name} left"
        for share, name in (("quota_left", "quota"), ("rate_limit_headroom", "rate limit"))
        if each[share] is not None
    ]
    if each["last_fault"] and not each["note"]:
        said.append(f"last fault {each['last_fault']} at {each['last_fault_at']}")
    note = f". {each['note']}" if each["note"] else ""
    return f"- {each['id']} ({each['provider']}): {', '.join(said)}{note}"


def _guards(facts: Facts) -> str:
    lines = [
        f"- {guard['guard']}: {guard['left']} of {guard['limit']} USD left ({guard['state']})"
        for guard in facts["guards"]
    ]
    return "\n".join(["Budgets:", *lines]) if lines else ""


def _rest(facts: Facts) -> str:
    database, cache = facts["database"], facts["cache"]
    said = ["The database takes writes." if database["ok"] else f"The database is in trouble: {database['detail']}."]
    if cache is not None:
        said.append(f"The cache keeps {count(cache['entries'], 'answer')}; {cache['hits']} were given again.")
    said += [f"Left out: {why}" for why in facts["skipped"]]
    return " ".join(said)


_HEALTH: Final = (
    "health|status|system_health|system_status|provider_health|provider_status|connection_health|server_health|"
    "server_status|service_status|agent_health|agent_status|gateway_health|gateway_status"
)
_STATES: Final = (
    "healthy|up|up_and_running|online|working|running|down|offline|unhealthy|failing|in_trouble|degraded|ok|okay|broken"
)
RULES: Final = (
    rule(
        "asks how this agent and its connections are",
        f"<show>? <our>* {_HEALTH} report|check|status|summary|overview? <here>*",
        f"<what> <the> <our>* {_HEALTH} report|check|status|summary|overview? <here>*",
        "is|are you|everything|the_system|the_server|this_server|the_agent|this_agent|the_gateway|this_gateway still? "
        f"{_STATES} <here>*",
        f"is|are <the>|any <our>* <places> still? {_STATES}|available <here>*",
        f"which|what|are_there_any <places> that? is|are {_STATES}|unavailable <here>*",
        "which|what|are_any circuit_breakers|breakers is|are? open|closed|tripped <here>*",
        "how is|are <the> <our>* providers|connections|accounts|system|server|gateway doing? <here>*",
    ),
)


def health_report(get_health: Tool) -> Skill:
    return Skill(
        id=ID,
        name="Health report",
        description="How this agent is: its connections with what ails them, its budgets, its database and cache.",
        tags=("health", "status", "monitoring"),
        examples=("Health report, please.", "Are all providers up?", "Which connections are in trouble?"),
        scopes=get_health.scopes,
        run=answering(ID, answer),
        tools=("get_health",),
        rules=RULES,
    )
