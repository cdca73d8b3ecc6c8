"""What the owner was asked and answered. Codes are looked up by their hash; the code itself is not here."""

import sqlite3
from dataclasses import dataclass, replace
from typing import Final, Literal

from omniroute_agent.store.database import Database

MOST_PENDING: Final = 64
"""Open questions of one caller; the oldest makes room, so that nobody fills the table."""

State = Literal["pending", "approved", "denied"]

_FIND: Final = (
    "SELECT code, code_start, caller, action, question, asked_at, expires_at, state FROM consent "
    "WHERE code = ? AND expires_at > ?"
)
_PENDING: Final = (
    "SELECT code, code_start, caller, action, question, asked_at, expires_at, state FROM consent "
    "WHERE state = 'pending' AND expires_at > ? ORDER BY asked_at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question to the owner. Times are UTC epoch seconds."""

    code: str
    """Hash of the code."""
    code_start: str
    """Its first characters, by which a person recognises it."""
    caller: str
    action: str
    question: str
    asked_at: float
    expires_at: float
    state: State


@dataclass(frozen=True, slots=True)
class ConsentRows:
    database: Database

    async def take(self, question: Asked, digest: str) -> Asked:
        """The owner's answer to a question, or the question itself, which waits for one from now on.

        A yes is used up by this; a no stays until its time is up.
        """
        caller, action, now = question.caller, question.action, question.asked_at

        def job(connection: sqlite3.Connection) -> Asked:
            same = (caller, action, digest)
            if (answered := _answer(connection, same, now)) is not None:
                return replace(question, state=answered)
            if (pending := _find(connection, question.code, now)) is not None:
                return pending
            _make_room(connection, caller, now)
            connection.execute(
                "INSERT INTO consent (code, code_start, caller, action, digest, question, asked_at, expires_at, state) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending')",
                (question.code, question.code_start, *same, question.question, now, question.expires_at),
            )
            return question

        return await self.database.write(job)

    async def find(self, code: str, now: float) -> Asked | None:
        """The question of that hash; None when there is none or its time is up."""
        return await self.database.read(lambda connection: _find(connection, code, now))

    async def pending(self, now: float) -> tuple[Asked, ...]:
        def job(connection: sqlite3.Connection) -> tuple[Asked, ...]:
            rows = connection.execute(_PENDING, (now,))
            return tuple(_asked(row) for row in rows)

        return await self.database.read(job)

    async def answer(self, code: str, *, approved: bool, now: float, until: float) -> Asked | None:
        """Write the owner's answer to a pending question, good until then; None when nothing is pending under it."""

        def job(connection: sqlite3.Connection) -> Asked | None:
            changed = connection.execute(
                "UPDATE consent SET state = ?, expires_at = ? WHERE code = ? AND state = 'pending' AND expires_at > ?",
                ("approved" if approved else "denied", until, code, now),
            ).rowcount
            return _find(connection, code, now) if changed else None

        return await self.database.write(job)


def _answer(connection: sqlite3.Connection, same: tuple[str, str, str], now: float) -> State | None:
    """What the owner answered to this very question. A no stands above a yes to the same question asked elsewhere."""
    row = connection.execute(
        "SELECT state FROM consent WHERE caller = ? AND action = ? AND digest = ? AND expires_at > ? "
        "AND state <> 'pending' ORDER BY state DESC LIMIT 1",
        (*same, now),
    ).fetchone()
    if row is None:
        return None
    if row[0] == "approved":
        # Together with the same question asked by another process: one yes passes one call.
        connection.execute("DELETE FROM consent WHERE caller = ? AND action = ? AND digest = ?", same)
        return "approved"
    return "denied"


def _make_room(connection: sqlite3.Connection, caller: str, now: float) -> None:
    connection.execute("DELETE FROM consent WHERE expires_at <= ?", (now,))
    connection.execute(
        "DELETE FROM consent WHERE code IN (SELECT code FROM consent WHERE caller = ? AND state = 'pending' "
        "ORDER BY asked_at DESC, code LIMIT 1000 OFFSET ?)",
        (caller, MOST_PENDING - 1),
    )


def _find(connection: sqlite3.Connection, code: str, now: float) -> Asked | None:
    row = connection.execute(_FIND, (code, now)).fetchone()
    return None if row is None else _asked(row)


def _asked(row: tuple[str, str, str, str, str, float, float, State]) -> Asked:
    code, start, caller, action, question, asked_at, expires_at, state = row
    return Asked(
        code=code,
        code_start=start,
        caller=caller,
        action=action,
        question=question,
        asked_at=asked_at,
        expires_at=expires_at,
        state=state,
    )


def forget_consents(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Inside a job: delete questions and answers whose time was up then; returns how many went."""
    return connection.execute(
        "DELETE FROM consent WHERE code IN "
        "(SELECT code FROM consent WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
        (before, limit),
    ).rowcount
