"""Inside a job: the books of budget handles, which money moves between and never leaves.

The amount of a handle that was minted is what it and all that came out of it have spent, reserved and left. Whatever
is left of a child that ended is its parent's again.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from omniroute_agent.kernel.bill import Hold, Intent
from omniroute_agent.kernel.errors import CallError, LimitReached, NotFound
from omniroute_agent.kernel.money import usd
from omniroute_agent.store.sums import LARGEST

MOST_LIVING: Final = 1000
"""Handles of one caller that are good at the same time."""

State = Literal["good", "expired", "revoked"]

READ: Final = (
    "SELECT id, parent, depth, digest, label, minted_by, amount_nano, spent_nano, reserved_nano, given_nano, "
    "returned_nano, created_at, expires_at, revoked_at, closed_at FROM budget_handle"
)
ENDED_CHILDREN: Final = "SELECT id FROM budget_handle WHERE parent = ? AND closed_at IS NULL AND expires_at <= ?"
_FIND: Final = f"{READ} WHERE id = ?"
_CHILDREN: Final = f"{READ} WHERE parent = ? ORDER BY created_at, id"
_RESERVE: Final = (
    "UPDATE budget_handle SET reserved_nano = reserved_nano + ? "
    "WHERE id = ? AND closed_at IS NULL AND expires_at > ? "
    "AND (? = 0 OR amount_nano - spent_nano - reserved_nano - given_nano - returned_nano >= ?)"
)
_GIVE: Final = (
    "UPDATE budget_handle SET given_nano = given_nano + ? "
    "WHERE id = ? AND closed_at IS NULL AND expires_at > ? "
    "AND amount_nano - spent_nano - reserved_nano - given_nano - returned_nano >= ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandleRow:
    """Amounts are nano-dollars, times UTC epoch seconds."""

    id: str
    parent: str | None
    depth: int
    """0 for one that was minted."""
    digest: bytes
    label: str | None
    minted_by: str
    """The caller that minted it or split it off."""
    amount: int
    spent: int = 0
    """By itself, and by children that are no longer on record."""
    reserved: int = 0
    given: int = 0
    """What its children hold of it."""
    returned: int = 0
    """What it gave back to its parent."""
    created_at: float
    expires_at: float
    revoked_at: float | None = None
    closed_at: float | None = None

    @property
    def left(self) -> int:
        """Below zero where a provider billed more than it can have been asked for and no parent could bear it."""
        return self.amount - self.spent - self.reserved - self.given - self.returned

    def state(self, now: float) -> State:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.closed_at is not None or self.expires_at <= now else "good"


def read_handle(connection: sqlite3.Connection, handle_id: str) -> HandleRow | None:
    """One handle as it is now."""
    columns = connection.execute(_FIND, (handle_id,)).fetchone()
    return None if columns is None else row_of(columns)


def recorded(connection: sqlite3.Connection, handle_id: str) -> HandleRow:
    """
    Raises:
        NotFound: there is no such handle.
    """
    row = read_handle(connection, handle_id)
    if row is None:
        raise unknown()
    return row


def give(connection: sqlite3.Connection, child: HandleRow) -> None:
    """Take a new child's amount away from its parent.

    Raises:
        LimitReached: the parent has too little left, was revoked or has expired.
    """
    assert child.parent is not None, "what is given comes from somewhere"
    collect(connection, child.parent, child.created_at)
    if not connection.execute(_GIVE, (child.amount, child.parent, child.created_at, child.amount)).rowcount:
        raise _refused(connection, child.parent, child.amount, child.created_at)


def hold_of_handle(connection: sqlite3.Connection, intent: Intent, hold: Hold) -> None:
    """Reserve a share of the handle that a hold names, by what the handle has left this very moment.

    Raises:
        LimitReached: it has too little left, was revoked or has expired.
    """
    amount = min(hold.amount, LARGEST)
    reserved = connection.execute(_RESERVE, (amount, hold.guard, intent.at, amount, amount)).rowcount
    if not reserved or hold.amount > LARGEST:
        raise _refused(connection, hold.guard, hold.amount, intent.at)
    connection.execute(
        "INSERT INTO handle_hold (attempt_id, handle, amount_nano) VALUES (?, ?, ?)",
        (intent.attempt_id, hold.guard, amount),
    )


def free_handle(connection: sqlite3.Connection, attempt_id: str, *, cost: int | None) -> None:
    """What an attempt reserved becomes spent, by its true cost; an unknown cost keeps the reservation as spent. What it
    did not need of a handle that ended meanwhile is the parent's.
    """
    found = connection.execute(
        "SELECT handle, amount_nano FROM handle_hold WHERE attempt_id = ?", (attempt_id,)
    ).fetchone()
    if found is None:
        return
    handle, amount = found
    connection.execute("DELETE FROM handle_hold WHERE attempt_id = ?", (attempt_id,))
    connection.execute(
        "UPDATE budget_handle SET reserved_nano = reserved_nano - ?, spent_nano = spent_nano + ? WHERE id = ?",
        (amount, amount if cost is None else min(cost, LARGEST), handle),
    )
    _pass_up(connection, handle)


def close_ended(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Close handles that had expired by then; returns how many."""
    found = connection.execute(
        "SELECT id FROM budget_handle WHERE closed_at IS NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?",
        (before, limit),
    ).fetchall()
    for (handle_id,) in found:
        close(connection, handle_id, before, revoked=False)
    return len(found)


def forget_handles(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Delete handles that had ended then and from which nothing runs and nothing came that is still on record;
    returns how many. What a child spent counts as its parent's from now on.
    """
    found = connection.execute(
        "SELECT id, parent, spent_nano FROM budget_handle AS h WHERE closed_at < ? AND reserved_nano = 0 "
        "AND NOT EXISTS (SELECT 1 FROM budget_handle AS c WHERE c.parent = h.id) ORDER BY closed_at LIMIT ?",
        (before, limit),
    ).fetchall()
    for handle_id, parent, spent in found:
        connection.execute(
            "UPDATE budget_handle SET spent_nano = spent_nano + ?, given_nano = given_nano - ? WHERE id = ?",
            (spent, spent, parent),
        )
        connection.execute("DELETE FROM budget_handle WHERE id = ?", (handle_id,))
    return len(found)


def unknown() -> NotFound:
    """The same for one that never was and for one that is not the asker's."""
    return NotFound(
        "There is no such budget handle.",
        hint="Take the whole text that was given when it was made; an id is good for its maker only.",
        facts={"budget_handle": None, "state": "unknown"},
    )


def _refused(connection: sqlite3.Connection, handle_id: str, needed: int, now: float) -> CallError:
    row = recorded(connection, handle_id)
    return ended(row, now) or too_little(row, needed)


def ended(row: HandleRow, now: float) -> LimitReached | None:
    """What to say to whoever holds a handle that is not good any more."""
    state = row.state(now)
    if state == "good":
        return None
    since = row.expires_at if row.revoked_at is None else row.revoked_at
    verb = "was revoked" if state == "revoked" else "expired"
    return LimitReached(
        f"The budget handle `{row.id}` {verb} on {_moment(since)}.",
        hint="Ask whoever gave it to you for another.",
        facts={"budget_handle": row.id, "state": state},
    )


def too_little(row: HandleRow, needed: int) -> LimitReached:
    left = max(row.left, 0)
    return LimitReached(
        f"The budget handle `{row.id}` has {usd(left)} of {usd(row.amount)} USD left, {usd(row.reserved)} are "
        f"reserved, so {usd(needed)} more do not fit.",
        hint="Ask for a shorter answer, wait for what runs, or get a handle with more.",
        facts={
            "budget_handle": row.id,
            "state": "good",
            "amount_usd": usd(row.amount),
            "spent_usd": usd(row.spent),
            "reserved_usd": usd(row.reserved),
            "left_usd": usd(left),
            "needed_usd": usd(needed),
        },
    )


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(" ", "seconds")


def _make_room(connection: sqlite3.Connection, row: HandleRow) -> None:
    (living,) = connection.execute(
        "SELECT COUNT(*) FROM budget_handle WHERE minted_by = ? AND closed_at IS NULL AND expires_at > ?",
        (row.minted_by, row.created_at),
    ).fetchone()
    if living >= MOST_LIVING:
        raise LimitReached(
            f"There are {living} good budget handles of yours already.",
            hint="Revoke those that are no longer needed, and let new ones expire earlier.",
            facts={"limit": MOST_LIVING},
        )


def insert_handle(connection: sqlite3.Connection, row: HandleRow) -> None:
    """
    Raises:
        LimitReached: its caller has too many.
    """
    _make_room(connection, row)
    connection.execute(
        "INSERT INTO budget_handle (id, parent, depth, digest, label, minted_by, amount_nano, spent_nano, "
        "reserved_nano, given_nano, returned_nano, created_at, expires_at, revoked_at, closed_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.id,
            row.parent,
            row.depth,
            row.digest,
            row.label,
            row.minted_by,
            row.amount,
            row.spent,
            row.reserved,
            row.given,
            row.returned,
            row.created_at,
            row.expires_at,
            row.revoked_at,
            row.closed_at,
        ),
    )


def collect(connection: sqlite3.Connection, handle_id: str, now: float) -> None:
    """Take back what children have left that ended by now. What came out of them ended no later."""
    for (child,) in connection.execute(ENDED_CHILDREN, (handle_id, now)).fetchall():
        close(connection, child, now, revoked=False)


def close(connection: sqlite3.Connection, handle_id: str, at: float, *, revoked: bool) -> None:
    living = [row for row in family(connection, handle_id) if row.closed_at is None]
    for row in living:
        connection.execute(
            "UPDATE budget_handle SET closed_at = ?, revoked_at = ? WHERE id = ?",
            (at, at if revoked and row.expires_at > at else None, row.id),
        )
    for row in reversed(living):
        _pass_up(connection, row.id)


def _pass_up(connection: sqlite3.Connection, handle_id: str) -> None:
    """What a closed handle has left is its parent's; and what one lacks is its parent's to bear."""
    row = read_handle(connection, handle_id)
    while row is not None and row.parent is not None and ((row.closed_at is not None and row.left) or row.left < 0):
        connection.execute(
            "UPDATE budget_handle SET returned_nano = returned_nano + ? WHERE id = ?", (row.left, row.id)
        )
        connection.execute("UPDATE budget_handle SET given_nano = given_nano - ? WHERE id = ?", (row.left, row.parent))
        row = read_handle(connection, row.parent)


def family(connection: sqlite3.Connection, handle_id: str) -> Iterator[HandleRow]:
    first = read_handle(connection, handle_id)
    generation = [] if first is None else [first]
    while generation:
        yield from generation
        generation = [row_of(columns) for row in generation for columns in connection.execute(_CHILDREN, (row.id,))]


def row_of(columns: tuple[Any, ...]) -> HandleRow:
    (
        handle_id,
        parent,
        depth,
        digest,
        label,
        minted_by,
        amount,
        spent,
        reserved,
        given,
        returned,
        created_at,
        expires_at,
        revoked_at,
        closed_at,
    ) = columns
    return HandleRow(
        id=handle_id,
        parent=parent,
        depth=depth,
        digest=bytes(digest),
        label=label,
        minted_by=minted_by,
        amount=amount,
        spent=spent,
        reserved=reserved,
        given=given,
        returned=returned,
        created_at=created_at,
        expires_at=expires_at,
        revoked_at=revoked_at,
        closed_at=closed_at,
    )
