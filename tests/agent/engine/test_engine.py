"""One request from plan to bill, against a scripted upstream and a real database."""

import asyncio
import json
import sqlite3
from contextlib import aclosing
from pathlib import Path

import httpx2
import pytest

from fakes import Pieces, Upstream, openai_error, openai_stream, openai_stream_bytes, sse
from houses import OWNER, TWO_TARGETS, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.engine.decision import Decision
from omniroute_agent.engine.events import Discarded, Done, EngineEvent
from omniroute_agent.engine.request import Request
from omniroute_agent.kernel.chat import TextDelta
from omniroute_agent.kernel.errors import (
    DeadlineExceeded,
    InvalidRequest,
    LimitReached,
    NoRoute,
    NotFound,
    StoreUnavailable,
    UpstreamFailed,
)


def stream_of(*pieces: bytes | Exception) -> httpx2.Response:
    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Pieces(pieces))


async def collect(house: House, request: Request, into: list[EngineEvent]) -> None:
    """Keeps what came even when an error ends it."""
    async for event in house.parts.turn.events(request):
        into += [event]


async def decision(house: House, request_id: str) -> Decision:
    document = await house.parts.decisions.get(request_id, OWNER.id)
    assert document is not None
    return Decision.model_validate_json(document)


async def test_an_answer_comes_with_its_bill(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hel", "lo", usage=(1000, 500))])
    async with a_house(tmp_path, upstream) as house:
        done = await house.parts.turn.take(ask(house))
        assert done.answer.text == "Hello"
        assert done.receipt.served_by == "one/alpha"
        # 1,000 tokens at 1 USD and 500 at 2 USD per million: 0.002 USD.
        assert (done.receipt.cost, done.receipt.cost_state) == (2_000_000, "exact")
        assert done.receipt.because == "place 1 in the order given"
        stored = await decision(house, done.receipt.request_id)
        assert (stored.state, stored.receipt) == ("answered", done.receipt)
    assert str(upstream.seen[0].url) == "https://one.example/v1/chat/completions"
    assert upstream.seen[0].headers["authorization"] == "Bearer obviously-fake-one"
    assert upstream.bodies[0]["model"] == "alpha"


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (openai_error(500, "boom"), "server_error"),
        (openai_error(503, "busy"), "overloaded"),
        (openai_error(401, "bad key"), "unauthorized"),
        (openai_error(402, "no money"), "out_of_credit"),
        (openai_error(404, "no model"), "not_found"),
        (openai_error(429, "slow down"), "rate_limited"),
        (openai_error(400, "unsupported parameter"), "unsupported"),
        (httpx2.Response(200, headers={"content-type": "text/html"}, text="<html>login</html>"), "malformed"),
        (httpx2.Response(200, headers={"content-type": "application/json"}, text='{"choices": [{"mess'), "malformed"),
        (
            httpx2.Response(200, headers={"content-type": "application/json"}, json={"error": {"message": "x"}}),
            "server_error",
        ),
        (stream_of(b'data: {"choices": [\n\n'), "malformed"),
        (stream_of(openai_stream_bytes("partial", done=False, finish=None)), "cut_off"),
        (stream_of(sse({"error": {"message": "overloaded_error"}}, done=False)), "overloaded"),
        (openai_stream(usage=None), "empty"),
        (httpx2.ConnectError("refused"), "connect_failed"),
        (httpx2.ConnectTimeout("slow"), "connect_timeout"),
        (stream_of(httpx2.ReadError("reset")), "cut_off"),
    ],
)
async def test_whatever_the_first_target_does_the_next_one_answers_and_the_receipt_names_the_fault(
    tmp_path: Path, reply: httpx2.Response | Exception, fault: str
) -> None:
    upstream = Upstream([reply, openai_stream("Fine")])
    async with a_house(tmp_path, upstream) as house:
        done = await house.parts.turn.take(ask(house))
        assert done.answer.text == "Fine"
        assert done.receipt.served_by == "two/beta"
        assert [(a.target, a.fault) for a in done.receipt.tried] == [("one/alpha", fault), ("two/beta", None)]
        assert "one/alpha" in done.receipt.because


async def test_a_json_answer_to_a_stream_request_is_read_all_the_same(tmp_path: Path) -> None:
    body = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "alpha",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Whole"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
    async with a_house(tmp_path, Upstream([httpx2.Response(200, json=body)])) as house:
        done = await house.parts.turn.take(ask(house))
    assert done.answer.text == "Whole"
    assert done.receipt.usage is not None
    assert done.receipt.usage.input_tokens == 3


async def test_a_malformed_conversation_ends_the_loop_because_every_target_would_refuse_it(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(400, "messages: tool_call_id without its call")])
    async with a_house(tmp_path, upstream) as house:
        with pytest.raises(InvalidRequest):
            await house.parts.turn.take(ask(house))
    assert len(upstream.seen) == 1


async def test_when_every_target_fails_the_first_fault_is_named_first(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(500, "boom one"), openai_error(400, "boom two")])
    async with a_house(tmp_path, upstream) as house:
        with pytest.raises(UpstreamFailed) as caught:
            await house.parts.turn.take(ask(house))
        error = caught.value
        assert error.message.index("boom one") < error.message.index("boom two")
        stored = await decision(house, str(error.facts["request_id"]))
        assert (stored.state, stored.error) == ("failed", "upstream_failed")
    assert len(upstream.seen) == 2


async def test_the_same_target_is_asked_again_only_when_nothing_else_is_left_and_it_said_when(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(429, "slow", headers={"retry-after": "4"}), openai_stream("Late")])
    async with a_house(tmp_path, upstream) as house:
        before = house.parts.ports.monotonic()
        done = await house.parts.turn.take(ask(house, model="one/alpha"))
        assert house.parts.ports.monotonic() - before >= 4.0
    assert done.answer.text == "Late"
    assert [a.fault for a in done.receipt.tried] == ["rate_limited", None]


async def test_in_a_total_outage_retries_stay_below_a_tenth_and_breakers_stop_the_calls(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(500, "down")])
    async with a_house(tmp_path, upstream) as house:
        for _ in range(40):
            with pytest.raises((UpstreamFailed, NoRoute)):
                await house.parts.turn.take(ask(house))
    # Five outages open each of the two breakers; retries are at most a tenth on top, however many requests come.
    assert len(upstream.seen) <= 11


async def test_after_the_first_piece_there_is_no_fallback(tmp_path: Path) -> None:
    cut = openai_stream_bytes("Half an ", finish=None, usage=None, done=False)
    upstream = Upstream([stream_of(cut, httpx2.ReadError("reset")), openai_stream("never asked")])
    seen: list[EngineEvent] = []
    async with a_house(tmp_path, upstream) as house:
        with pytest.raises(UpstreamFailed) as caught:
            await collect(house, ask(house, commit="first"), seen)
    assert [event.text for event in seen if isinstance(event, TextDelta)] == ["Half an "]
    assert caught.value.facts["partial"] is True
    assert len(upstream.seen) == 1


async def test_a_one_answer_door_gets_another_targets_answer_and_the_broken_attempt_is_billed(tmp_path: Path) -> None:
    cut = openai_stream_bytes("Half an ", finish=None, usage=None, done=False)
    upstream = Upstream([stream_of(cut), openai_stream("Whole")])
    seen: list[EngineEvent] = []
    async with a_house(tmp_path, upstream) as house:
        await collect(house, ask(house), seen)
    done = seen[-1]
    assert isinstance(done, Done)
    assert done.answer.text == "Whole"
    assert any(isinstance(event, Discarded) for event in seen)
    broken = done.receipt.tried[0]
    assert (broken.outcome, broken.cost_state) == ("abandoned", "estimated")
    assert broken.cost is not None
    assert broken.cost > 0
    assert done.receipt.cost == sum(a.cost or 0 for a in done.receipt.tried)


async def test_a_caller_who_leaves_closes_the_upstream_and_pays_for_what_was_produced(tmp_path: Path) -> None:
    body = Pieces([openai_stream_bytes("one two three four", finish=None, usage=None, done=False)])
    upstream = Upstream([httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=body)])
    async with a_house(tmp_path, upstream) as house:
        request = ask(house, commit="first")
        async with aclosing(house.parts.turn.events(request)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    break
        assert body.closed
        stored = await decision(house, request.id)
        assert stored.state == "cancelled"
        totals = await house.parts.usage.totals(since=0, until=4e9, caller=OWNER.id, session=None, group_by=None)
        assert totals.cost_nano > 0
        assert totals.estimated_cost_nano == totals.cost_nano
        assert totals.open_reserved_nano == 0


async def test_a_cancelled_task_closes_the_upstream_and_settles(tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def hang(_: httpx2.Request) -> httpx2.Response:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with a_house(tmp_path, Upstream([hang])) as house:
        request = ask(house)
        task = asyncio.create_task(house.parts.turn.take(request))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stored = await decision(house, request.id)
        assert stored.state == "cancelled"
        totals = await house.parts.usage.totals(since=0, until=4e9, caller=OWNER.id, session=None, group_by=None)
        assert totals.open_reserved_nano == 0


async def test_unreported_tokens_are_counted_here_and_marked(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("four little words here", usage=None)])) as house:
        done = await house.parts.turn.take(ask(house))
    assert done.receipt.usage is not None
    assert done.receipt.usage.estimated
    assert done.receipt.usage.output_tokens == 4
    assert done.receipt.cost_state == "estimated"


async def test_an_unknown_price_is_said_and_never_zero(tmp_path: Path) -> None:
    settings = """
    [[connections]]
    id = "mystery"
    provider = "custom-openai"
    base_url = "https://mystery.example/v1"
    models = ["gamma"]
    """
    async with a_house(tmp_path, Upstream([openai_stream("Hi")]), settings=settings) as house:
        done = await house.parts.turn.take(ask(house, model="mystery/gamma"))
    assert (done.receipt.cost, done.receipt.cost_state) == (None, "unknown")


async def test_the_budget_of_a_request_caps_its_output_and_is_never_overspent(tmp_path: Path) -> None:
    # The provider writes as much as it is allowed to, and no more.
    def greedy(request: httpx2.Request) -> httpx2.Response:
        allowed = json.loads(request.content)["max_tokens"]
        return openai_stream("x", usage=(20, allowed))

    budget = 1_000_000
    async with a_house(tmp_path, Upstream([greedy])) as house:
        done = await house.parts.turn.take(ask(house, budget=budget))
    assert done.receipt.cost is not None
    assert budget // 3 < done.receipt.cost <= budget


async def test_a_budget_too_small_for_any_target_sends_nothing(tmp_path: Path) -> None:
    upstream = Upstream()
    async with a_house(tmp_path, upstream) as house:
        with pytest.raises(LimitReached):
            await house.parts.turn.take(ask(house, budget=10, max_tokens=1000))
    assert upstream.seen == []


async def test_concurrent_requests_cannot_overspend_the_guard_over_keys_from_the_environment(tmp_path: Path) -> None:
    settings = '[budget]\nenvironment_usd_per_day = "0.01"\n'

    def greedy(request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        return openai_stream("x", usage=(10, body.get("max_completion_tokens") or body["max_tokens"]))

    environment = {"OPENAI_API_KEY": "obviously-fake"}
    async with a_house(tmp_path, Upstream([greedy]), settings=settings, environment=environment) as house:
        requests = [ask(house, model="openai/gpt-4o-mini", max_tokens=3000) for _ in range(30)]
        outcomes = await asyncio.gather(*(house.parts.turn.take(r) for r in requests), return_exceptions=True)
        served = [o for o in outcomes if isinstance(o, Done)]
        refused = [o for o in outcomes if isinstance(o, LimitReached)]
        assert served
        assert refused
        assert len(served) + len(refused) == 30
        room = (await house.parts.gatherer.situation()).rooms["environment"]
        assert room.spent == sum(o.receipt.cost or 0 for o in served)
        assert room.spent <= 10_000_000
        assert room.reserved == 0


async def test_an_unknown_name_is_answered_with_the_nearest_ones(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(NotFound) as caught:
            await house.parts.turn.take(ask(house, model="one/alhpa"))
        assert "one/alpha" in caught.value.hint
        with pytest.raises(NotFound) as caught:
            await house.parts.turn.take(ask(house, combo="bothh"))
        assert "`both`" in caught.value.hint


async def test_without_any_connection_the_error_says_how_to_get_a_model(tmp_path: Path) -> None:
    async with a_house(tmp_path, settings="") as house:
        with pytest.raises(NoRoute) as caught:
            await house.parts.turn.take(ask(house, combo=None))
    assert "OPENAI_API_KEY" in caught.value.hint
    assert "models pull smollm2-135m" in caught.value.hint


async def test_a_rate_limited_model_is_passed_over_by_the_next_request(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(429, "slow", headers={"retry-after": "60"}), openai_stream("B")])
    async with a_house(tmp_path, upstream) as house:
        await house.parts.turn.take(ask(house))
        done = await house.parts.turn.take(ask(house))
    hosts = [request.url.host for request in upstream.seen]
    assert hosts == ["one.example", "two.example", "two.example"]
    assert [a.target for a in done.receipt.tried] == ["two/beta"]


async def test_a_deadline_that_passes_stops_the_chain(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        upstream = house.parts.ports.http._transport
        assert isinstance(upstream, Upstream)

        async def slow(_: httpx2.Request) -> httpx2.Response:
            await house.parts.ports.sleep(30)
            return openai_error(500, "too late anyway")

        upstream.replies = [slow]
        with pytest.raises(DeadlineExceeded):
            await house.parts.turn.take(ask(house, seconds=20))
        assert len(upstream.seen) == 1


def fill_disk(connection: sqlite3.Connection, table: str) -> None:
    """From now on no row fits into the table."""
    refuse = "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    connection.execute(f"CREATE TRIGGER full_{table} BEFORE INSERT ON {table} {refuse}")


async def test_a_ledger_that_cannot_be_written_stops_new_calls_and_withholds_no_answer(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Paid for")])
    async with a_house(tmp_path, upstream) as house:

        def broken(connection: sqlite3.Connection) -> None:
            connection.execute(
                "CREATE TRIGGER full BEFORE INSERT ON settlement BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )

        await house.parts.database.write(broken)
        done = await house.parts.turn.take(ask(house))
        assert done.answer.text == "Paid for"
        await house.parts.database.write(lambda connection: fill_disk(connection, "intent"))
        with pytest.raises(StoreUnavailable, match="disk full"):
            await house.parts.turn.take(ask(house))
        totals = await house.parts.usage.totals(since=0, until=4e9, caller=OWNER.id, session=None, group_by=None)
    assert len(upstream.seen) == 1
    assert totals.open_reserved_nano > 0


async def test_a_key_that_a_provider_repeats_reaches_no_error_no_receipt_and_no_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    key = "obviously-fake-one"
    upstream = Upstream([openai_error(401, f"Bad key {key}"), openai_error(400, f"no {key} {key[::-1]}")])
    async with a_house(tmp_path, upstream) as house:
        with pytest.raises(UpstreamFailed) as caught:
            await house.parts.turn.take(ask(house, model="one/alpha"))
        shown = f"{caught.value!r} {caught.value.facts} {caught.value.sentence()}"
    shown += caplog.text + "".join(path.read_bytes().decode("latin-1") for path in (tmp_path / "data").glob("storage*"))
    assert "Bad key ***" in shown
    assert key not in shown


async def order_of(directory: Path, strategy: str, extra: str) -> list[str]:
    """The plan of one request for the combo `both` under another strategy."""
    settings = TWO_TARGETS.replace('name = "both"', f'name = "both"\nstrategy = "{strategy}"\n{extra}')
    async with a_house(directory, settings=settings) as house:
        planned, *_ = await house.parts.engine.plan(ask(house))
    return [choice.target for choice in planned.plan.choices]


async def test_a_weight_of_nothing_is_never_drawn_first(tmp_path: Path) -> None:
    heavy = 'weights = { "one/alpha" = 0, "two/beta" = 1 }'
    assert await order_of(tmp_path, "weighted", heavy) == ["two/beta", "one/alpha"]


async def test_a_random_combo_follows_the_dice(tmp_path: Path) -> None:
    drawn: set[tuple[str, ...]] = set()
    upstream = Upstream([openai_stream("Hi!")])
    random = TWO_TARGETS.replace('"both"', '"both"\nstrategy = "random"')
    async with a_house(tmp_path, upstream, settings=random) as house:
        for _ in range(20):
            planned, *_ = await house.parts.engine.plan(ask(house))
            drawn.add(tuple(choice.target for choice in planned.plan.choices))
            await house.parts.turn.take(ask(house))
    assert drawn == {("one/alpha", "two/beta"), ("two/beta", "one/alpha")}
