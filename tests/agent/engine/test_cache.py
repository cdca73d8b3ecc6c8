"""The same request of temperature 0 from the same caller: one upstream answer, given again."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agent.engine.test_engine import decision
from fakes import CountedIds, FakeClock, Upstream, openai_error, openai_stream, sse
from houses import OWNER, TWO_TARGETS, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.engine.events import Done, EngineEvent
from omniroute_agent.engine.request import CommitPoint, Request
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.chat import (
    Image,
    Message,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from omniroute_agent.kernel.errors import StoreUnavailable, UpstreamFailed
from omniroute_agent.kernel.fold import Fold
from omniroute_agent.store.cached import CachedAnswers
from omniroute_agent.store.decisions import Decisions
from omniroute_agent.store.retention import Retention, sweep

OTHER = Caller(id="other", scopes=frozenset(("*",)), session="s2")


def cold(
    house: House,
    text: str = "Hello",
    *,
    commit: CommitPoint = "result",
    caller: Caller = OWNER,
    max_tokens: int | None = None,
    key: str | None = None,
    budget: int | None = None,
    cache: bool = True,
    **chat: Any,
) -> Request:
    """A request of temperature 0."""
    request = ask(house, text, commit=commit, caller=caller, max_tokens=max_tokens, key=key, budget=budget)
    return replace(request, cache=cache, chat=replace(request.chat, **{"temperature": 0.0, **chat}))


async def events(house: House, request: Request) -> list[EngineEvent]:
    return [event async for event in house.parts.turn.events(request)]


async def test_a_second_equal_request_costs_nothing_and_says_whose_answer_it_got(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hel", "lo", usage=(1000, 500))])
    async with a_house(tmp_path, upstream) as house:
        first = await house.parts.turn.take(cold(house))
        again = await house.parts.turn.take(cold(house))
        totals = await house.parts.usage.totals(since=0, until=4e9, caller=OWNER.id, session=None, group_by=None)
        told = await decision(house, again.receipt.request_id)
        counts = house.parts.reuse.counts
    assert len(upstream.seen) == 1
    assert again.answer == first.answer
    receipt = again.receipt
    assert (receipt.cost, receipt.cost_state, receipt.usage, receipt.tried) == (0, "exact", None, ())
    assert (receipt.reused, receipt.answer_of) == ("cached", first.receipt.request_id)
    assert (receipt.served_by, receipt.reported_model) == ("one/alpha", "fake-model")
    assert receipt.request_id != first.receipt.request_id
    assert first.receipt.request_id in receipt.because
    assert totals.cost_nano == first.receipt.cost == 2_000_000
    assert (told.state, told.plan, told.receipt) == ("answered", None, receipt)
    assert (counts.hits, counts.joined, counts.misses) == (1, 0, 1)


@pytest.mark.parametrize("temperature", [None, 0.1, 1.0])
async def test_only_temperature_zero_asks_for_the_same_answer(tmp_path: Path, temperature: float | None) -> None:
    upstream = Upstream([openai_stream("A"), openai_stream("B")])
    async with a_house(tmp_path, upstream) as house:
        answers = [await house.parts.turn.take(cold(house, temperature=temperature)) for _ in range(2)]
        assert house.parts.reuse.counts.misses == 0
    assert [done.answer.text for done in answers] == ["A", "B"]


async def test_another_caller_never_gets_it(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Mine"), openai_stream("Theirs")])
    async with a_house(tmp_path, upstream) as house:
        await house.parts.turn.take(cold(house))
        theirs = await house.parts.turn.take(cold(house, caller=OTHER))
    assert (theirs.answer.text, theirs.receipt.reused) == ("Theirs", None)


async def test_a_request_that_wants_a_new_answer_gets_one_and_leaves_no_trace(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Old"), openai_stream("New"), openai_stream("Newer")])
    async with a_house(tmp_path, upstream) as house:
        await house.parts.turn.take(cold(house))
        new = await house.parts.turn.take(cold(house, cache=False))
        old = await house.parts.turn.take(cold(house))
    assert (new.answer.text, new.receipt.reused, old.answer.text) == ("New", None, "Old")


async def test_without_the_setting_nothing_is_kept_or_joined(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("A"), openai_stream("B")])
    async with a_house(tmp_path, upstream, settings=f"[cache]\nenabled = false\n{TWO_TARGETS}") as house:
        answers = [await house.parts.turn.take(cold(house)) for _ in range(2)]
        assert (await house.parts.reuse.size()).entries == 0
    assert [done.answer.text for done in answers] == ["A", "B"]


RICH = sse(
    {"choices": [{"index": 0, "delta": {"reasoning_content": "Hm, "}}], "model": "alpha"},
    {"choices": [{"index": 0, "delta": {"reasoning_content": "so."}}]},
    {"choices": [{"index": 0, "delta": {"content": "Grüße, "}}]},
    {"choices": [{"index": 0, "delta": {"content": "日本 🦊"}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"x": '}}]}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}},
)


async def test_a_kept_answer_is_told_as_a_stream_like_the_first_time(tmp_path: Path) -> None:
    reply = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=RICH)
    async with a_house(tmp_path, Upstream([reply])) as house:
        first = await events(house, cold(house, commit="first"))
        again = await events(house, cold(house, commit="first"))

    def folded(told: list[EngineEvent]) -> Fold:
        fold = Fold()
        for event in told:
            if isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
                fold.add(event)
        return fold

    assert folded(again).answer() == folded(first).answer()
    one, two = first[-1], again[-1]
    assert isinstance(one, Done)
    assert isinstance(two, Done)
    assert two.answer == one.answer
    assert two.answer.usage == Usage(input_tokens=9, output_tokens=4)
    assert (one.receipt.reused, two.receipt.reused) == (None, "cached")


@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_an_answer_that_did_not_say_all_is_not_kept(tmp_path: Path, finish: str) -> None:
    upstream = Upstream([openai_stream("Half", finish=finish), openai_stream("Whole")])
    async with a_house(tmp_path, upstream) as house:
        await house.parts.turn.take(cold(house))
        again = await house.parts.turn.take(cold(house))
    assert again.answer.text == "Whole"


async def test_a_failure_is_not_kept(tmp_path: Path) -> None:
    refusals = [openai_error(400, "unsupported parameter")] * 2
    async with a_house(tmp_path, Upstream([*refusals, openai_stream("Now")])) as house:
        with pytest.raises(UpstreamFailed):
            await house.parts.turn.take(cold(house))
        done = await house.parts.turn.take(cold(house))
    assert (done.answer.text, done.receipt.reused) == ("Now", None)


@pytest.mark.parametrize(
    "chat",
    [
        {"messages": (Message("user", (Image(url="https://pictures.example/now.png"),)),)},
        {"rest": {"previous_response_id": "resp_1"}},
    ],
)
async def test_a_request_that_does_not_hold_all_it_says_is_sent_each_time(tmp_path: Path, chat: dict[str, Any]) -> None:
    settings = TWO_TARGETS.replace("custom-openai", "openai")
    upstream = Upstream([openai_stream("A"), openai_stream("B")])
    async with a_house(tmp_path, upstream, settings=settings) as house:
        await events(house, cold(house, **chat))
        assert house.parts.reuse.counts.misses == 0


async def test_a_kept_answer_goes_when_its_hour_is_over(tmp_path: Path) -> None:
    clock = FakeClock()
    upstream = Upstream([openai_stream("Old"), openai_stream("New")])
    async with a_house(tmp_path, upstream, clock=clock) as house:
        await house.parts.turn.take(cold(house))
        clock.advance(3599)
        kept = await house.parts.turn.take(cold(house))
        clock.advance(1)
        new = await house.parts.turn.take(cold(house))
        assert (kept.answer.text, new.answer.text) == ("Old", "New")
        clock.advance(3601)
        assert (await house.parts.reuse.size()).entries == 0
        keep = Retention(decisions_days=30, ledger_days=400)
        await sweep(house.parts.database, now=clock.now().timestamp(), keep=keep)
        left = await house.parts.database.read(lambda c: c.execute("SELECT COUNT(*) FROM cached_answer").fetchone())
    assert left == (0,)


async def test_a_kept_answer_outlives_the_process(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Once")])) as house:
        await house.parts.turn.take(cold(house))
    async with a_house(tmp_path, Upstream([]), ids=CountedIds(1000)) as house:
        again = await house.parts.turn.take(cold(house))
    assert (again.answer.text, again.receipt.reused) == ("Once", "cached")


async def test_those_unused_longest_go_first_when_there_are_too_many(tmp_path: Path) -> None:
    clock = FakeClock()
    upstream = Upstream([lambda _: openai_stream("A")])
    async with a_house(tmp_path, upstream, settings=f"[cache]\nmax_entries = 3\n{TWO_TARGETS}", clock=clock) as house:
        for text in ("a", "b", "c"):
            await house.parts.turn.take(cold(house, text))
            clock.advance(10)
        await house.parts.turn.take(cold(house, "a"))
        clock.advance(10)
        await house.parts.turn.take(cold(house, "d"))
        found = [(await house.parts.turn.take(cold(house, text))).receipt.reused for text in ("a", "c", "d", "b")]
    assert found == ["cached", "cached", "cached", None]


async def test_an_edited_default_combo_answers_anew(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("A"), openai_stream("B")])
    async with a_house(tmp_path, upstream) as house:
        first = await house.parts.turn.take(replace(cold(house), combo=None))
        await house.parts.combos.switch("both", active=True)
        second = await house.parts.turn.take(replace(cold(house), combo=None))
    assert (first.answer.text, second.answer.text) == ("A", "B")


async def test_an_idempotency_key_is_answered_from_the_cache_too_and_told_as_a_stream(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Once")])
    async with a_house(tmp_path, upstream) as house:
        first = await house.parts.turn.take(cold(house))
        keyed = await house.parts.turn.take(cold(house, key="k"))
        again = await events(house, cold(house, key="k"))
    assert len(upstream.seen) == 1
    assert keyed.receipt.answer_of == first.receipt.request_id
    assert [event.text for event in again if isinstance(event, TextDelta)] == ["Once"]
    done = again[-1]
    assert isinstance(done, Done)
    assert (done.receipt.replayed, done.receipt.request_id) == (True, keyed.receipt.request_id)


async def test_a_full_disk_withholds_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object, **__: object) -> None:
        raise StoreUnavailable("The disk is full.")

    async with a_house(tmp_path, Upstream([openai_stream("A"), openai_stream("B")])) as house:
        with monkeypatch.context() as patch:
            patch.setattr(CachedAnswers, "put", full)
            first = await house.parts.turn.take(cold(house))
        second = await house.parts.turn.take(cold(house))
        monkeypatch.setattr(Decisions, "put", full)
        kept = await house.parts.turn.take(cold(house))
    assert [done.answer.text for done in (first, second, kept)] == ["A", "B", "B"]
    assert kept.receipt.reused == "cached"


async def test_what_cannot_be_read_is_asked_again(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("A"), openai_stream("B")])) as house:
        await house.parts.turn.take(cold(house))

        def spoil(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE cached_answer SET document = '{}'")

        await house.parts.database.write(spoil)
        again = await house.parts.turn.take(cold(house))
    assert again.answer.text == "B"


async def test_a_callers_answers_can_be_erased_without_the_others(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([lambda _: openai_stream("A")])) as house:
        for caller in (OWNER, OTHER):
            await house.parts.turn.take(cold(house, caller=caller))
        rows = house.parts.reuse.rows
        assert await rows.clear(OWNER.id) == 1
        left = await rows.entries(None, at=0, limit=10)
        mine = await house.parts.turn.take(cold(house))
        theirs = await house.parts.turn.take(cold(house, caller=OTHER))
    assert [(entry.caller, entry.asked, entry.served_by) for entry in left] == [("other", "both", "one/alpha")]
    assert (mine.receipt.reused, theirs.receipt.reused) == (None, "cached")
    assert all(len(entry.digest) == 64 for entry in left)
