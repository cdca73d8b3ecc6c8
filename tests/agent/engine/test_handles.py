"""Budget handles as their holders meet them: requests that a handle pays for, through a real house."""

import asyncio
import json
import logging
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx2
import pytest

from fakes import CountedIds, FakeClock, Upstream, openai_error, openai_stream
from houses import OWNER, TWO_TARGETS, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.engine.events import Done
from omniroute_agent.engine.handles import HANDLE_PREFIX, Standing
from omniroute_agent.engine.request import Request
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import (
    CallError,
    Conflict,
    ConsentRequired,
    InvalidRequest,
    LimitReached,
    NoRoute,
    NotAllowed,
    NotFound,
    UpstreamFailed,
)
from omniroute_agent.kernel.guard import Guard
from omniroute_agent.store.database import FILE

OTHER = Caller(id="key-1", scopes=frozenset(("execute:completions",)), session="s9")
READER = Caller(id="key-2", scopes=frozenset(("read:usage",)), session="s9")
USD = 1_000_000_000

UNPRICED = """
[[connections]]
id = "odd"
provider = "custom-openai"
base_url = "https://odd.example/v1"
key = "obviously-fake"
models = ["delta"]
"""


def greedy(request: httpx2.Request) -> httpx2.Response:
    """Bills everything it was allowed to write."""
    body = json.loads(request.content)
    return openai_stream("x", usage=(10, body.get("max_completion_tokens") or body["max_tokens"]))


async def minted(house: House, amount: int = USD, caller: Caller = OWNER, **more: Any) -> str:
    return (await house.parts.handles.mint(caller, amount, **more)).text.reveal()


def paid_by(handle: str, request: Request, **chat: Any) -> Request:
    return replace(request, handle=handle, chat=replace(request.chat, **chat))


async def spend(house: House, handle: str, *, caller: Caller = OWNER, max_tokens: int | None = 500) -> Done:
    """One answer of alpha; with 500 tokens it costs 0.00101 USD."""
    request = ask(house, model="one/alpha", max_tokens=max_tokens, caller=caller)
    return await house.parts.turn.take(paid_by(handle, request))


async def standing(house: House, handle: str) -> Standing:
    return await house.parts.handles.look(OWNER, handle)


async def test_a_request_is_paid_by_its_handle_to_the_nano_dollar(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([greedy])) as house:
        handle = await minted(house)
        done = await spend(house, handle)
        found = await standing(house, handle)
    assert done.receipt.cost == 1_010_000
    assert (found.row.spent, found.row.reserved, found.row.left) == (1_010_000, 0, USD - 1_010_000)


async def test_while_an_attempt_runs_its_worst_case_is_reserved(tmp_path: Path) -> None:
    seen: list[int] = []

    async with a_house(tmp_path, Upstream([greedy])) as house:
        handle = await minted(house)

        async def looking(request: httpx2.Request) -> httpx2.Response:
            seen.append((await standing(house, handle)).row.reserved)
            return greedy(request)

        upstream = house.parts.ports.http._transport
        assert isinstance(upstream, Upstream)
        upstream.replies = [looking]
        await spend(house, handle)
    assert seen[0] >= 1_010_000


async def test_what_may_exceed_a_handle_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    upstream = Upstream([greedy])
    async with a_house(tmp_path, upstream) as house:
        handle = await minted(house, 1_000_000)
        with pytest.raises(LimitReached, match=r"has 0\.001 left"):
            await spend(house, handle)
        assert (await standing(house, handle)).row.left == 1_000_000
    assert upstream.seen == []


async def test_without_max_tokens_the_answer_is_capped_to_what_the_handle_has_left(tmp_path: Path) -> None:
    upstream = Upstream([greedy])
    async with a_house(tmp_path, upstream) as house:
        handle = await minted(house, 1_000_000)
        done = await spend(house, handle, max_tokens=None)
        found = await standing(house, handle)
    assert 0 < upstream.bodies[0]["max_tokens"] < 500
    assert found.row.spent == done.receipt.cost
    assert 0 <= found.row.left < 1_000_000


async def test_a_plan_shows_the_handles_room_and_sends_nothing(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        handle = await minted(house, 1_000_000)
        planned, _, _ = await house.parts.engine.plan(paid_by(handle, ask(house)))
        assert planned.plan.choices[0].max_tokens is not None
        assert planned.plan.choices[0].max_tokens < 8192
        planned, _, _ = await house.parts.engine.plan(paid_by(handle, ask(house, max_tokens=500)))
        assert {each.reason for each in planned.plan.excluded} == {"over_budget"}
        assert (await standing(house, handle)).row.reserved == 0


async def test_the_budget_of_a_request_and_its_handle_hold_both(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([greedy])) as house:
        handle = await minted(house)
        with pytest.raises(LimitReached, match=r"`request` has 0\.001 left"):
            await house.parts.turn.take(
                paid_by(handle, ask(house, model="one/alpha", max_tokens=500, budget=1_000_000))
            )
        small = await minted(house, 1_000_000)
        with pytest.raises(LimitReached, match="`bh-"):
            await house.parts.turn.take(paid_by(small, ask(house, model="one/alpha", max_tokens=500, budget=USD)))


async def test_a_handle_opens_nothing_that_a_guard_of_its_user_forbids(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([greedy])) as house:
        handle = await minted(house, 1000 * USD)
        await house.parts.guards.put(Guard(name="tight", limit=1_000_000, caller=OTHER.id), None)
        with pytest.raises(LimitReached, match=r"`tight` has 0\.001 left"):
            await spend(house, handle, caller=OTHER)
        await spend(house, handle)
        assert (await standing(house, handle)).row.spent == 1_010_000


async def test_a_guard_that_asks_does_not_ask_for_more_than_the_handle_has(tmp_path: Path) -> None:
    settings = TWO_TARGETS + '\n[[guards]]\nname = "ask"\nlimit_usd = "0"\naction = "ask"\n'
    async with a_house(tmp_path, Upstream([greedy]), settings=settings) as house:
        rich, poor = await minted(house), await minted(house, 1_000_000)
        with pytest.raises(LimitReached):
            await spend(house, poor)
        with pytest.raises(ConsentRequired) as asked:
            await spend(house, rich)
        await house.parts.consents.answer(str(asked.value.facts["code"]), approved=True)
        await spend(house, rich)
        assert (await standing(house, rich)).row.spent == 1_010_000


async def test_a_target_of_unknown_price_is_not_paid_by_a_handle(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([greedy]), settings=TWO_TARGETS + UNPRICED) as house:
        handle = await minted(house)
        with pytest.raises(NoRoute, match="Its price is unknown and the guard `bh-"):
            await house.parts.turn.take(paid_by(handle, ask(house, model="odd/delta", max_tokens=5)))


async def test_every_hop_is_paid_and_the_cap_shrinks_with_what_is_left(tmp_path: Path) -> None:
    def broken(request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        return openai_stream("x" * 400, usage=(10, body["max_tokens"] // 2), finish=None, done=False)

    upstream = Upstream([broken, greedy])
    settings = TWO_TARGETS.replace('input = "10"', 'input = "1"').replace('output = "20"', 'output = "2"')
    async with a_house(tmp_path, upstream, settings=settings) as house:
        handle = await minted(house, 1_000_000)
        done = await house.parts.turn.take(paid_by(handle, ask(house)))
        found = await standing(house, handle)
    first, second = (body["max_tokens"] for body in upstream.bodies)
    assert second < first
    assert len(done.receipt.tried) == 2
    assert found.row.spent == done.receipt.cost
    assert found.row.left >= 0


async def test_what_failed_unbilled_costs_the_handle_nothing(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_error(500, "boom"), greedy])) as house:
        handle = await minted(house)
        done = await house.parts.turn.take(paid_by(handle, ask(house, max_tokens=10)))
        found = await standing(house, handle)
    assert done.receipt.served_by == "two/beta"
    assert (found.row.spent, found.row.reserved) == (done.receipt.cost, 0)


async def test_a_request_that_is_left_settles_what_it_produced_with_its_handle(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("one ", "two ", "three")])) as house:
        handle = await minted(house)
        events = house.parts.turn.events(paid_by(handle, ask(house, commit="first", max_tokens=100)))
        async for event in events:
            if type(event).__name__ == "TextDelta":
                break
        await events.aclose()
        found = await standing(house, handle)
    assert found.row.reserved == 0
    assert 0 < found.row.spent < 1_000_000


async def test_a_share_is_spent_by_another_caller_and_seen_by_whoever_gave_it(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([greedy])) as house:
        handle = await minted(house, caller=OWNER, label="project")
        child = await house.parts.handles.split(OTHER, handle, 2_000_000, label="sub-agent")
        await spend(house, child.text.reveal(), caller=OTHER)
        with pytest.raises(LimitReached):
            await spend(house, child.text.reveal(), caller=OTHER)
        found = await standing(house, handle)
    assert (found.row.left, found.row.given, found.spent) == (USD - 2_000_000, 2_000_000, 1_010_000)
    (seen,) = found.children
    assert (seen.id, seen.label, seen.minted_by, seen.spent) == (child.row.id, "sub-agent", OTHER.id, 1_010_000)


async def test_revoking_while_an_answer_is_on_its_way_stops_the_next_and_bills_this_one(tmp_path: Path) -> None:
    reached, release = asyncio.Event(), asyncio.Event()

    async def held(request: httpx2.Request) -> httpx2.Response:
        reached.set()
        await release.wait()
        return greedy(request)

    async with a_house(tmp_path, Upstream([held])) as house:
        handle = await minted(house)
        child = await house.parts.handles.split(OWNER, handle, USD // 2)
        running = asyncio.ensure_future(spend(house, child.text.reveal()))
        await reached.wait()
        ended = await house.parts.handles.revoke(OWNER, handle, child=child.row.id)
        assert ended.state == "revoked"
        assert ended.row.left == 0
        assert ended.row.reserved > 0
        with pytest.raises(LimitReached, match="was revoked on 2026-11-21 12:00:00"):
            await spend(house, child.text.reveal())
        release.set()
        done = await running
        found = await standing(house, handle)
    assert done.receipt.cost == 1_010_000
    assert (found.row.left, found.spent, found.reserved) == (USD - 1_010_000, 1_010_000, 0)


async def test_revoked_between_plan_and_reservation_nothing_is_sent(tmp_path: Path) -> None:
    upstream = Upstream([greedy])
    async with a_house(tmp_path, upstream) as house:
        handle = await minted(house)
        async for event in (events := house.parts.turn.events(paid_by(handle, ask(house, max_tokens=5)))):
            assert type(event).__name__ == "Routed"
            await house.parts.handles.revoke(OWNER, handle)
            break
        with pytest.raises(LimitReached, match="was revoked"):
            await anext(events)
    assert upstream.seen == []


async def test_a_handle_expires_and_says_when(tmp_path: Path) -> None:
    clock = FakeClock()
    async with a_house(tmp_path, Upstream([greedy]), clock=clock) as house:
        handle = await minted(house, seconds=3600)
        child = await house.parts.handles.split(OWNER, handle, USD // 2, seconds=60)
        late = await house.parts.handles.split(OWNER, handle, 1, seconds=86_400)
        assert late.row.expires_at == clock.now().timestamp() + 3600
        clock.advance(60)
        with pytest.raises(LimitReached, match="expired on 2026-11-21 12:01:00"):
            await spend(house, child.text.reveal())
        # What the child did not spend is there for its parent without anybody's doing.
        assert (await house.parts.handles.room(handle)).left == USD - 1
        clock.advance(3600)
        with pytest.raises(LimitReached, match="expired on"):
            await spend(house, handle)


def retold(handle: str, **change: str) -> str:
    """A handle of somebody who guesses: well-formed, and never given out."""
    _, name, rest = handle.split("_", 2)
    kept = f"{HANDLE_PREFIX}{change.get('id', name)}_{change.get('secret', rest[:43])}"
    return f"{kept}{crc32(kept.encode()):08x}"


async def test_an_unknown_handle_and_a_wrong_secret_are_told_the_same(tmp_path: Path) -> None:
    upstream = Upstream([greedy])
    async with a_house(tmp_path, upstream) as house:
        handle = await minted(house)
        told = Counter[str]()
        for guess in (retold(handle, id="zzzzzzzzzz"), retold(handle, secret="A" * 43)):
            for act in (
                spend(house, guess),
                house.parts.handles.look(OTHER, guess),
                house.parts.handles.split(OTHER, guess, 1),
                house.parts.handles.revoke(OTHER, guess),
            ):
                with pytest.raises(NotFound) as caught:
                    await act
                told[caught.value.sentence() + str(caught.value.facts)] += 1
    assert list(told.values()) == [8]
    assert upstream.seen == []


@pytest.mark.parametrize("text", ["", "orbh_", "nonsense", "orbh_0000000000_" + "x" * 51, "ö" * 70, "\ud800"])
async def test_a_mistyped_handle_is_said_to_be_one(tmp_path: Path, text: str) -> None:
    async with a_house(tmp_path, Upstream([greedy])) as house:
        with pytest.raises(InvalidRequest, match="cut off or mistyped"):
            await spend(house, text)


async def test_by_its_id_a_handle_is_known_to_its_maker_and_the_owner_alone_and_pays_for_nothing(
    tmp_path: Path,
) -> None:
    async with a_house(tmp_path, Upstream([greedy])) as house:
        handles = house.parts.handles
        made = await handles.mint(OTHER, USD)
        for caller in (OTHER, OWNER):
            assert (await handles.look(caller, made.row.id)).row == made.row
        with pytest.raises(NotFound):
            await handles.look(replace(OTHER, id="key-3"), made.row.id)
        with pytest.raises(InvalidRequest, match="an id pays for nothing"):
            await spend(house, made.row.id, caller=OTHER)
        other = await handles.mint(OWNER, USD)
        with pytest.raises(NotFound):
            await handles.revoke(OTHER, made.text.reveal(), child=other.row.id)


async def test_whoever_may_not_spend_has_no_business_with_handles(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        handles, handle = house.parts.handles, await minted(house)
        for act in (
            handles.mint(READER, 1),
            handles.split(READER, handle, 1),
            handles.revoke(READER, handle),
            handles.look(READER, handle),
        ):
            with pytest.raises(NotAllowed, match="execute:completions"):
                await act


async def test_amounts_times_and_labels_that_cannot_be_are_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        handles = house.parts.handles
        impossible: list[tuple[int, dict[str, Any]]] = [
            (0, {}),
            (-1, {}),
            (2**53 + 1, {}),
            (1, {"seconds": 0}),
            (1, {"seconds": 400 * 86_400.0}),
            (1, {"seconds": float("nan")}),
            (1, {"label": " "}),
            (1, {"label": "x" * 81}),
            (1, {"label": "a\nb"}),
        ]
        for amount, more in impossible:
            with pytest.raises(InvalidRequest):
                await handles.mint(OWNER, amount, **more)
        handle = await minted(house)
        for _ in range(8):
            handle = (await handles.split(OWNER, handle, 1)).text.reveal()
        with pytest.raises(InvalidRequest, match="at most 8 times"):
            await handles.split(OWNER, handle, 1)


async def test_the_text_of_a_handle_is_kept_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_house(tmp_path, Upstream([greedy])) as house:
        handle = await minted(house)
        request = paid_by(handle, ask(house, key="k", max_tokens=5))
        await house.parts.turn.take(request)
        assert handle not in repr(request)
        assert handle not in repr(await house.parts.handles.mint(OWNER, 1))
        secret = handle.split("_", 2)[2].encode()
        files = [path for path in (tmp_path / "data").iterdir() if path.is_file()]
        assert FILE in {path.name for path in files}
        assert [path.name for path in files if secret in path.read_bytes()] == []
    assert secret.decode() not in caplog.text


async def test_a_kept_answer_costs_its_handle_nothing_but_a_dead_handle_opens_not_even_that(tmp_path: Path) -> None:
    upstream = Upstream([greedy])
    async with a_house(tmp_path, upstream) as house:
        payer, second = await minted(house), await minted(house)
        request = ask(house, model="one/alpha", max_tokens=500)
        first = await house.parts.turn.take(paid_by(payer, request, temperature=0.0))
        again = await house.parts.turn.take(paid_by(second, replace(request, id="again"), temperature=0.0))
        assert (first.receipt.cost, again.receipt.cost, again.receipt.reused) == (1_010_000, 0, "cached")
        assert (await standing(house, second)).row.left == USD
        await house.parts.handles.revoke(OWNER, second)
        with pytest.raises(LimitReached):
            await house.parts.turn.take(paid_by(second, replace(request, id="third"), temperature=0.0))
    assert len(upstream.seen) == 1


async def test_of_twins_with_a_handle_each_the_one_that_asks_pays(tmp_path: Path) -> None:
    reached, release = asyncio.Event(), asyncio.Event()

    async def held(request: httpx2.Request) -> httpx2.Response:
        reached.set()
        await release.wait()
        return greedy(request)

    async with a_house(tmp_path, Upstream([held])) as house:
        one, two = await minted(house), await minted(house)
        request = ask(house, model="one/alpha", max_tokens=500)
        lead = asyncio.ensure_future(house.parts.turn.take(paid_by(one, request, temperature=0.0)))
        await reached.wait()
        follow = asyncio.ensure_future(
            house.parts.turn.take(paid_by(two, replace(request, id="twin"), temperature=0.0))
        )
        release.set()
        assert (await lead).receipt.cost == 1_010_000
        assert (await follow).receipt.cost == 0
        spent = [(await standing(house, handle)).row.spent for handle in (one, two)]
    assert spent == [1_010_000, 0]


async def test_an_answer_cut_short_by_a_small_handle_is_not_given_to_a_twin_with_a_larger_one(tmp_path: Path) -> None:
    reached, release = asyncio.Event(), asyncio.Event()

    async def short(request: httpx2.Request) -> httpx2.Response:
        if not reached.is_set():
            reached.set()
            await release.wait()
            return openai_stream("cut", usage=(10, json.loads(request.content)["max_tokens"]), finish="length")
        return openai_stream("the whole answer", usage=(10, 5))

    async with a_house(tmp_path, Upstream([short])) as house:
        small, large = await minted(house, 1_000_000), await minted(house)
        request = ask(house, model="one/alpha")
        lead = asyncio.ensure_future(house.parts.turn.take(paid_by(small, request, temperature=0.0)))
        await reached.wait()
        follow = asyncio.ensure_future(
            house.parts.turn.take(paid_by(large, replace(request, id="twin"), temperature=0.0))
        )
        await asyncio.sleep(0)
        release.set()
        assert (await lead).answer.text == "cut"
        assert (await follow).answer.text == "the whole answer"


async def test_a_twin_whose_handle_forbids_every_target_leaves_the_other_to_ask(tmp_path: Path) -> None:
    settings = TWO_TARGETS + UNPRICED
    async with a_house(tmp_path, Upstream([openai_stream("unpriced")]), settings=settings) as house:
        handle = await minted(house)
        request = ask(house, model="odd/delta", max_tokens=5)
        free = replace(request, id="free", chat=replace(request.chat, temperature=0.0))
        paid = [paid_by(handle, replace(request, id=f"p{n}"), temperature=0.0) for n in range(3)]
        ended = await asyncio.gather(*(house.parts.turn.take(r) for r in (*paid, free)), return_exceptions=True)
    assert isinstance(ended[3], Done)
    # Whoever came while it was under way has its answer, for nothing.
    assert all(isinstance(each, NoRoute) or (isinstance(each, Done) and each.receipt.reused) for each in ended[:3])


async def test_the_same_key_with_another_handle_is_another_request(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([greedy])) as house:
        one, two = await minted(house), await minted(house)
        first = await house.parts.turn.take(paid_by(one, ask(house, key="k", max_tokens=5)))
        again = await house.parts.turn.take(paid_by(one, ask(house, key="k", max_tokens=5)))
        assert again.receipt.replayed
        assert (await standing(house, one)).row.spent == first.receipt.cost
        for other in (paid_by(two, ask(house, key="k", max_tokens=5)), ask(house, key="k", max_tokens=5)):
            with pytest.raises(Conflict):
                await house.parts.turn.take(other)


async def test_two_processes_and_their_fallbacks_never_overspend_one_handle(tmp_path: Path) -> None:
    """Half of the attempts fail after they were billed, and all that is allowed is written."""

    def half(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "one.example":
            body = json.loads(request.content)
            return openai_stream("x", usage=(10, body["max_tokens"]), finish=None, done=False)
        return greedy(request)

    limit, refused = 20_000_000, Counter[type[CallError]]()
    async with (
        a_house(tmp_path, Upstream([half])) as mine,
        a_house(tmp_path, Upstream([half]), ids=CountedIds(10**6)) as theirs,
    ):
        handle = await minted(mine, limit)
        child = (await mine.parts.handles.split(OWNER, handle, limit // 2)).text.reveal()

        async def one(house: House, number: int) -> int:
            request = paid_by((handle, child)[number % 2], ask(house, f"{number}", max_tokens=20 + number))
            try:
                done = await house.parts.turn.take(request)
            except CallError as error:
                refused[type(error)] += 1
                return 0
            return done.receipt.cost or 0

        paid = await asyncio.gather(*(one(house, number) for number in range(40) for house in (mine, theirs)))
        found = await standing(theirs, handle)
        billed = await mine.parts.database.read(_billed)
    assert 0 < sum(paid) <= billed == found.spent <= limit
    assert set(refused) <= {LimitReached, UpstreamFailed}
    assert found.reserved == 0
    assert found.spent + found.row.left + sum(row.left for row in found.below) == limit


def _billed(connection: sqlite3.Connection) -> int:
    total: int = connection.execute("SELECT SUM(cost_nano) FROM settlement").fetchone()[0]
    return total
