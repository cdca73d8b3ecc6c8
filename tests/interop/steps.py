"""What every Python client of the scenario shares: a plan read, steps run, and each told as a JSON line in a file.

The standard library alone, because each client runs in an environment of its own.
"""

import json
import re
import sys
import traceback
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Plan = dict[str, Any]
Step = Callable[[], Awaitable[str]]


def plan_of(arguments: list[str]) -> Plan:
    plan: Plan = json.loads(Path(arguments[1]).read_text(encoding="utf-8"))
    return plan


async def run(plan: Plan, steps: dict[str, Step]) -> None:
    """Each step in turn, whatever became of the ones before it. A library may print, so none is told on stdout."""
    failed = False
    for name, step in steps.items():
        try:
            told = {"step": name, "ok": True, "saw": await step()}
        except Exception as failure:  # noqa: BLE001 (whatever a client's library raises is this step's outcome)
            traceback.print_exc()
            told = {"step": name, "ok": False, "saw": f"{type(failure).__name__}: {failure}"}
            failed = True
        _tell(plan, told)
    sys.exit(failed)


def _tell(plan: Plan, told: dict[str, Any]) -> None:
    with Path(plan["told"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(told) + "\n")


def expect(seen: object, wanted: object, what: str) -> None:
    if seen != wanted:
        raise AssertionError(f"{what}: {seen!r} instead of {wanted!r}")


def check(holds: object, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def control(plan: Plan, path: str) -> Any:
    """What the scripted world says; a POST, and it waits for what it was asked about.

    Raises:
        HTTPError: it did not happen in time.
    """
    asked = urllib.request.Request(plan["control"] + path, data=b"", method="POST")  # noqa: S310 (loopback, ours)
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 (the same)
        return json.load(answer)


def key_of(jwks: Any, kid: str | None) -> dict[str, Any]:
    """The key with this id.

    Raises:
        KeyError: there is none.
    """
    for key in jwks["keys"]:
        if key["kid"] == kid:
            found: dict[str, Any] = key
            return found
    raise KeyError(kid)


def owner_agrees(plan: Plan, question: str) -> None:
    """The owner does in the terminal what the question says."""
    found = re.search(r"omniroute-agent approve ([A-Z0-9-]+)", question)
    if found is None:
        raise AssertionError(f"the question names no code: {question!r}")
    control(plan, f"/approve/{found[1]}")
