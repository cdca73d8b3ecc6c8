"""Who runs: told by heartbeats and locks."""

import os
from pathlib import Path

from agent.store.bills import AT, opened
from fakes import START, FakeClock, fake_ports
from omniroute_agent.store.heartbeat import SILENT_SECONDS, Heartbeat, processes
from omniroute_agent.store.instances import Instance, register

NOW = START.timestamp()


async def test_a_process_shows_what_it_serves_and_since_when(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        instance = Instance.enter(tmp_path, "a")
        scopes = ["read:health", "read:combos"]
        await register(database, "a", door="mcp-stdio", version="1.0", at=NOW, scopes=scopes)
        (found,) = await processes(database, tmp_path, now=NOW + 10)
        instance.leave()
    assert (found.pid, found.door, found.version) == (os.getpid(), "mcp-stdio", "1.0")
    assert found.scopes == ("read:combos", "read:health")
    assert (found.started_at, found.beat_at, found.state) == (NOW, NOW, "running")


async def test_one_that_ended_well_is_not_shown_and_one_that_died_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        for name in ("ended", "died", "lives"):
            instance = Instance.enter(tmp_path, name)
            await register(database, name, door="http", version="1.0", at=AT)
            if name == "ended":
                instance.leave()
            elif name == "died":
                instance._lock.release()  # as the system does it for a killed process
        found = {each.id: each.state for each in await processes(database, tmp_path, now=AT)}
    assert found == {"died": "died", "lives": "running"}
    assert (tmp_path / "instances" / "died.lock").exists()


async def test_without_a_beat_a_living_process_is_called_silent_until_it_beats_again(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path) as database:
        instance = Instance.enter(tmp_path, "a")
        await register(database, "a", door="http", version="1.0", at=NOW)
        heart = Heartbeat(database=database, instance="a", ports=fake_ports(clock=clock))
        clock.advance(SILENT_SECONDS + 1)
        now = clock.now().timestamp()
        assert [each.state for each in await processes(database, tmp_path, now=now)] == ["silent"]
        await heart.beat()
        assert [each.state for each in await processes(database, tmp_path, now=now)] == ["running"]
        instance.leave()


async def test_where_it_listens_is_known_and_stays_known(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        instance = Instance.enter(tmp_path, "a")
        await register(database, "a", door="http", version="1.0", at=NOW)
        heart = Heartbeat(database=database, instance="a", ports=fake_ports())
        heart.listens_at("http://127.0.0.1:20128")
        await heart.beat()
        (found,) = await processes(database, tmp_path, now=NOW)
        instance.leave()
    assert found.address == "http://127.0.0.1:20128"
    assert found.scopes is None


async def test_a_lock_that_cannot_be_opened_does_not_end_the_list(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await register(database, "a", door="http", version="1.0", at=NOW)
        (tmp_path / "instances" / "a.lock").mkdir(parents=True)
        assert [each.state for each in await processes(database, tmp_path, now=NOW)] == ["died"]
