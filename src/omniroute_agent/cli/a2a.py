"""`a2a card`, `a2a tasks`, `a2a cancel`: what an agent says of itself, and the tasks one has with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from omniroute_agent.cli.a2a_agent import Agent, Place, Wire, with_agent, wrong
from omniroute_agent.cli.a2a_call import GOOD, Told
from omniroute_agent.cli.failures import CommandFailed
from omniroute_agent.cli.page import Page, err, harmless, out, print_json
from omniroute_agent.doors.a2a.states import CORE
from omniroute_agent.doors.a2a.words import EXTENSION
from omniroute_agent.settings.values import moment

_LONGEST: Final = 48
"""Characters of a prompt in the list."""


def show_card(place: Place, *, extended: bool, verify: bool, as_json: bool) -> int:
    card, signer = with_agent(place, lambda agent: _card(agent, extended=extended, verify=verify))
    if as_json:
        print_json({"url": place.card_url, "card": card, "signed_by": signer, "verified": signer is not None})
        return 0
    page = out()
    for line in _card_lines(card):
        page.line(harmless(line))
    if signer is not None:
        err().line(f"Its signature is good: key {signer}, from the same server.", "green")
    elif card.get("signatures"):
        err().line("It is signed; --verify checks that.", "dim")
    return 0


async def _card(agent: Agent, *, extended: bool, verify: bool) -> tuple[Wire, str | None]:
    card = await agent.call("GetExtendedAgentCard", {}) if extended else await agent.card()
    if not isinstance(card, dict):
        raise CommandFailed("What the agent answered is no card.", code="bad_card")
    if not verify:
        return card, None
    # Imported here because it loads the SDK, which takes half a second.
    from omniroute_agent.cli.a2a_signature import signed_by  # noqa: PLC0415 (lazy)

    return card, await signed_by(agent, card)


def _card_lines(card: Wire) -> Iterator[str]:
    yield f"{card.get('name', '?')} {card.get('version', '')}"
    yield str(card.get("description", ""))
    yield ""
    for each in _objects(card.get("supportedInterfaces")):
        yield f"{each.get('protocolBinding')} {each.get('protocolVersion')} at {each.get('url')}"
    able = card.get("capabilities")
    words = {"streaming": "streams", "pushNotifications": "push notifications", "extendedAgentCard": "extended card"}
    said = [word for name, word in words.items() if isinstance(able, dict) and able.get(name) is True]
    yield f"Offers {', '.join(said)}." if said else "Offers nothing beside plain calls."
    schemes = card.get("securitySchemes")
    yield f"Wants a key ({', '.join(schemes)})." if isinstance(schemes, dict) and schemes else "Wants no key."
    yield from _limit_lines(able)
    for skill in _objects(card.get("skills")):
        yield ""
        yield f"{skill.get('id')}: {skill.get('name')}"
        yield f"  {skill.get('description')}"
        yield from (f"  > {example}" for example in _list(skill.get("examples")))


def _limit_lines(able: Any) -> Iterator[str]:
    """What our own extended card says of the reader."""
    extensions = _objects(able.get("extensions")) if isinstance(able, dict) else []
    params = next((each.get("params") for each in extensions if each.get("uri") == EXTENSION), None)
    you = params.get("you") if isinstance(params, dict) else None
    if isinstance(you, dict):
        yield f"You are {you.get('caller')} and may {', '.join(map(str, _list(you.get('scopes')))) or 'nothing'}."
        for limit in _objects(you.get("limits")):
            yield f"The guard `{limit.get('guard')}` has {limit.get('left_usd')} of {limit.get('limit_usd')} USD left."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which tasks."""

    state: str | None = None
    context: str | None = None
    after: str | None = None
    limit: int = 20
    cursor: str | None = None


def list_tasks(place: Place, wanted: Wanted, *, as_json: bool) -> int:
    params: Wire = {"pageSize": wanted.limit, "historyLength": 1}
    if wanted.state:
        if wanted.state not in CORE:
            raise wrong(f"--state takes one of {', '.join(sorted(CORE))}.")
        params["status"] = CORE[wanted.state]
    if wanted.context:
        params["contextId"] = wanted.context
    if wanted.after:
        params["statusTimestampAfter"] = _moment(wanted.after)
    if wanted.cursor:
        params["pageToken"] = wanted.cursor
    found = with_agent(place, lambda agent: agent.call("ListTasks", params))
    page: Wire = found if isinstance(found, dict) else {}
    tasks, cursor = _objects(page.get("tasks")), page.get("nextPageToken") or None
    if as_json:
        print_json({"tasks": tasks, "total": page.get("totalSize"), "next_cursor": cursor})
        return 0
    _draw(out(), tasks)
    if cursor:
        err().line(f"There are more: the same with `--cursor={harmless(str(cursor))}`.", "dim")
    return 0


def _draw(page: Page, tasks: list[Wire]) -> None:
    if not tasks:
        page.line("There are no such tasks.")
        return
    rows = []
    for task in tasks:
        seen = Told(None)
        seen.take({"task": task})
        status = task.get("status")
        at = str(status.get("timestamp", "")) if isinstance(status, dict) else ""
        rows.append(tuple(map(harmless, (seen.task_id, seen.state, at[:19], seen.context_id, _asked(task)))))
    page.table(("task", "state", "since", "context", "asked last"), rows)


def _asked(task: Wire) -> str:
    said = [part.get("text") for message in _objects(task.get("history")) for part in _objects(message.get("parts"))]
    line = " ".join(" ".join(text for text in said if isinstance(text, str)).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def show_task(place: Place, task_id: str, *, as_json: bool) -> int:
    task = with_agent(place, lambda agent: agent.call("GetTask", {"id": task_id}))
    told = Told(None)
    told.take({"task": task})
    if as_json:
        print_json({**told.as_json(), "note": told.note or None, "task": task})
        return 0
    page = out()
    for text in told.texts.values():
        page.line(text)
    err().line(harmless(f"{told.state}: {told.note}" if told.note else told.state), "dim")
    if told.state == GOOD:
        err().line(told.last_line(), "dim")
    return 0


def cancel_task(place: Place, task_id: str, *, as_json: bool) -> int:
    task = with_agent(place, lambda agent: agent.call("CancelTask", {"id": task_id}))
    told = Told(None)
    told.take({"task": task})
    if as_json:
        print_json({"task_id": told.task_id, "state": told.state})
    else:
        out().line(harmless(f"Task {told.task_id} is {told.state}."))
    return 0


def _moment(text: str) -> str:
    try:
        return moment(text).isoformat().replace("+00:00", "Z")
    except ValueError as error:
        raise wrong(f"--after: {error}.") from None


def _objects(value: Any) -> list[Wire]:
    return [each for each in _list(value) if isinstance(each, dict)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
