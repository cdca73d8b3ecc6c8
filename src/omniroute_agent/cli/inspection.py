"""What `doctor` finds in the open house: connections, guards, the local model, the database."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import httpx2

from omniroute_agent.app import House
from omniroute_agent.cli.findings import Finding
from omniroute_agent.cli.house import call_tool
from omniroute_agent.engine.candidates import NO_MODEL_HELP
from omniroute_agent.kernel.errors import CallError
from omniroute_agent.kernel.ports import by_way_of
from omniroute_agent.providers.discovery import request_headers
from omniroute_agent.providers.expiry import expiry_note
from omniroute_agent.providers.local.server import LocalState
from omniroute_agent.providers.model import Connection
from omniroute_agent.providers.proxies import proxy_for
from omniroute_agent.settings.sources import connection_key, provider_keys

_ASK_SECONDS: Final = 5.0
_REFUSES_KEY: Final = (401, 403)
_HAS_NO_LIST: Final = (404, 405, 501)
_ERRORS_FROM: Final = 400
_FETCH_HELP: Final = (
    "Fetch the free local model with `omniroute-agent doctor --fix`, set a key (for example OPENAI_API_KEY or "
    "ANTHROPIC_API_KEY), or start Ollama, LM Studio, llama.cpp or vLLM on this machine."
)

Report = Mapping[str, Any]


async def inspect(house: House) -> list[Finding]:
    health = await call_tool(house, "get_health", {})
    reports = {report["id"]: report for report in health["connections"]}
    connections = [each for each in await house.parts.connections.all() if each.id in reports and not each.last_resort]
    seen = await asyncio.gather(*(_about_connection(house, each, reports[each.id]) for each in connections))
    local = _about_local(house)
    return [
        *seen,
        *(Finding(about="connection", level="note", says=note) for note in health["skipped"]),
        local,
        *_about_guards(health),
        *_about_database(house, health),
        *await _about_combos(house),
        _verdict([*seen, local], house.local.state()),
    ]


async def _about_connection(house: House, connection: Connection, report: Report) -> Finding:
    name = f"{connection.id}: {connection.provider.title}, {_origin(house, connection)}, tier {connection.tier}"
    if report["state"] == "unavailable":
        return Finding(about="connection", level="warning", says=f"{name}; cannot be used now", do=report["note"])
    if report["state"] not in ("ready", "probing"):
        wait = report["cooldown_left_seconds"]
        again = f"It is tried again in {wait} s." if wait else ""
        return Finding(
            about="connection", level="warning", says=f"{name}; {report['state']}: {report['note']}", do=again
        )
    if connection.source == "loopback":
        return Finding(about="connection", level="ok", says=f"{name}; answers, {len(connection.models or ())} models")
    seen = await _ask(house, connection, name)
    if seen.level == "ok" and (note := expiry_note(connection.expires_at, house.parts.ports.now())):
        return replace(seen, level="warning", says=f"{seen.says}. {note}", do=_renewal(connection))
    return seen


def _renewal(connection: Connection) -> str:
    if connection.source == "stored":
        return f"`omniroute-agent connections add {connection.id} --replace --expires DAY` takes the new key."
    return "Put the new key in that place and set `expires` to its day."


def _origin(house: House, connection: Connection) -> str:
    """Where it comes from, for people; a key is named by its place."""
    match connection.source:
        case "environment":
            names = provider_keys(connection.provider.env)
            return f"key from {next(iter(names), 'the environment')}"
        case "settings":
            settings = next((each for each in house.settings.connections if each.id == connection.id), None)
            key = None if settings is None else connection_key(settings)
            return f"key from {key.where}" if key and key.secret else "from the settings, no key"
        case "stored":
            return "key from the encrypted store"
        case "loopback":
            return f"found on this machine at {connection.provider.base_url}"
        case "local":
            return "embedded"


async def _ask(house: House, connection: Connection, name: str) -> Finding:
    """Ask for the list of models: it costs nothing and shows whether the key is taken."""
    ports = house.parts.ports
    try:
        endpoint = await connection.reach()
        response = await ports.http.send(
            ports.http.build_request(
                "GET",
                f"{endpoint.base_url}{connection.provider.list_path}",
                headers=request_headers(connection, endpoint, ""),
                timeout=_ASK_SECONDS,
                extensions=by_way_of(proxy_for(endpoint, house.proxies.around(connection, None))),
            ),
            stream=True,
        )
        await response.aclose()
    except CallError as error:
        return Finding(about="connection", level="warning", says=f"{name}; {error.message}", do=error.hint)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return Finding(
            about="connection",
            level="warning",
            says=f"{name}; it cannot be reached ({type(error).__name__})",
            do="Check its address and that this machine reaches it.",
        )
    return _judge(response.status_code, name)


def _judge(status: int, name: str) -> Finding:
    if status in _REFUSES_KEY:
        return Finding(
            about="connection",
            level="warning",
            says=f"{name}; it refuses the key ({status})",
            do="Put a valid key in that place; the next call uses it.",
        )
    if status >= _ERRORS_FROM and status not in _HAS_NO_LIST:
        return Finding(about="connection", level="warning", says=f"{name}; it answers {status}", do="Try again later.")
    return Finding(about="connection", level="ok", says=f"{name}; answers")


def _about_guards(health: Report) -> Iterator[Finding]:
    for guard in health["guards"]:
        own = guard["guard"] == "environment"
        whose = "keys found in the environment" if own else f"the calls of guard `{guard['guard']}`"
        when = f"; it starts anew at {guard['resets_at']}" if guard["resets_at"] else ""
        raising = "[budget] environment_usd_per_day" if own else f"it (`omniroute-agent budget set {guard['guard']}`)"
        yield Finding(
            about="guard",
            level="ok" if guard["left"] != "0" else "warning",
            says=f"{whose} may spend {guard['limit']} USD a {guard['window'].partition(':')[0]} together; "
            f"{guard['spent']} USD spent, {guard['reserved']} USD reserved ({guard['action']}){when}",
            do="" if guard["left"] != "0" else f"Raise {raising}, or wait.",
        )


def _about_local(house: House) -> Finding:
    state = house.local.state()
    name = f"local/{state.model}"
    if not house.settings.local.enabled:
        return Finding(about="local model", level="note", says=f"{name} is switched off ([local] enabled)")
    if state.missing:
        return Finding(about="local model", level="note", says=f"{name} is not ready", do=state.missing)
    running = "runs now" if state.running else "starts at its first use"
    return Finding(about="local model", level="ok", says=f"{name} {running}, free, the last resort; {state.path}")


def _about_database(house: House, health: Report) -> Iterator[Finding]:
    database = health["database"]
    if not database["ok"]:
        yield Finding(
            about="database", level="trouble", says=database["detail"], do="Without a ledger nothing is sent."
        )
        return
    size = f"{database['wal_bytes']} bytes not yet written back"
    yield Finding(
        about="database", level="ok", says=f"{house.parts.database.path}, schema {database['schema_version']}, {size}"
    )
    if orphans := health["settled_orphans"]:
        yield Finding(
            about="database",
            level="note",
            says=f"a process died in the middle of {orphans} attempt{'s' if orphans > 1 else ''}: settled as unknown, "
            "and what was reserved counts as spent",
        )


async def _about_combos(house: House) -> list[Finding]:
    """What is wrong with the owner's combos; connections that are away are told with the connections."""
    found: list[Finding] = []
    for combo in await house.parts.combos.all():
        found += [
            Finding(
                about="combo",
                level="warning",
                says=f"{combo.name}: {sentence}",
                do=f"Mend it; look at it with `omniroute-agent combos validate {combo.name}`.",
            )
            for sentence in (await house.parts.examiner.examine(combo)).wrong
        ]
    return found


def _verdict(seen: Sequence[Finding], local: LocalState) -> Finding:
    if any(finding.level == "ok" for finding in seen):
        return Finding(about="routing", level="ok", says="requests can be routed")
    help_ = _FETCH_HELP if local.installed and not local.downloaded else NO_MODEL_HELP
    return Finding(about="routing", level="trouble", says="no language model can be used from here now", do=help_)
