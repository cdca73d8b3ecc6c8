"""A request among busy, sick and used-up connections, against a scripted upstream and a real database."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import httpx2
import pytest

from fakes import START, CountedIds, FakeClock, Reply, Upstream, openai_error, openai_stream
from houses import OWNER, TWO_TARGETS, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.engine.decision import Decision
from omniroute_agent.kernel.errors import LimitReached, NoRoute, UpstreamFailed


async def decision(house: House, request_id: str) -> Decision:
    document = await house.parts.decisions.get(request_id, OWNER.id)
    assert document is not None
    return Decision.model_validate_json(document)


async def test_a_busy_connection_is_passed_over_for_the_next_and_waited_for_when_there_is_none(tmp_path: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: httpx2.Request) -> httpx2.Response:
        begun.set()
        await go_on.wait()
        return openai_stream("A")

    def answer(request: httpx2.Request) -> "httpx2.Response | Awaitable[httpx2.Response]":
        return slow(request) if request.url.host == "one.example" else openai_stream("B")

    upstream = Upstream([answer])
    async with a_house(tmp_path, upstream) as house:
        admission = house.parts.engine._admission
        admission._gate("one").limit = 1.0
        first = asyncio.create_task(house.parts.turn.take(ask(house)))
        await begun.wait()
        second = await house.parts.turn.take(ask(house))
        assert second.receipt.served_by == "two/beta"
        third = asyncio.create_task(house.parts.turn.take(ask(house, model="one/alpha")))
        await asyncio.sleep(0.05)
        assert len(admission._gate("one").queue) == 1
        go_on.set()
        assert (await first).receipt.served_by == "one/alpha"
        assert (await third).receipt.served_by == "one/alpha"
        assert admission._gate("one").running == 0


async def test_a_full_connection_refuses_at_once_and_says_when_to_come_back(tmp_path: Path) -> None:
    upstream = Upstream()
    async with a_house(tmp_path, upstream) as house:
        gate = house.parts.engine._admission._gate("one")
        gate.running, gate.held = gate.places, 600.0
        request = ask(house, model="one/alpha")
        with pytest.raises(NoRoute) as caught:
            await house.parts.turn.take(request)
        assert caught.value.facts["retryable"] is True
        wait = caught.value.facts["retry_after_seconds"]
        assert isinstance(wait, float)
        assert 60.0 <= wait <= 62.0
        stored = await decision(house, request.id)
    assert stored.plan is not None
    assert [(e.target, e.reason) for e in stored.plan.excluded] == [("one/alpha", "busy")]
    assert upstream.seen == []


async def test_every_place_is_free_again_whatever_became_of_the_requests(tmp_path: Path) -> None:
    hung = asyncio.Event()

    async def hang(_: httpx2.Request) -> httpx2.Response:
        hung.set()
        await asyncio.Event().wait()
        raise AssertionError

    replies: list[Reply] = [openai_error(500, "boom"), openai_stream("Fine"), hang]
    async with a_house(tmp_path, Upstream(replies)) as house:
        gates = house.parts.engine._admission._gates
        await house.parts.turn.take(ask(house))
        task = asyncio.create_task(house.parts.turn.take(ask(house, model="two/beta")))
        await hung.wait()
        assert gates["two"].running == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(LimitReached):
            await house.parts.turn.take(ask(house, model="two/beta", budget=10, max_tokens=1000))
        assert {name: gate.running for name, gate in gates.items()} == {"one": 0, "two": 0}


DISGUISED = '{"error": {"message": "Rate limit exceeded: slow down", "type": "rate_limit_error", "code": 429}}'


@pytest.mark.parametrize(
    ("texts", "fault"),
    [
        ([DISGUISED], "rate_limited"),
        (list(DISGUISED), "rate_limited"),
        (['{"error": "Invalid API key"}'], "unauthorized"),
        (['[{"error": {"code": 503, "message": "The model is overloaded."}}]'], "overloaded"),
    ],
)
async def test_an_answer_that_is_nothing_but_an_error_is_a_fault_and_the_next_target_answers(
    tmp_path: Path, texts: list[str], fault: str
) -> None:
    upstream = Upstream([openai_stream(*texts), openai_stream("Fine")])
    async with a_house(tmp_path, upstream) as house:
        done = await house.parts.turn.take(ask(house, commit="first"))
    assert done.answer.text == "Fine"
    assert [a.fault for a in done.receipt.tried] == [fault, None]


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        ("Hello", ['{"error', '": null, "value": 1}']),
        ("Hello", ["{", '"answer": 42}']),
        ("Hello", ['{"error": {"message": "x"}, "explanation": "what such an object means"}']),
        ("Hello", ["  ", "\n", "Fine"]),
        ("Hello", ['{"error": "unfinished']),
        ('Write me {"error": …} as an example', [DISGUISED]),
    ],
)
async def test_an_answer_that_only_looks_like_an_error_is_given_whole(
    tmp_path: Path, question: str, texts: list[str]
) -> None:
    async with a_house(tmp_path, Upstream([openai_stream(*texts)])) as house:
        done = await house.parts.turn.take(ask(house, question))
    assert done.answer.text == "".join(texts)


WEEKLY = {
    "anthropic-ratelimit-unified-7d-utilization": "1.0",
    "anthropic-ratelimit-unified-7d-reset": f"{START.timestamp() + 7200:.0f}",
}


async def test_a_used_up_quota_that_an_answer_tells_keeps_the_connection_out_until_it_resets_even_after_a_restart(
    tmp_path: Path,
) -> None:
    last = openai_stream("The last one")
    last.headers.update(WEEKLY)
    upstream = Upstream([last, openai_stream("B")])
    clock = FakeClock()
    async with a_house(tmp_path, upstream, clock=clock) as house:
        assert (await house.parts.turn.take(ask(house))).receipt.served_by == "one/alpha"
        assert (await house.parts.turn.take(ask(house))).receipt.served_by == "two/beta"
    async with a_house(tmp_path, upstream, clock=clock, ids=CountedIds(1000)) as house:
        planned, _, situation = await house.parts.engine.plan(ask(house))
        assert [c.target for c in planned.plan.choices] == ["two/beta"]
        (excluded,) = planned.plan.excluded
        assert (excluded.reason, excluded.until) == ("window_exhausted", "2026-11-21 14:00:00 UTC")
        (week,) = situation.quotas["one"]
        assert (week.window, week.left, week.source) == ("week", 0.0, f"header {next(iter(WEEKLY))}")
        # Nobody waits for it either.
        with pytest.raises(NoRoute) as caught:
            await house.parts.turn.take(ask(house, model="one/alpha"))
        assert caught.value.facts["retry_after_seconds"] == 7201.0
        clock.advance(7200)
        planned, _, situation = await house.parts.engine.plan(ask(house))
        assert [c.target for c in planned.plan.choices] == ["one/alpha", "two/beta"]
        assert situation.quotas["one"][0].left == 1.0


async def test_breaker_and_locks_are_as_they_were_after_a_restart(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(500, "down")])
    clock = FakeClock()
    async with a_house(tmp_path, upstream, clock=clock) as house:
        for _ in range(6):
            with pytest.raises((UpstreamFailed, NoRoute)):
                await house.parts.turn.take(ask(house, model="one/alpha"))
        await take_fault(house, upstream, openai_error(429, "slow", headers={"retry-after": "100"}))
        before = await house.parts.health.snapshot()
    calls = len(upstream.seen)
    async with a_house(tmp_path, upstream, clock=clock, ids=CountedIds(1000)) as house:
        assert await house.parts.health.snapshot() == before
        planned, _, _ = await house.parts.engine.plan(ask(house))
        assert [(e.target, e.reason) for e in planned.plan.excluded] == [
            ("one/alpha", "breaker_open"),
            ("two/beta", "rate_limited"),
        ]
        with pytest.raises(NoRoute):
            await house.parts.turn.take(ask(house))
    assert len(upstream.seen) == calls


async def take_fault(house: House, upstream: Upstream, reply: httpx2.Response) -> None:
    upstream.replies = [reply]
    with pytest.raises(UpstreamFailed):
        await house.parts.turn.take(ask(house, model="two/beta"))


@pytest.mark.parametrize(("profile", "outages"), [("conservative", 8), ("balanced", 5), ("aggressive", 3)])
async def test_the_profile_in_the_settings_says_when_a_breaker_opens(
    tmp_path: Path, profile: str, outages: int
) -> None:
    settings = f'[resilience]\nprofile = "{profile}"\n{TWO_TARGETS}'
    upstream = Upstream([openai_error(502, "down")])
    async with a_house(tmp_path, upstream, settings=settings) as house:
        house.parts.engine._retries.most = 0.0
        for _ in range(12):
            with pytest.raises((UpstreamFailed, NoRoute)):
                await house.parts.turn.take(ask(house, model="one/alpha"))
    assert len(upstream.seen) == outages


async def test_a_declared_quota_is_counted_shown_and_kept_by_plan_and_attempt(tmp_path: Path) -> None:
    settings = f'[quota.limits]\none = ["2 requests/day", "1000000 tokens/week"]\n{TWO_TARGETS}'
    upstream = Upstream([openai_stream("Hi", usage=(10, 5))])
    async with a_house(tmp_path, upstream, settings=settings) as house:
        served = [(await house.parts.turn.take(ask(house))).receipt.served_by for _ in range(3)]
        planned, _, situation = await house.parts.engine.plan(ask(house))
    assert served == ["one/alpha", "one/alpha", "two/beta"]
    (excluded,) = planned.plan.excluded
    assert (excluded.target, excluded.reason, excluded.until) == (
        "one/alpha",
        "quota_reached",
        "2026-11-22 00:00:00 UTC",
    )
    windows = {window.window: window for window in situation.quotas["one"]}
    assert (windows["requests/day"].used, windows["requests/day"].left) == (2.0, 0.0)
    assert (windows["tokens/week"].used, windows["tokens/week"].source) == (30.0, "own count")


async def test_requests_at_the_same_time_never_overdraw_a_declared_quota(tmp_path: Path) -> None:
    settings = f'[quota.limits]\none = ["5 requests/5h"]\n{TWO_TARGETS}'
    upstream = Upstream([openai_stream("Hi")])
    async with a_house(tmp_path, upstream, settings=settings) as house:
        requests = [ask(house) for _ in range(20)]
        done = await asyncio.gather(*(house.parts.turn.take(request) for request in requests))
    assert sum(d.receipt.served_by == "one/alpha" for d in done) == 5
    assert [request.url.host for request in upstream.seen].count("one.example") == 5


async def test_when_all_failed_the_time_to_try_again_counts_who_was_not_asked(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(429, "slow down", headers={"retry-after": "30"}), openai_error(401, "bad key")])
    async with a_house(tmp_path, upstream) as house:
        with pytest.raises(UpstreamFailed):
            await house.parts.turn.take(ask(house, model="one/alpha", seconds=10))
        with pytest.raises(UpstreamFailed) as caught:
            await house.parts.turn.take(ask(house))
    assert "one/alpha: rate_limited" in str(caught.value.facts["excluded"])
    assert caught.value.facts["retryable"] is True
    assert 29 <= float(str(caught.value.facts["retry_after_seconds"])) <= 31
