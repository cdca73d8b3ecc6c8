"""`approve`: the owner answers what a caller may not decide alone."""

import sys
from datetime import UTC, datetime
from typing import Any

from omniroute_agent.app import House
from omniroute_agent.cli.failures import OTHER, USAGE, CommandFailed
from omniroute_agent.cli.house import in_house
from omniroute_agent.cli.page import err, harmless, out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.store.consents import Asked


def list_questions(start: Start, *, as_json: bool) -> int:
    found = in_house(start.settings(), lambda house: house.parts.consents.pending())
    if as_json:
        print_json({"pending": [_json(asked) for asked in found]})
        return 0
    page = out()
    if not found:
        page.line("Nothing waits for your answer.")
        return 0
    for asked in found:
        page.write(f"{asked.code_start}-…", "bold")
        page.line(f"  {harmless(asked.question)} (until {_time(asked.expires_at)})")
    page.line("The whole code stands in the answer to the refused call: `omniroute-agent approve CODE`.", "dim")
    return 0


def answer_question(start: Start, code: str, *, yes: bool, deny: bool, as_json: bool) -> int:
    if yes and deny:
        raise CommandFailed("Only one of --yes and --deny can be given.", code="usage", exit_code=USAGE)
    settings = start.settings()
    if not (yes or deny):
        asked = in_house(settings, lambda house: house.parts.consents.look(code))
        approved = _agrees(asked)
    else:
        approved = yes

    async def work(house: House) -> Asked:
        return await house.parts.consents.answer(code, approved=approved)

    answered = in_house(settings, work)
    if as_json:
        print_json({"answered": _json(answered)})
    elif approved:
        out().line(f"Allowed once, until {_time(answered.expires_at)}. The same call passes now.")
    else:
        out().line("Refused.")
    return 0 if approved or deny else OTHER


def _agrees(asked: Asked) -> bool:
    if not sys.stdin.isatty():
        raise CommandFailed(
            f"Nobody is there to ask: {harmless(asked.question)}", "Say --yes or --deny.", "usage", USAGE
        )
    err().write(f"{harmless(asked.question)}\nAllow it once? [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _json(asked: Asked) -> dict[str, Any]:
    return {
        "code_starts": asked.code_start,
        "caller": asked.caller,
        "action": asked.action,
        "question": asked.question,
        "asked_at": _time(asked.asked_at),
        "expires_at": _time(asked.expires_at),
        "state": asked.state,
    }


def _time(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")
