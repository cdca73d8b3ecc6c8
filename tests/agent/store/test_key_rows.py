"""Rows of callers' keys: what comes back, what counts as a change, and when they go."""

from dataclasses import replace
from pathlib import Path

from omniroute_agent.kernel.view import View
from omniroute_agent.store.database import Database
from omniroute_agent.store.keys import KeyRow, KeyRows
from omniroute_agent.store.retention import DAY_SECONDS, Retention, sweep

FULL = KeyRow(
    id="key-1",
    name="laptop",
    digest=bytes(range(32)),
    scopes=frozenset(("read:health", "write:budget")),
    view=View(toolsets=frozenset(("core",)), tools=frozenset(("a", "b")), exclude=frozenset(("c",)), read_only=True),
    created_at=1.0,
    expires_at=2.0,
)
PLAIN = KeyRow(id="key-2", name="ci", digest=b"x" * 32, scopes=frozenset(("*",)), view=View(), created_at=2.0)


async def test_a_key_comes_back_as_it_was_written(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    try:
        rows = KeyRows(database)
        for row in (FULL, PLAIN):
            await rows.put(lambda _, row=row: row)  # type: ignore[misc]  # the loop's row, now
        assert await rows.all() == (2, (FULL, PLAIN))
        changed = replace(FULL, scopes=frozenset(("*",)), view=View(), revoked_at=9.0, digest=b"other", created_at=7.0)
        await rows.put(lambda _: changed)
        _, (kept, _) = await rows.all()
        assert kept == replace(changed, digest=FULL.digest, created_at=FULL.created_at), "a digest never changes"
    finally:
        await database.close()


async def test_a_dead_key_goes_with_the_ledger_of_its_time_and_a_living_one_stays(tmp_path: Path) -> None:
    now = 1000 * DAY_SECONDS
    database = await Database.open(tmp_path)
    try:
        rows = KeyRows(database)
        lately = now - 10 * DAY_SECONDS
        made = (
            replace(PLAIN, id="living"),
            replace(PLAIN, id="expired-lately", expires_at=lately),
            replace(PLAIN, id="expired-long-ago", expires_at=DAY_SECONDS),
            replace(PLAIN, id="revoked-lately", revoked_at=lately),
            replace(PLAIN, id="revoked-long-ago", revoked_at=DAY_SECONDS, expires_at=now),
        )
        for row in made:
            await rows.put(lambda _, row=row: row)  # type: ignore[misc]  # the loop's row, now
        await sweep(database, now=now, keep=Retention(decisions_days=30, ledger_days=400))
        _, kept = await rows.all()
        assert {row.id for row in kept} == {"living", "expired-lately", "revoked-lately"}
    finally:
        await database.close()
