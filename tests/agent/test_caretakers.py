"""What goes on behind the requests goes on, whatever happens to one part of it."""

import asyncio
import logging
from pathlib import Path

import pytest

from agent.store.bills import AT, a_ledger
from fakes import fake_ports
from houses import a_house
from omniroute_agent.app import caretakers_of
from omniroute_agent.caretakers import Caretaker, keep_house
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.store.instances import Instance, dead_among, register


async def test_one_caretaker_in_trouble_does_not_end_the_others(caplog: pytest.LogCaptureFixture) -> None:
    ran: list[str] = []
    said = "obviously-fake-path"

    async def bad() -> None:
        ran.append("bad")
        raise OSError(24, said)

    async def good() -> None:
        ran.append("good")

    caretakers = [Caretaker(name=job.__name__, first=1, every=1, job=job) for job in (bad, good)]
    keeping = asyncio.create_task(keep_house(caretakers, fake_ports()))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not keeping.done()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert ran.count("bad") > 2
    assert ran.count("good") > 2
    assert "bad failed with OSError" in caplog.text
    assert "in bad" in caplog.text  # the place
    assert "obviously-fake-path" not in caplog.text


async def test_a_lock_file_that_cannot_be_opened_keeps_nobody_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = tmp_path / "data" / "instances" / "left-behind.lock"
    odd.mkdir(parents=True)
    async with a_house(tmp_path) as house:
        jobs = {caretaker.name: caretaker.job for caretaker in caretakers_of(house, house.parts.database)}
        with caplog.at_level(logging.WARNING):
            await jobs["orphans"]()
    assert odd.exists()
    assert "left-behind.lock" in caplog.text


async def test_the_others_that_died_are_settled_beside_a_lock_file_that_cannot_be_opened(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        gone = Instance.enter(tmp_path, "gone")
        await register(ledger.database, "gone", door="test", version="1", at=AT)
        gone._lock.release()  # as the system does it for a killed process
        (tmp_path / "instances" / "an-odd-one.lock").mkdir()
        dead = dead_among(tmp_path, ["gone", "an-odd-one"])
        assert list(dead) == ["gone"]
        for lock in dead.values():
            lock.remove()


async def test_a_folder_that_cannot_be_used_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "instances").write_text("in its place")
    with pytest.raises(StoreUnavailable, match="instances cannot be used"):
        Instance.enter(tmp_path, "new")
