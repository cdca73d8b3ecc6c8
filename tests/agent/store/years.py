"""A house's traffic over months in virtual time: whole days of requests, each day in one commit."""

import sqlite3
from functools import partial

from agent.store.bills import hold, intent, settlement
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.health import ConnectionHealth, ModelLock, TargetHealth
from omniroute_agent.kernel.quota import QuotaReading
from omniroute_agent.store.attempts import insert_intent, insert_settlement, open_attempt, take_hold
from omniroute_agent.store.counts import draw
from omniroute_agent.store.database import Database
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


def _one_trouble(connection: sqlite3.Connection, day: int) -> None:
    """A model that nobody asks for again is locked, and its window told."""
    at, model = BEGIN + day * DAY_SECONDS, f"model-{day}"
    lock = ModelLock(connection="one", model=model, reason="not_found", until=at + 600)
    health = TargetHealth(connection=ConnectionHealth(connection="one"))
    write_target(connection, model, health, health.model_copy(update={"lock": lock}))
    reading = QuotaReading(window="requests/day", unit="requests", limit=9.0, remaining=3.0, source="test", at=at)
    write_readings(connection, "one", model, [reading])


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
