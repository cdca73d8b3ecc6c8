"""Several processes on one data directory: they share kept answers, and one that is killed leaves nothing half."""

import asyncio
import sqlite3
import sys
from pathlib import Path

from loopback import Loopback, begins, loopback, says

NEIGHBOUR = Path(__file__).with_name("cache_neighbour.py")


async def neighbour(home: Path, upstream: Loopback) -> asyncio.subprocess.Process:
    (home / "settings.toml").write_text(upstream.settings() + "[secrets]\nkeyring = false\n", "utf-8")
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(NEIGHBOUR),
        str(home / "data"),
        str(home / "settings.toml"),
        stdout=asyncio.subprocess.PIPE,
    )


async def said(process: asyncio.subprocess.Process) -> str:
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode().strip()


async def test_what_one_process_was_told_another_need_not_ask(tmp_path: Path) -> None:
    async with loopback(says("Once.")) as upstream:
        first = await said(await neighbour(tmp_path, upstream))
        second = await said(await neighbour(tmp_path, upstream))
        assert (first, second) == ("Once. None", "Once. cached")
        assert len(upstream.chats) == 1


async def test_a_process_that_is_killed_in_the_answer_leaves_nothing_to_give_again(tmp_path: Path) -> None:
    half = says("Whole.")
    held = type(half)([begins("Wh"), asyncio.Event(), *half.pieces])
    async with loopback(held, half) as upstream:
        killed = await neighbour(tmp_path, upstream)
        await upstream.paused.wait()
        killed.kill()
        await killed.communicate()
        with sqlite3.connect(f"file:{tmp_path / 'data' / 'storage.sqlite'}?mode=ro", uri=True) as database:
            assert database.execute("SELECT COUNT(*) FROM cached_answer").fetchone() == (0,)
        database.close()
        assert await said(await neighbour(tmp_path, upstream)) == "Whole. None"
        assert await said(await neighbour(tmp_path, upstream)) == "Whole. cached"
        assert len(upstream.chats) == 2
