"""Asking the owner in the client's own window: what is asked, what an answer does, and who is not asked at all."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ClientCapabilities, ElicitResult, InputRequiredResult

from doors.house_rig import BOTH_ERAS, EVERY_WAY, MODES, OTHER_KEY, Owner, app_of, near, over_http, reached, text
from doors.http_rig import running
from fakes import CountedIds, FakeClock, Upstream, openai_stream
from houses import OWNER, TWO_TARGETS, a_house
from omniroute_agent.app import House
from omniroute_agent.doors.mcp.asking import _shows_forms
from omniroute_agent.engine.consents import LIFETIME
from omniroute_agent.kernel.caller import Caller

GUARD = "omniroute_set_budget_guard"
QUESTION = "May `owner` change the guard `day` to block above 50 USD a day? Now it is block above 5 USD a day."
HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 100}
ASKING = TWO_TARGETS + '[[guards]]\nname = "careful"\nlimit_usd = "0"\naction = "ask"\n'
YES = {"action": "accept", "content": {"answer": "allow this once"}}


def limit_of(result: CallToolResult) -> str:
    assert not result.is_error, text(result)
    assert result.structured_content is not None
    limit: str = result.structured_content["guard"]["limit"]
    return limit


@EVERY_WAY
async def test_the_owner_is_asked_where_the_call_came_from_and_decides_there(way: str, tmp_path: Path) -> None:
    owner = Owner()
    async with reached(way, tmp_path, elicitation_callback=owner) as client:
        assert limit_of(await client.call_tool(GUARD, {"limit_usd": "5"})) == "5"
        assert owner.asked == []
        assert limit_of(await client.call_tool(GUARD, {"limit_usd": "50"})) == "50"
        assert owner.asked == [
            "May `owner` change the guard `day` to block above 50 USD a day? Now it is block above 5 USD a day."
        ]
        owner.action = "decline"
        refused = await client.call_tool(GUARD, {"limit_usd": "60"})
        owner.action = "cancel"
        put_off = await client.call_tool(GUARD, {"limit_usd": "70"})
        assert limit_of(await client.call_tool(GUARD, {"limit_usd": "50"})) == "50"
    assert refused.is_error
    assert text(refused).startswith("not_allowed: The owner was asked and said no.")
    assert put_off.is_error
    assert text(put_off).startswith("consent_required: ")
    assert "omniroute-agent approve " in text(put_off)
    assert len(owner.asked) == 3


@BOTH_ERAS
async def test_a_client_that_cannot_ask_is_told_the_code_instead(mode: str, tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, near(house, mode) as client:
        await client.call_tool(GUARD, {"limit_usd": "5"})
        refused = await client.call_tool(GUARD, {"limit_usd": "50", "guard": "day"})
    assert refused.is_error
    assert "omniroute-agent approve " in text(refused)


@pytest.mark.parametrize("way", ["http-legacy", "http-2026-07-28", "sse-legacy"])
async def test_whoever_holds_another_key_is_not_asked_in_the_owners_place(way: str, tmp_path: Path) -> None:
    somebody = Owner()
    async with reached(way, tmp_path, key=OTHER_KEY, elicitation_callback=somebody) as client:
        await client.call_tool(GUARD, {"limit_usd": "5"})
        refused = await client.call_tool(GUARD, {"limit_usd": "50"})
    assert "omniroute-agent approve " in text(refused)
    assert somebody.asked == []


@BOTH_ERAS
@pytest.mark.parametrize("answer", ["refuse", None, "yes", "ALLOW THIS ONCE"])
async def test_only_the_very_word_is_consent(mode: str, answer: str | None, tmp_path: Path) -> None:
    owner = Owner(answer=answer)
    async with a_house(tmp_path) as house, near(house, mode, elicitation_callback=owner) as client:
        await client.call_tool(GUARD, {"limit_usd": "5"})
        refused = await client.call_tool(GUARD, {"limit_usd": "50"})
        guards = {guard.name: guard.limit for guard in await house.parts.guards.all()}
    assert refused.is_error
    assert text(refused).startswith("not_allowed" if answer == "refuse" else "consent_required")
    assert guards["day"] == 5 * 10**9


@BOTH_ERAS
async def test_a_request_beyond_a_guard_that_asks_is_put_with_the_price_of_each_option(
    mode: str, tmp_path: Path
) -> None:
    owner = Owner()
    upstream = Upstream([openai_stream("Hi", usage=(100, 100))])
    async with (
        a_house(tmp_path, upstream, settings=ASKING) as house,
        near(house, mode, elicitation_callback=owner) as client,
    ):
        answered = await client.call_tool("omniroute_route_request", {"combo": "both", **HELLO})
        owner.action = "decline"
        refused = await client.call_tool("omniroute_route_request", {"combo": "both", **HELLO, "temperature": 0.5})
    assert text(answered).startswith("Hi")
    assert text(refused).startswith("not_allowed: ")
    assert len(upstream.seen) == 1
    assert owner.asked[0].split("\n") == [
        "May `owner` send one request for at most 0.008107 USD to one/alpha, else two/beta, beyond its guard?",
        "• one/alpha: about 0.000208 USD, at most 0.000737 USD",
        "• two/beta: about 0.00208 USD, at most 0.00737 USD",
    ]


@BOTH_ERAS
async def test_prices_from_an_address_are_read_only_when_the_owner_says_so(mode: str, tmp_path: Path) -> None:
    owner = Owner(action="decline")
    upstream = Upstream()
    async with a_house(tmp_path, upstream) as house, near(house, mode, elicitation_callback=owner) as client:
        source = {"source": "https://prices.example/list.json"}
        refused = await client.call_tool("omniroute_sync_pricing", source)
        again = await client.call_tool("omniroute_sync_pricing", source)
    assert text(refused).startswith("not_allowed: ")
    # A no holds: nobody is asked the same thing again at once.
    assert text(again).startswith("not_allowed: ")
    assert owner.asked == ["Take over the price list at https://prices.example/list.json?"]
    assert upstream.seen == []


@pytest.mark.parametrize(
    ("declared", "shows"),
    [
        (None, False),
        ({}, False),
        ({"sampling": {}}, False),
        ({"elicitation": {}}, True),
        ({"elicitation": {"form": {}}}, True),
        ({"elicitation": {"form": {}, "url": {}}}, True),
        ({"elicitation": {"url": {}}}, False),
    ],
)
def test_a_form_is_sent_only_to_who_said_it_shows_forms(declared: dict[str, Any] | None, shows: bool) -> None:
    assert _shows_forms(None if declared is None else ClientCapabilities.model_validate(declared)) is shows


@BOTH_ERAS
async def test_a_yes_in_the_window_is_good_for_one_call(mode: str, tmp_path: Path) -> None:
    owner = Owner()
    async with a_house(tmp_path) as house, near(house, mode, elicitation_callback=owner) as client:
        for limit in ("5", "50", "5", "50"):
            await client.call_tool(GUARD, {"limit_usd": limit})
    assert len(owner.asked) == 2


async def test_a_yes_in_the_terminal_meanwhile_is_as_good(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:

        async def in_the_terminal(_context: Any, _params: Any) -> ElicitResult:
            await house.parts.consents.answer(await code_of(house), approved=True)
            return ElicitResult.model_validate(YES)

        for mode, limit in zip(MODES, ("50", "60"), strict=True):
            async with near(house, mode, elicitation_callback=in_the_terminal) as client:
                await client.call_tool(GUARD, {"limit_usd": "5"})
                assert limit_of(await client.call_tool(GUARD, {"limit_usd": limit})) == limit


async def code_of(house: House) -> str:
    """The code of what is asked now, as the same call would be told it."""
    (asked,) = await house.parts.consents.pending()
    (code,) = [code for code, _ in house.parts.consents._codes.values() if code.startswith(asked.code_start)]
    return code


async def test_a_client_that_fails_to_ask_is_told_the_code(tmp_path: Path) -> None:
    async def broken(_context: Any, _params: Any) -> ElicitResult:
        raise RuntimeError("no window")

    async with a_house(tmp_path) as house, near(house, "legacy", elicitation_callback=broken) as client:
        await client.call_tool(GUARD, {"limit_usd": "5"})
        refused = await client.call_tool(GUARD, {"limit_usd": "50"})
    assert "omniroute-agent approve " in text(refused)


# What follows is about the state that a client of the present era carries from the question to the answer.


@asynccontextmanager
async def asked(house: House, caller: Caller = OWNER) -> AsyncGenerator[tuple[Client, InputRequiredResult], None]:
    async with near(house, "2026-07-28", caller, elicitation_callback=Owner()) as client:
        await client.call_tool(GUARD, {"limit_usd": "5"})
        question = await put(client, None, limit_usd="50")
        assert isinstance(question, InputRequiredResult)
        yield client, question


async def put(
    client: Client, state: str | None, answer: dict[str, Any] | None = None, tool: str = GUARD, **arguments: str
) -> CallToolResult | InputRequiredResult:
    return await client.session.call_tool(
        tool,
        arguments,
        request_state=state,
        input_responses=None if answer is None else {"consent": ElicitResult.model_validate(answer)},
        allow_input_required=True,
    )


async def refused_state(client: Client, state: str | None, tool: str = GUARD, **arguments: str) -> None:
    with pytest.raises(MCPError, match="Invalid or expired requestState") as raised:
        await put(client, state, YES, tool, **arguments)
    assert raised.value.error.code == -32602


async def day_limit(house: House) -> int:
    return {guard.name: guard.limit for guard in await house.parts.guards.all()}["day"] // 10**9


async def test_the_state_tells_a_client_nothing_and_may_not_be_changed(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, asked(house) as (client, question):
        state = question.request_state
        assert state is not None
        assert (await code_of(house)) not in state
        for place in (3, len(state) // 2, len(state) - 2):
            other = "A" if state[place] != "A" else "B"
            await refused_state(client, f"{state[:place]}{other}{state[place + 1 :]}", limit_usd="50")
        await refused_state(client, "", limit_usd="50")
        await refused_state(client, "v1.", limit_usd="50")
        assert await day_limit(house) == 5


async def test_the_state_is_good_for_that_tool_those_arguments_and_that_caller_only(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, asked(house) as (client, question):
        await refused_state(client, question.request_state, limit_usd="51")
        await refused_state(client, question.request_state, "omniroute_sync_pricing", source="https://example.com/x")
        stranger = replace(OWNER, id="key-1")
        async with near(house, "2026-07-28", stranger) as other:
            await refused_state(other, question.request_state, limit_usd="50")
        assert await day_limit(house) == 5


async def test_the_state_of_another_house_opens_nothing(tmp_path: Path) -> None:
    async with (
        a_house(tmp_path / "a") as one,
        a_house(tmp_path / "b") as two,
        asked(one) as (_, question),
        near(two, "2026-07-28") as client,
    ):
        await refused_state(client, question.request_state, limit_usd="50")


async def test_another_process_of_the_same_house_takes_the_state_too(tmp_path: Path) -> None:
    async with a_house(tmp_path) as one, asked(one) as (_, question), a_house(tmp_path, ids=CountedIds(1_000)) as two:
        async with near(two, "2026-07-28") as client:
            done = await put(client, question.request_state, YES, limit_usd="50")
        assert isinstance(done, CallToolResult)
        assert limit_of(done) == "50"
    assert (tmp_path / "data" / "state.key").stat().st_mode & 0o077 == 0


async def test_a_state_that_is_sent_again_does_not_pass_again(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, asked(house) as (client, question):
        done = await put(client, question.request_state, YES, limit_usd="50")
        assert isinstance(done, CallToolResult)
        assert limit_of(done) == "50"
        await client.call_tool(GUARD, {"limit_usd": "5"})
        again = await put(client, question.request_state, YES, limit_usd="50")
        # The owner is asked anew.
        assert isinstance(again, InputRequiredResult)
        assert again.request_state != question.request_state
        assert await day_limit(house) == 5


async def test_an_answer_after_a_quarter_of_an_hour_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    async with a_house(tmp_path, clock=clock) as house, asked(house) as (client, question):
        clock.advance(LIFETIME + 1)
        late = await put(client, question.request_state, YES, limit_usd="50")
        assert isinstance(late, InputRequiredResult)
        assert await day_limit(house) == 5
        monkeypatch.setattr("mcp.server.request_state.time.time", lambda: 9e9)
        await refused_state(client, question.request_state, limit_usd="50")


async def test_an_answer_without_a_state_is_no_answer(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, asked(house) as (client, _):
        assert isinstance(await put(client, None, YES, limit_usd="50"), InputRequiredResult)
        assert await day_limit(house) == 5


@pytest.mark.parametrize(
    "answer", [None, {"action": "cancel"}, {"action": "accept"}, {"action": "accept", "content": {}}]
)
async def test_a_state_without_an_answer_leaves_the_question_open(
    answer: dict[str, Any] | None, tmp_path: Path
) -> None:
    async with a_house(tmp_path) as house, asked(house) as (client, question):
        open_still = await put(client, question.request_state, answer, limit_usd="50")
        assert isinstance(open_still, CallToolResult)
        assert "omniroute-agent approve " in text(open_still)
        assert await day_limit(house) == 5
        assert len(await house.parts.consents.pending()) == 1


async def test_without_the_key_of_the_states_the_owner_gets_the_code(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, near(house, "2026-07-28", elicitation_callback=Owner()) as client:
        (tmp_path / "data" / "state.key").write_text("damaged", "utf-8")
        (tmp_path / "data" / "state.key").chmod(0o600)
        await client.call_tool(GUARD, {"limit_usd": "5"})
        refused = await client.call_tool(GUARD, {"limit_usd": "50"})
    assert "omniroute-agent approve " in text(refused)


async def test_the_state_passes_through_http_as_well(tmp_path: Path) -> None:
    """By hand over the real door: the client carries the question and comes back with a changed state."""
    async with (
        a_house(tmp_path) as house,
        running(app_of(house)) as rig,
        over_http(rig.url, "http", "2026-07-28", elicitation_callback=Owner()) as client,
    ):
        await client.call_tool(GUARD, {"limit_usd": "5"})
        question = await put(client, None, limit_usd="50")
        assert isinstance(question, InputRequiredResult)
        assert question.request_state is not None
        await refused_state(client, question.request_state[:-1], limit_usd="50")
        done = await put(client, question.request_state, YES, limit_usd="50")
        assert isinstance(done, CallToolResult)
        assert limit_of(done) == "50"
