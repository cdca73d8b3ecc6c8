"""The same key and the same body: the same answer, billed once."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from fakes import Upstream, openai_error, openai_stream
from houses import OWNER, a_house, ask
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import Conflict, StoreUnavailable, UpstreamFailed
from omniroute_agent.store.database import Database


async def test_the_same_key_gives_the_same_answer_and_one_bill(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Once", usage=(100, 10))])
    async with a_house(tmp_path, upstream) as house:
        first = await house.parts.turn.take(ask(house, key="k"))
        again = await house.parts.turn.take(ask(house, key="k"))
        totals = await house.parts.usage.totals(since=0, until=4e9, caller=OWNER.id, session=None, group_by=None)
    assert again.answer == first.answer
    assert again.receipt == first.receipt.model_copy(update={"replayed": True})
    assert totals.cost_nano == first.receipt.cost
    assert len(upstream.seen) == 1


async def test_the_same_key_with_another_body_is_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Once")])) as house:
        await house.parts.turn.take(ask(house, "one thing", key="k"))
        with pytest.raises(Conflict):
            await house.parts.turn.take(ask(house, "another thing", key="k"))


async def test_another_callers_same_key_is_another_key(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("A"), openai_stream("B")])
    other = Caller(id="other", scopes=frozenset(("*",)), session="s2")
    async with a_house(tmp_path, upstream) as house:
        await house.parts.turn.take(ask(house, key="k"))
        theirs = await house.parts.turn.take(ask(house, key="k", caller=other))
    assert theirs.answer.text == "B"


async def test_a_failed_request_frees_its_key(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(400, "no"), openai_error(400, "no"), openai_stream("Now")])
    async with a_house(tmp_path, upstream) as house:
        with pytest.raises(UpstreamFailed):
            await house.parts.turn.take(ask(house, key="k"))
        done = await house.parts.turn.take(ask(house, key="k"))
    assert done.answer.text == "Now"


async def test_a_twin_of_a_running_request_waits_for_its_answer(tmp_path: Path) -> None:
    release, reached = asyncio.Event(), asyncio.Event()

    async def held(_: httpx2.Request) -> httpx2.Response:
        reached.set()
        await release.wait()
        return openai_stream("Shared")

    upstream = Upstream([held])
    async with a_house(tmp_path, upstream) as house:
        first = asyncio.create_task(house.parts.turn.take(ask(house, key="k")))
        await reached.wait()
        twin = asyncio.create_task(house.parts.turn.take(ask(house, key="k")))
        for _ in range(20):
            await asyncio.sleep(0)
        release.set()
        answers = await asyncio.gather(first, twin)
    assert [done.answer.text for done in answers] == ["Shared", "Shared"]
    assert [done.receipt.replayed for done in answers] == [False, True]
    assert len(upstream.seen) == 1


def troubled(monkeypatch: pytest.MonkeyPatch, *, also_later: bool) -> None:
    """The database takes no answer at the moment it is kept."""
    write, correct = Database.write, Database.correct

    async def busy(self: Database, job: Callable[[sqlite3.Connection], object]) -> object:
        if "Answers.finish" in getattr(job, "__qualname__", ""):
            raise StoreUnavailable("The database is locked.")
        return await write(self, job)

    def lost(self: Database, job: Callable[[sqlite3.Connection], object]) -> None:
        if "Answers.finish" not in getattr(job, "__qualname__", ""):
            correct(self, job)

    monkeypatch.setattr(Database, "write", busy)
    if also_later:
        monkeypatch.setattr(Database, "correct", lost)


async def test_an_answer_that_could_not_be_kept_at_once_is_kept_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = Upstream([openai_stream("One"), openai_stream("Two")])
    async with a_house(tmp_path, upstream) as house:
        troubled(monkeypatch, also_later=False)
        first = await house.parts.turn.take(ask(house, key="k"))
        again = await house.parts.turn.take(ask(house, key="k", seconds=5))
    assert again.answer == first.answer
    assert again.receipt.replayed
    assert len(upstream.seen) == 1


async def test_an_answer_that_could_not_be_kept_is_not_billed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = Upstream([openai_stream("One"), openai_stream("Two")])
    async with a_house(tmp_path, upstream) as house:
        troubled(monkeypatch, also_later=True)
        first = await house.parts.turn.take(ask(house, key="k"))
        with pytest.raises(Conflict, match="could not be kept") as refused:
            await house.parts.turn.take(ask(house, key="k", seconds=5))
        monkeypatch.undo()
        with pytest.raises(Conflict):
            await house.parts.turn.take(ask(house, key="k", seconds=5))
    assert refused.value.facts["request_id"] == first.receipt.request_id
    assert len(upstream.seen) == 1


async def test_a_caller_who_leaves_while_the_answer_is_kept_leaves_it_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = Upstream([openai_stream("One"), openai_stream("Two")])
    async with a_house(tmp_path, upstream) as house:
        write, reached = Database.write, asyncio.Event()

        async def slow(self: Database, job: Callable[[sqlite3.Connection], object]) -> object:
            if "Answers.finish" in getattr(job, "__qualname__", ""):
                reached.set()
                await asyncio.Event().wait()
            return await write(self, job)

        monkeypatch.setattr(Database, "write", slow)
        leaving = asyncio.create_task(house.parts.turn.take(ask(house, key="k")))
        await reached.wait()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        monkeypatch.undo()
        again = await house.parts.turn.take(ask(house, key="k", seconds=5))
    assert (again.answer.text, again.receipt.replayed) == ("One", True)
    assert len(upstream.seen) == 1


async def test_an_answer_of_another_version_is_not_billed_again(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("One"), openai_stream("Two")])

    def newer(connection: sqlite3.Connection) -> None:
        document = json.loads(connection.execute("SELECT document FROM answer").fetchone()[0])
        document["receipt"]["what_a_newer_version_says"] = 1
        connection.execute("UPDATE answer SET document = ?", (json.dumps(document),))

    async with a_house(tmp_path, upstream) as house:
        first = await house.parts.turn.take(ask(house, key="k"))
        await house.parts.database.write(newer)
        with pytest.raises(Conflict, match="another version") as refused:
            await house.parts.turn.take(ask(house, key="k"))
    assert refused.value.facts == {"request_id": first.receipt.request_id}
    assert first.receipt.request_id in refused.value.hint
    assert len(upstream.seen) == 1
