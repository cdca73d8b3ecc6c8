"""The owner's consent to what a caller may not decide alone: asked for with a code, given in the owner's terminal.

What a caller sends is never consent, and a yes is good for one call with the very same arguments. Narrowing a limit
needs none.
"""

import hashlib
import json
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import ConsentRequired, NotAllowed, NotFound
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.store.consents import MOST_PENDING, Asked, ConsentRows

LIFETIME: Final = 15 * 60.0
"""Seconds a question waits for its answer, and an answer for its call."""

_CODE_LETTERS: Final = 12
"""Of base 32: 60 bits, of which a list of questions shows 20."""
_GROUP: Final = 4
_LONGEST: Final = 600
"""Characters of a question; what is longer ends in `…`."""


class Consents:
    def __init__(self, rows: ConsentRows, ports: Ports) -> None:
        self._rows = rows
        self._ports = ports
        self._codes: dict[tuple[str, str, str], tuple[str, float]] = {}
        """Codes given out here, and until when they are good; the oldest first."""

    async def require(
        self,
        caller: Caller,
        action: str,
        arguments: Mapping[str, JsonValue],
        question: str,
        *,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Pass if the owner agreed that this caller does just this, once; the agreement is used up by it.

        `facts` are told beside the question when it has to be asked.

        Raises:
            ConsentRequired: the owner has to be asked; code and question are in it.
            NotAllowed: the owner said no.
        """
        now = self._ports.now().timestamp()
        same = (caller.id, action, _digest(action, arguments))
        self._make_room(same, now)
        # The same question has the same code, of which the store has the hash alone.
        code, until = self._codes.setdefault(same, (self._new_code(), now + LIFETIME))
        asked = Asked(
            code=_hash(code),
            code_start=code[:_GROUP],
            caller=caller.id,
            action=action,
            question=_line(question),
            asked_at=now,
            expires_at=until,
            state="pending",
        )
        found = await self._rows.take(asked, same[2])
        if found.state == "pending":
            raise _required(code, found, facts or {})
        self._codes.pop(same, None)
        if found.state == "denied":
            raise NotAllowed("The owner was asked and said no.", hint="Go on without it, or ask the owner.")

    def _make_room(self, same: tuple[str, str, str], now: float) -> None:
        """Forget codes whose time is up and, before a new one, those whose questions make room in the store, too."""
        for key in [key for key, (_, until) in self._codes.items() if until <= now]:
            del self._codes[key]
        if same not in self._codes:
            own = [key for key in self._codes if key[0] == same[0]]
            for key in own[: max(0, len(own) - MOST_PENDING + 1)]:
                del self._codes[key]

    def _new_code(self) -> str:
        """Twelve letters in groups of four. An id alone would not do: the next one may be this one plus 1."""
        drawn = f"{self._ports.new_id()}{self._ports.dice.getrandbits(256):x}"
        letters = b32encode(hashlib.sha256(drawn.encode()).digest()).decode()[:_CODE_LETTERS]
        return "-".join(letters[start : start + _GROUP] for start in range(0, _CODE_LETTERS, _GROUP))

    async def pending(self) -> tuple[Asked, ...]:
        """What waits for an answer, oldest first."""
        return await self._rows.pending(self._ports.now().timestamp())

    async def look(self, code: str) -> Asked:
        """
        Raises:
            NotFound: nothing waits for an answer under this code.
        """
        asked = await self._rows.find(_hash(code), self._ports.now().timestamp())
        if asked is None or asked.state != "pending":
            raise _nothing(asked)
        return asked

    async def answer(self, code: str, *, approved: bool) -> Asked:
        """The owner's yes or no.

        Raises:
            NotFound: nothing waits for an answer under this code.
        """
        now = self._ports.now().timestamp()
        asked = await self._rows.answer(_hash(code), approved=approved, now=now, until=now + LIFETIME)
        if asked is None:
            raise _nothing(await self._rows.find(_hash(code), now))
        return replace(asked, state="approved" if approved else "denied")


def _digest(action: str, arguments: Mapping[str, JsonValue]) -> str:
    told = json.dumps([action, dict(arguments)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()


def _line(question: str) -> str:
    """One short line: what a caller names in a question must not look like a line of ours, nor hide one."""
    line = "".join(filter(str.isprintable, " ".join(question.split())))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _hash(code: str) -> str:
    """As people type it: case, spaces and dashes do not count."""
    letters = "".join(letter for letter in code.upper() if letter.isalnum())
    return hashlib.sha256(letters.encode()).hexdigest()


def _required(code: str, asked: Asked, facts: Mapping[str, object]) -> ConsentRequired:
    until = datetime.fromtimestamp(asked.expires_at, UTC).isoformat(timespec="seconds")
    return ConsentRequired(
        f"Only the owner may allow this: {asked.question}",
        hint=f"Ask the owner to run `omniroute-agent approve {code}` and make the same call again; good until {until}.",
        facts={"code": code, "question": asked.question, "expires_at": until, **facts},
    )


def _nothing(asked: Asked | None) -> NotFound:
    if asked is None:
        return NotFound(
            "No question waits under this code.",
            hint="Codes are good for 15 minutes; make the call again for a new one. `omniroute-agent approve` lists "
            "what waits.",
        )
    return NotFound(f"This question is {asked.state} already.", hint="Make the call again if it is needed once more.")
