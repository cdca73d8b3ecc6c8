"""Connections added by hand: sealed on disk, opened for use, in front of all others."""

import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fakes import FakeClock, fake_ports
from omniroute_agent.kernel.proxy import proxy_of
from omniroute_agent.kernel.sealed import CannotUnseal
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.outside.addresses import AllowedOrigins
from omniroute_agent.providers.discovery import Connections, ConnectionSpec, request_headers
from omniroute_agent.providers.stored import AGAIN_SECONDS, LOOK_SECONDS, StoredConnection, StoredConnections
from omniroute_agent.settings.master_key import MasterKeys, key_places
from omniroute_agent.store.connections import ConnectionRows
from omniroute_agent.store.database import Database

KEY = Secret("obviously-fake-key")
WORK = StoredConnection(
    id="work",
    provider="openai",
    base_url="https://gateway.example/v1",
    key=KEY,
    models=("alpha", "beta"),
    default_model="beta",
    tier="subscription",
    headers={"X-Team": Secret("obviously-fake-team")},
    proxy=proxy_of("http://me:obviously-fake-word@proxy.example:3128"),
    expires_at=datetime(2027, 1, 31, tzinfo=UTC),
)


def to(wanted: StoredConnection) -> Callable[[StoredConnection | None], StoredConnection]:
    return lambda _: wanted


@asynccontextmanager
async def a_store(
    directory: Path,
    *,
    clock: FakeClock | None = None,
    allowed: list[str] | None = None,
    environment: dict[str, str] | None = None,
) -> AsyncGenerator[StoredConnections, None]:
    database = await Database.open(directory)
    keys = MasterKeys(lambda: key_places(directory, keyring=False, environment=environment or {}))

    def allow(urls: Sequence[str]) -> None:
        if allowed is not None:
            allowed[:] = urls

    try:
        yield StoredConnections(ConnectionRows(database), keys, fake_ports(clock=clock), allow=allow)
    finally:
        await database.close()


def by_hand(directory: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(directory / "storage.sqlite") as connection:
        connection.execute(statement, values)
    connection.close()


def bytes_in(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir() if path.is_file())


async def troubles(directory: Path, environment: dict[str, str] | None = None) -> dict[str, str | None]:
    async with a_store(directory, environment=environment) as store:
        return {each.id: each.trouble for each in await store.all()}


async def test_everything_comes_back_as_it_was_given(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        assert await store.put("work", to(WORK)) == WORK
    async with a_store(tmp_path) as store:
        assert await store.all() == (WORK,)


async def test_no_byte_on_the_disk_shows_a_secret(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.put("work", to(WORK))
        raw = bytes_in(tmp_path)
    raw += bytes_in(tmp_path)
    assert b"gateway.example" in raw
    for secret in (b"obviously-fake-key", b"obviously-fake-team", b"obviously-fake-word"):
        assert secret not in raw
        assert secret.hex().encode() not in raw


async def test_without_a_secret_no_master_key_is_made(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.put("lab", to(StoredConnection(id="lab", provider="custom-openai", base_url="http://10.0.0.7/v1")))
        assert [spec.id for spec in await store.specs()] == ["lab"]
    assert not (tmp_path / "master.key").exists()


@pytest.mark.parametrize("column", ["sealed_key", "sealed_headers", "sealed_proxy"])
async def test_a_changed_value_is_shown_with_the_reason_and_used_by_nobody(tmp_path: Path, column: str) -> None:
    async with a_store(tmp_path) as store:
        await store.put("work", to(WORK))
    by_hand(tmp_path, f"UPDATE connection SET {column} = {column} || x'00'")  # noqa: S608 (a column of ours)
    async with a_store(tmp_path) as store:
        (spec,) = await store.specs()
        connections = Connections(ports=fake_ports(), environment={}, stored=store.specs, look_on_this_machine=False)
        (connection,) = await connections.all()
    assert (spec.key, spec.proxy, dict(spec.headers)) == (None, None, {})
    assert "cannot be opened: it was changed outside this program" in (connection.unavailable or "")


async def test_swapped_rows_do_not_open(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        for name in ("one", "two"):
            await store.put(name, to(StoredConnection(id=name, provider="openai", key=Secret(f"fake-{name}"))))
    with sqlite3.connect(tmp_path / "storage.sqlite") as connection:
        rows = dict(connection.execute("SELECT id, sealed_key FROM connection").fetchall())
        connection.execute("UPDATE connection SET sealed_key = ? WHERE id = 'one'", (rows["two"],))
        connection.execute("UPDATE connection SET sealed_key = ? WHERE id = 'two'", (rows["one"],))
    connection.close()
    found = await troubles(tmp_path)
    assert all("moved from another row" in (why or "") for why in found.values())


@pytest.mark.parametrize(
    "change",
    [
        "base_url = 'https://thief.example/v1'",
        "provider = 'groq'",
        "version = version + 1",
        "proxy = 'http://thief.example:1'",
    ],
)
async def test_a_key_cannot_be_pointed_at_another_server(tmp_path: Path, change: str) -> None:
    async with a_store(tmp_path) as store:
        await store.put("work", to(WORK))
    by_hand(tmp_path, f"UPDATE connection SET {change}")  # noqa: S608 (constants)
    assert "changed outside this program" in ((await troubles(tmp_path))["work"] or "")


async def test_a_row_of_another_hand_breaks_nothing_else(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.put("work", to(WORK))
        await store.put("lab", to(StoredConnection(id="lab", provider="custom-openai", base_url="http://10.0.0.7/v1")))
    by_hand(tmp_path, "UPDATE connection SET base_url = 'nonsense', models = 7, expires_at = 1e300 WHERE id = 'lab'")
    allowed = AllowedOrigins()
    database = await Database.open(tmp_path)
    keys = MasterKeys(lambda: key_places(tmp_path, keyring=False, environment={}))
    store = StoredConnections(ConnectionRows(database), keys, fake_ports(), allow=allowed.list_anew)
    assert [(spec.id, spec.trouble) for spec in await store.specs()] == [("lab", None), ("work", None)]
    await database.close()


async def test_an_older_key_put_back_does_not_open(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.put("work", to(WORK))
        old = sqlite3.connect(tmp_path / "storage.sqlite")
        (sealed,) = old.execute("SELECT sealed_key FROM connection").fetchone()
        old.close()
        await store.put("work", to(replace(WORK, key=Secret("the-new-one"))))
    by_hand(tmp_path, "UPDATE connection SET sealed_key = ?", sealed)
    assert "older one" in ((await troubles(tmp_path))["work"] or "")


async def test_a_value_of_another_format_is_told_by_its_number(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.put("work", to(WORK))
    by_hand(tmp_path, "UPDATE connection SET sealed_key = x'00' || substr(sealed_key, 2)")
    assert "an older format (0)" in ((await troubles(tmp_path))["work"] or "")


async def test_a_lost_master_key_is_told_and_none_is_made_in_its_place(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.put("work", to(WORK))
    kept = (tmp_path / "master.key").read_text()
    (tmp_path / "master.key").unlink()
    assert "the master key that sealed it is gone" in ((await troubles(tmp_path))["work"] or "")
    async with a_store(tmp_path) as store:
        with pytest.raises(CannotUnseal, match="is gone"):
            await store.put("other", to(replace(WORK, id="other")))
        with pytest.raises(CannotUnseal, match="is gone"):
            await store.rotate()
    assert not (tmp_path / "master.key").exists()
    (tmp_path / "master.key").write_text(kept)
    (tmp_path / "master.key").chmod(0o600)
    assert await troubles(tmp_path) == {"work": None}


async def test_another_master_key_is_told_by_both_names(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.put("work", to(WORK))
    wrong = {"OMNIROUTE_MASTER_KEY": "ab" * 32}
    assert "it was sealed with the master key" in ((await troubles(tmp_path, wrong))["work"] or "")
    async with a_store(tmp_path, environment=wrong) as store:
        with pytest.raises(CannotUnseal, match="not the one that sealed what is stored here"):
            await store.put("other", to(replace(WORK, id="other")))


async def test_what_no_longer_opens_can_be_given_anew(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.put("work", to(WORK))
    (tmp_path / "master.key").unlink()
    async with a_store(tmp_path) as store:
        with pytest.raises(CannotUnseal):
            await store.put("work", lambda before: before or WORK)
        assert (await store.put("work", to(WORK))).trouble is None
    assert await troubles(tmp_path) == {"work": None}


async def test_a_rotation_seals_everything_under_a_new_key(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store, a_store(tmp_path, clock=(clock := FakeClock())) as running:
        await store.put("work", to(WORK))
        await store.put("bare", to(StoredConnection(id="bare", provider="ollama")))
        before = await running.specs()
        old = (tmp_path / "master.key").read_text()
        count, where = await store.rotate()
        clock.advance(LOOK_SECONDS)
        assert await running.specs() == before, "a process that runs reads on"
    assert (count, where) == (2, f"file {tmp_path / 'master.key'}")
    assert (tmp_path / "master.key").read_text() != old
    assert not (tmp_path / "master.key.next").exists()
    assert await troubles(tmp_path) == {"bare": None, "work": None}
    (tmp_path / "master.key").write_text(old)
    assert "sealed with the master key" in ((await troubles(tmp_path))["work"] or "")


async def test_a_rotation_that_ended_half_way_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_store(tmp_path) as store:
        await store.put("work", to(WORK))
        monkeypatch.setattr(MasterKeys, "promote", lambda _: None)  # the process died before this
        await store.rotate()
        monkeypatch.undo()
    assert (tmp_path / "master.key.next").exists()
    assert await troubles(tmp_path) == {"work": None}
    async with a_store(tmp_path) as store:
        await store.rotate()
        await store.put("other", to(replace(WORK, id="other")))
    assert not (tmp_path / "master.key.next").exists()
    assert await troubles(tmp_path) == {"other": None, "work": None}


async def test_a_rotation_that_cannot_open_something_changes_nothing(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        for name in ("one", "two"):
            await store.put(name, to(replace(WORK, id=name)))
    by_hand(tmp_path, "UPDATE connection SET sealed_key = sealed_key || x'00' WHERE id = 'two'")
    old = (tmp_path / "master.key").read_text()
    async with a_store(tmp_path) as store:
        with pytest.raises(CannotUnseal, match="`two` does not open"):
            await store.rotate()
    assert (tmp_path / "master.key").read_text() == old
    assert (await troubles(tmp_path))["one"] is None


async def test_a_key_of_the_environment_is_rotated_to_the_next_one(tmp_path: Path) -> None:
    old, new = "11" * 32, "22" * 32
    async with a_store(tmp_path, environment={"OMNIROUTE_MASTER_KEY": old}) as store:
        await store.put("work", to(WORK))
        with pytest.raises(CannotUnseal, match="OMNIROUTE_MASTER_KEY_NEXT"):
            await store.rotate()
    async with a_store(tmp_path, environment={"OMNIROUTE_MASTER_KEY": old, "OMNIROUTE_MASTER_KEY_NEXT": new}) as store:
        await store.rotate()
        assert (await store.all())[0].trouble is None
    assert await troubles(tmp_path, {"OMNIROUTE_MASTER_KEY": new}) == {"work": None}
    async with a_store(tmp_path, environment={"OMNIROUTE_MASTER_KEY": new, "OMNIROUTE_MASTER_KEY_NEXT": new}) as store:
        with pytest.raises(CannotUnseal, match="is the present one"):
            await store.rotate()


async def test_what_one_process_adds_another_sees_within_a_second(tmp_path: Path) -> None:
    clock = FakeClock()
    allowed: list[str] = []
    async with a_store(tmp_path, clock=clock, allowed=allowed) as running, a_store(tmp_path) as command:
        nothing = await running.specs()
        await command.put("work", to(WORK))
        assert await running.specs() is nothing, "what was read holds for a moment"
        clock.advance(LOOK_SECONDS)
        seen = await running.specs()
        assert [spec.id for spec in seen] == ["work"]
        assert allowed == ["https://gateway.example/v1"]
        clock.advance(LOOK_SECONDS)
        assert await running.specs() is seen, "nothing changed, nothing is built anew"
        await command.remove("work")
        clock.advance(LOOK_SECONDS)
        assert await running.specs() == ()
        assert allowed == []


async def test_a_key_that_was_put_back_is_found_without_a_restart(tmp_path: Path) -> None:
    clock = FakeClock()
    async with a_store(tmp_path) as store:
        await store.put("work", to(WORK))
    (tmp_path / "master.key").rename(tmp_path / "elsewhere")
    async with a_store(tmp_path, clock=clock) as running:
        (spec,) = await running.specs()
        assert spec.trouble is not None
        (tmp_path / "elsewhere").rename(tmp_path / "master.key")
        clock.advance(AGAIN_SECONDS)
        (spec,) = await running.specs()
        assert spec.trouble is None


async def test_a_stored_row_wins_over_the_settings_and_over_the_environment(tmp_path: Path) -> None:
    clock = FakeClock()
    async with a_store(tmp_path, clock=clock) as store:
        connections = Connections(
            ports=fake_ports(clock=clock),
            environment={"OPENAI_API_KEY": Secret("from-the-environment"), "GROQ_API_KEY": Secret("groq")},
            specs=(ConnectionSpec(id="work", provider="groq", key=Secret("from-settings")),),
            stored=store.specs,
            look_on_this_machine=False,
        )
        assert [(each.id, each.source) for each in await connections.all()] == [
            ("work", "settings"),
            ("openai", "environment"),
            ("groq", "environment"),
        ]
        await store.put("work", to(WORK))
        await store.put("openai", to(StoredConnection(id="openai", provider="openai", key=KEY)))
        found = {each.id: each for each in await connections.all()}
    assert [(each.id, each.source, each.provider.id) for each in found.values()] == [
        ("openai", "stored", "openai"),
        ("work", "stored", "openai"),
        ("groq", "environment", "groq"),
    ]
    assert found["openai"].guard is None, "its owner named it: the guard over found keys does not hold it"
    assert (await found["work"].reach()).secret == KEY
    assert connections.notes == (
        "Connection `work` added by hand is used instead of the one in your settings.",
        "Connection `openai` added by hand is used instead of the key in the environment.",
    )


async def test_one_that_is_switched_off_hides_the_others_of_its_name(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        await store.put("openai", to(StoredConnection(id="openai", provider="openai", enabled=False)))
        connections = Connections(
            ports=fake_ports(),
            environment={"OPENAI_API_KEY": Secret("k")},
            stored=store.specs,
            look_on_this_machine=False,
        )
        (only,) = await connections.all()
    assert "is switched off" in (only.unavailable or "")


async def test_several_accounts_of_one_provider_keep_their_keys_apart(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        for name in ("home", "work"):
            await store.put(name, to(StoredConnection(id=name, provider="openai", key=Secret(f"fake-{name}"))))
        connections = Connections(ports=fake_ports(), environment={}, stored=store.specs, look_on_this_machine=False)
        found = await connections.all()
        keys = [(each.id, (await each.reach()).secret) for each in found]
    assert keys == [("home", Secret("fake-home")), ("work", Secret("fake-work"))]
    assert len({each.provider.id for each in found}) == 1


async def test_of_extra_headers_the_narrower_ones_win() -> None:
    def texts(**given: str) -> dict[str, Secret]:
        return {name.replace("_", "-"): Secret(value) for name, value in given.items()}

    connections = Connections(
        ports=fake_ports(),
        environment={},
        specs=(
            ConnectionSpec(id="work", provider="openai", key=KEY, headers=texts(x_account="work")),
            ConnectionSpec(id="fast", provider="groq", key=KEY),
        ),
        headers={
            "openai": texts(X_Account="any", X_Model="any", X_Provider="openai"),
            "openai/small": texts(x_account="small", x_model="small"),
            "open": texts(x_other="never"),
        },
        look_on_this_machine=False,
    )
    work, fast = await connections.all()
    endpoint = await work.reach()
    assert request_headers(work, endpoint, "small") == {
        "authorization": "Bearer obviously-fake-key",
        "x-provider": "openai",
        "x-model": "small",
        "x-account": "work",
    }
    assert request_headers(work, endpoint, "large")["x-model"] == "any"
    assert request_headers(fast, await fast.reach(), "small") == {"authorization": "Bearer obviously-fake-key"}
    assert "small'" not in repr(work.headers["small"])
