"""The same key and the same body: the same answer, billed once."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from fakes import Upstream, openai_error, openai_stream
from houses import OWNER, a_house, ask
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import Conflict, UpstreamFailed


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
