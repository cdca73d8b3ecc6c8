"""`set_budget_guard`: in force on the very next request; what widens it needs the owner."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fakes import Upstream, openai_stream
from houses import OWNER, TWO_TARGETS, a_house
from omniroute_agent.app import House
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import ConsentRequired, InvalidRequest, LimitReached, NotAllowed, NotFound
from omniroute_agent.tooling.tool import ToolContext

KEY = Caller(id="key-1", scopes=frozenset(("*",)), session="s9")
HELLO = [{"role": "user", "content": "Hello"}]

Call = Callable[..., Awaitable[dict[str, Any]]]


def caller_of(house: House, caller: Caller = OWNER) -> Call:
    async def progress(_done: float, _total: float | None, _message: str) -> None: ...

    async def call(name: str, **arguments: Any) -> dict[str, Any]:
        tool = next(tool for tool in house.tools if tool.name == f"omniroute_{name}")
        context = ToolContext(caller=caller, parts=house.parts, door="test", progress=progress, listens=False)
        output = await tool.run(tool.input.model_validate(arguments), context)
        assert output.summary()
        return output.model_dump(mode="json")

    return call


async def agree(house: House, call: Call, **arguments: Any) -> dict[str, Any]:
    """The owner allows what the tool asks about, in another place; then the same call passes."""
    with pytest.raises(ConsentRequired) as refused:
        await call("set_budget_guard", **arguments)
    await house.parts.consents.answer(str(refused.value.facts["code"]), approved=True)
    return await call("set_budget_guard", **arguments)


async def test_a_guard_is_in_force_on_the_next_request_and_shown_wherever_guards_are(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Hi", usage=(100, 100))])) as house:
        call = caller_of(house)
        await call("route_request", model="one/alpha", messages=HELLO)
        found = (await call("set_budget_guard", limit_usd="0.0004"))["guard"]
        assert found | {"resets_at": ""} == {
            "guard": "day",
            "action": "block",
            "state": "within",
            "source": "stored",
            "window": "day:2026-11-21",
            "limit": "0.0004",
            "spent": "0.0003",
            "reserved": "0",
            "left": "0.0001",
            "resets_at": "",
        }
        with pytest.raises(LimitReached, match="`day`"):
            await call("route_request", model="one/alpha", messages=HELLO)
        for name in ("get_health", "cost_report", "get_session_snapshot"):
            assert found in (await call(name))["guards"]


async def test_narrowing_needs_nobody_and_widening_needs_the_owner(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        call = caller_of(house)
        await call("set_budget_guard", limit_usd="5")
        await call("set_budget_guard", limit_usd="4", action="degrade", tier="cheap")
        await call("set_budget_guard", limit_usd="4", tier="free")
        for wider in (
            {"limit_usd": "4.01"},
            {"limit_usd": "4", "action": "block"},
            {"limit_usd": "4", "action": "ask"},
            {"limit_usd": "4", "tier": "cheap"},
            {"limit_usd": "4", "guard": "day", "period": "month"},
            {"limit_usd": "4", "guard": "day", "combo": "both"},
            {"limit_usd": "none"},
        ):
            with pytest.raises(ConsentRequired):
                await call("set_budget_guard", **wider)
        kept = next(g for g in (await call("get_health"))["guards"] if g["guard"] == "day")
        assert (kept["limit"], kept["action"]) == ("4", "degrade to free")


async def test_the_owner_is_asked_in_words_and_a_yes_is_good_for_just_that(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        call = caller_of(house, KEY)
        await call("set_budget_guard", limit_usd="5")
        with pytest.raises(ConsentRequired) as refused:
            await call("set_budget_guard", limit_usd="50")
        question = str(refused.value.facts["question"])
        assert "to block above 50 USD a day for caller key-1? Now it is block above 5 USD a day" in question
        await house.parts.consents.answer(str(refused.value.facts["code"]), approved=True)
        with pytest.raises(ConsentRequired):
            await call("set_budget_guard", limit_usd="51")
        assert (await call("set_budget_guard", limit_usd="50"))["guard"]["limit"] == "50"
        await call("set_budget_guard", limit_usd="5")
        with pytest.raises(ConsentRequired):
            await call("set_budget_guard", limit_usd="50")


async def test_a_guard_can_be_removed_with_the_owners_consent(tmp_path: Path) -> None:
    settings = TWO_TARGETS + '[[guards]]\nname = "house"\nlimit_usd = "1"\n'
    async with a_house(tmp_path, settings=settings) as house:
        call = caller_of(house)
        await call("set_budget_guard", limit_usd="5")
        assert (await agree(house, call, limit_usd="none"))["guard"] is None
        assert (await agree(house, call, limit_usd="none", guard="house"))["guard"] is None
        assert [g["guard"] for g in (await call("get_health"))["guards"]] == ["environment"]
        assert (await call("set_budget_guard", limit_usd="2", guard="house"))["guard"]["limit"] == "2"


async def test_a_caller_limits_itself_and_nobody_else(tmp_path: Path) -> None:
    settings = TWO_TARGETS + '[[guards]]\nname = "house"\nlimit_usd = "1"\n'
    async with a_house(tmp_path, Upstream([openai_stream("Hi")]), settings=settings) as house:
        key, owner = caller_of(house, KEY), caller_of(house)
        await key("set_budget_guard", limit_usd="0", period="session")
        with pytest.raises(LimitReached):
            await key("route_request", combo="both", messages=HELLO)
        await owner("route_request", combo="both", messages=HELLO)
        with pytest.raises(NotAllowed):
            await key("set_budget_guard", limit_usd="0", guard="house")
        with pytest.raises(NotAllowed):
            await key("set_budget_guard", limit_usd="0", guard="environment")


async def test_a_session_guard_counts_this_session_alone(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Hi")])) as house:
        other = caller_of(house, Caller(id="owner", scopes=OWNER.scopes, session="s2"))
        call = caller_of(house)
        assert (await call("set_budget_guard", limit_usd="0", period="session"))["guard"][
            "window"
        ] == "session:owner/s1"
        with pytest.raises(LimitReached):
            await call("route_request", combo="both", messages=HELLO)
        await other("route_request", combo="both", messages=HELLO)


async def test_what_is_no_guard_is_refused_with_what_to_do(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        call = caller_of(house)
        for limit in ("-1", "five", "NaN", "inf", "9999999999", "1e400", "1e999999999", "9" * 50, ""):
            with pytest.raises(InvalidRequest, match="is not a limit"):
                await call("set_budget_guard", limit_usd=limit)
        with pytest.raises(InvalidRequest, match="degrade only"):
            await call("set_budget_guard", limit_usd="1", tier="free")
        with pytest.raises(NotFound, match="guard"):
            await call("set_budget_guard", limit_usd="1", guard="nobody")
        with pytest.raises(NotFound, match="guard"):
            await call("set_budget_guard", limit_usd="none")
        with pytest.raises(NotFound, match="combo"):
            await call("set_budget_guard", limit_usd="1", combo="nobody")
