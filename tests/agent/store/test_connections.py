"""The rows of connections that were added by hand."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from omniroute_agent.kernel.health import ConnectionHealth, ModelLock, TargetHealth
from omniroute_agent.store.connections import ConnectionRow, ConnectionRows, Make
from omniroute_agent.store.database import Database
from omniroute_agent.store.health import HealthBook, write_target


def row(name: str, version: int, *, sealed_key: bytes | None = b"sealed") -> ConnectionRow:
    return ConnectionRow(
        id=name,
        version=version,
        provider="openai",
        base_url=None,
        sealed_key=sealed_key,
        models=("a", "b"),
        default_model="a",
        tier="key",
        sealed_headers=None,
        proxy=None,
        sealed_proxy=None,
        expires_at=None,
        created_at=1.0,
        changed_at=2.0,
        enabled=True,
    )


def making(name: str) -> Make:
    return lambda _, version: row(name, version)


async def test_a_row_reads_as_it_was_written(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    rows = ConnectionRows(database)
    written = [await rows.put(making("b")), await rows.put(making("a"))]
    count, found = await rows.all()
    assert found == tuple(reversed(written))
    assert await rows.get("a") == written[1]
    assert await rows.get("c") is None
    assert count == await rows.changes() == 2
    await database.close()


async def test_a_version_never_comes_twice_not_even_after_a_removal(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    rows = ConnectionRows(database)
    first = await rows.put(lambda _, version: row("a", version))
    assert await rows.delete("a")
    assert not await rows.delete("a")
    second = await rows.put(lambda _, version: row("a", version))
    assert second.version > first.version
    await database.close()


async def test_many_who_write_at_once_each_see_the_one_before(tmp_path: Path) -> None:
    database, other = await Database.open(tmp_path), await Database.open(tmp_path)
    versions: list[int] = []

    def make(_: object, version: int) -> ConnectionRow:
        versions.append(version)
        return row("a", version)

    await asyncio.gather(*(ConnectionRows(each).put(make) for each in (database, other) * 10))
    assert sorted(versions) == list(range(1, 21))
    await database.close()
    await other.close()


async def test_a_change_of_all_rows_is_all_or_nothing(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    rows = ConnectionRows(database)
    for name in "ab":
        await rows.put(making(name))
    before = await rows.all()

    def fail(_: tuple[ConnectionRow, ...], __: int) -> tuple[ConnectionRow, ...]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await rows.rewrite(fail)
    assert await rows.all() == before
    await database.close()


async def test_a_new_credential_starts_with_a_clean_record(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    rows, health = ConnectionRows(database), HealthBook(database)
    for name in ("a", "b"):
        blank = TargetHealth(connection=ConnectionHealth(connection=name))
        locked = TargetHealth(
            connection=ConnectionHealth(connection=name, lock="unauthorized", lock_until=9e9),
            lock=ModelLock(connection=name, model="m", reason="not_found", until=9e9),
        )
        await database.write(partial(write_target, model="m", before=blank, after=locked))
    await rows.put(lambda _, version: row("a", version))
    snapshot = await health.snapshot()
    assert (set(snapshot.connections), set(snapshot.locks)) == ({"b"}, {("b", "m")})
    await database.close()
