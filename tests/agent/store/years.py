"""A house's traffic over months in virtual time: whole days of requests, each day in one commit."""

import sqlite3
from dataclasses import replace
from functools import partial

from agent.store.bills import hold, intent, settlement
from omniroute_agent.kernel.bill import Hold
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.health import ConnectionHealth, ModelLock, TargetHealth
from omniroute_agent.kernel.quota import QuotaReading
from omniroute_agent.store.attempts import insert_intent, insert_settlement, open_attempt, take_hold
from omniroute_agent.store.counts import draw
from omniroute_agent.store.database import Database
from omniroute_agent.store.handle_books import HandleRow, give, insert_handle
from omniroute_agent.store.health import write_target
from omniroute_agent.store.quota import write_readings
from omniroute_agent.store.retention import DAY_SECONDS, Retention, sweep

BEGIN = 1_767_225_600.0
"""2026-01-01 00:00 UTC."""
KEEP = Retention(decisions_days=15, ledger_days=30)
PLAN = '{"plan": "' + "x" * 1500 + '"}'
"""About as long as a decision is."""


def one_day(connection: sqlite3.Connection, *, day: int, requests: int) -> None:
    """Requests spread over the day: every fifth falls back, every tenth has an idempotency key."""
    for number in range(requests):
        at, name = BEGIN + day * DAY_SECONDS + number * (DAY_SECONDS / requests), f"{day:05d}-{number:05d}"
        for nth, target in enumerate(("one", "two")[: 2 if number % 5 == 0 else 1]):
            begun = intent(
                f"{name}-{nth}",
                hold(10, limit=10**12, window=f"day:{day}"),
                request_id=name,
                session=f"s{day}",
                at=at + nth,
                connection=target,
                model=("alpha", "beta")[number % 2],
            )
            insert_intent(connection, begun, "here")
            draw(connection, begun)
            take_hold(connection, begun, begun.holds[0])
            opened = open_attempt(connection, begun.attempt_id)
            assert opened is not None
            insert_settlement(
                connection,
                opened,
                settlement(begun.attempt_id, 7, usage=Usage(input_tokens=9, output_tokens=3), at=at + 2),
            )
        connection.execute(
            "INSERT INTO decision (request_id, instance, caller, session, door, at, state, document) "
            "VALUES (?, 'here', 'owner', ?, 'test', ?, 'answered', ?)",
            (name, f"s{day}", at, PLAN),
        )
        if number % 10 == 0:
            connection.execute(
                "INSERT INTO answer (caller, idempotency_key, instance, fingerprint, request_id, at, keep_until, "
                "document) VALUES ('owner', ?, 'here', 'f', ?, ?, ?, ?)",
                (name, name, at, at + DAY_SECONDS, PLAN),
            )
    _one_trouble(connection, day)
    _two_tasks(connection, day)
    _one_share(connection, day)


def _one_share(connection: sqlite3.Connection, day: int) -> None:
    """A budget handle for a week with a share for an hour, of which something is spent."""
    at = BEGIN + day * DAY_SECONDS
    week = HandleRow(
        id=f"w{day:05d}",
        parent=None,
        depth=0,
        digest=b"d",
        label=None,
        minted_by="owner",
        amount=100,
        created_at=at,
        expires_at=at + 7 * DAY_SECONDS,
    )
    hour = replace(week, id=f"h{day:05d}", parent=week.id, depth=1, amount=50, expires_at=at + 3600)
    insert_handle(connection, week)
    give(connection, hour)
    insert_handle(connection, hour)
    begun = intent(f"{hour.id}-0", request_id=hour.id, reserved=10, at=at)
    insert_intent(connection, begun, "here")
    take_hold(connection, begun, Hold(guard=hour.id, window="", limit=0, amount=10, handle=True))
    opened = open_attempt(connection, begun.attempt_id)
    assert opened is not None
    insert_settlement(connection, opened, settlement(begun.attempt_id, 7, at=at + 2))


def _one_trouble(connection: sqlite3.Connection, day: int) -> None:
    """A model that nobody asks for again is locked, and its window told."""
    at, model = BEGIN + day * DAY_SECONDS, f"model-{day}"
    lock = ModelLock(connection="one", model=model, reason="not_found", until=at + 600)
    health = TargetHealth(connection=ConnectionHealth(connection="one"))
    write_target(connection, model, health, health.model_copy(update={"lock": lock}))
    reading = QuotaReading(window="requests/day", unit="requests", limit=9.0, remaining=3.0, source="test", at=at)
    write_readings(connection, "one", model, [reading])


def _two_tasks(connection: sqlite3.Connection, day: int) -> None:
    """One that ended and is kept for a week, and one in the middle of whose answer a process died."""
    at = BEGIN + day * DAY_SECONDS
    for name, expires_at in (("done", at + 7 * DAY_SECONDS), ("cut", None)):
        key = (f"{name}-{day}", at, at, at, expires_at, PLAN)
        connection.execute(
            "INSERT INTO task (owner, id, context_id, skill, state, status_at, note, version, created_at, updated_at, "
            "expires_at, body) VALUES ('owner', ?, 'talk', 'smart-routing', 'failed', ?, '', 2, ?, ?, ?, ?)",
            key,
        )
    connection.execute(
        "INSERT INTO task_chunk (owner, task_id, number, body) VALUES ('owner', ?, 0, ?)", (f"cut-{day}", PLAN)
    )


async def live(database: Database, *, days: range, requests: int, sweep_every: int) -> None:
    for day in days:
        await database.write(partial(one_day, day=day, requests=requests))
        if day % sweep_every == 0:
            await sweep(database, now=BEGIN + (day + 1) * DAY_SECONDS, keep=KEEP)


async def pages(database: Database) -> tuple[int, int]:
    """Pages of the file, and how many of them are free to be used again."""
    return await database.read(
        lambda c: (c.execute("PRAGMA page_count").fetchone()[0], c.execute("PRAGMA freelist_count").fetchone()[0])
    )


async def rows(database: Database) -> dict[str, int]:
    """By table."""

    def job(connection: sqlite3.Connection) -> dict[str, int]:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return {name: connection.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for (name,) in tables}  # noqa: S608 (the schema's own names)

    return await database.read(job)
