"""The watch over the keys outlives whatever goes wrong in one look."""

import asyncio
from pathlib import Path

import pytest

from doors.keyed import keyed
from fakes import fake_ports
from omniroute_agent.doors.gate import Gate
from omniroute_agent.doors.keybook import KeyBook
from omniroute_agent.doors.watch import watching


async def test_a_listener_in_trouble_does_not_end_the_server(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []
    all_told, said = asyncio.Event(), "obviously-fake-word"

    async def broken(_callers: frozenset[str]) -> None:
        raise RuntimeError(said)

    async def hear(callers: frozenset[str]) -> None:
        heard.extend(callers)
        all_told.set()

    async with keyed(tmp_path, begin=False) as door:
        row, _ = await door.new_key()
        async with watching(door.app, door.book, fake_ports(clock=door.clock), [broken, hear]):
            await door.clock.tick()
            for scope in ("read:health", "read:combos"):
                all_told.clear()
                await door.change(row, scopes=frozenset((scope,)))
                await door.clock.tick()
                await all_told.wait()
    assert heard == [row.id, row.id]
    assert "Telling of changed keys failed with RuntimeError" in caplog.text
    assert "in broken" in caplog.text  # the place
    assert said not in caplog.text


async def test_a_defect_in_a_look_does_not_end_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[str] = []

    async def odd(_book: KeyBook, *, every: float) -> None:
        looks.append(f"look at once: {every}")
        raise OSError(24, "Too many open files")

    def ended(*_: object) -> None:
        looks.append("end")

    monkeypatch.setattr(KeyBook, "look", odd)
    monkeypatch.setattr(Gate, "end_streams", ended)
    async with (
        keyed(tmp_path, begin=False) as door,
        watching(door.app, door.book, fake_ports(clock=door.clock), []),
    ):
        await door.clock.tick()
        await door.clock.tick()
    assert looks == ["look at once: 0"] * 2
    assert "Looking after the keys failed with OSError" in caplog.text
