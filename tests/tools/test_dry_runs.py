"""A dry run says what would come of a change, and changes nothing."""

from pathlib import Path

import pytest

from houses import a_house
from omniroute_agent.kernel.errors import InvalidRequest
from tools.test_tools import caller_of


async def test_a_combo_is_not_switched(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        call = caller_of(house)
        before = await call("list_combos")
        tried = await call("switch_combo", combo="both", active=True, dry_run=True)
        assert await call("list_combos") == before
        done = await call("switch_combo", combo="both", active=True)
    assert tried["applied"] is False
    assert done["applied"] is True
    assert tried["combo"]["is_default"] is done["combo"]["is_default"] is True


async def test_a_combo_that_cannot_be_disabled_is_refused_all_the_same(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(InvalidRequest, match="is the default combo"):
            await caller_of(house)("switch_combo", combo="default", active=False, dry_run=True)


async def test_a_strategy_is_checked_and_not_set(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        call = caller_of(house)
        tried = await call("set_routing_strategy", combo="both", strategy="round-robin", dry_run=True)
        combos = {combo["name"]: combo for combo in (await call("list_combos"))["combos"]}
        with pytest.raises(InvalidRequest, match="cannot work like that"):
            await call(
                "set_routing_strategy",
                combo="both",
                strategy="weighted",
                options={"weights": {"nowhere/none": 1}},
                dry_run=True,
            )
    assert tried["combo"]["strategy"] == "round-robin"
    assert tried["applied"] is False
    assert combos["both"]["strategy"] == "priority"


async def test_a_guard_is_not_set_and_its_need_for_consent_is_told(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        call = caller_of(house)
        tried = await call("set_budget_guard", limit_usd="5", dry_run=True)
        assert "set the guard" in tried["would"]
        assert "no consent" in tried["would"]
        assert (tried["guard"], tried["applied"]) == (None, False)
        assert [guard["guard"] for guard in (await call("get_health"))["guards"]] == ["environment"]
        await call("set_budget_guard", limit_usd="5")
        raised = await call("set_budget_guard", limit_usd="50", dry_run=True)
        lowered = await call("set_budget_guard", limit_usd="1", dry_run=True)
        guards = (await call("get_health"))["guards"]
    assert "owner has to agree" in raised["would"]
    assert "no consent" in lowered["would"]
    assert [guard["limit"] for guard in guards] == ["5", "5"]


async def test_a_profile_is_shown_and_not_set(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        tried = await caller_of(house)("set_resilience_profile", profile="conservative", dry_run=True)
        assert house.parts.resilience.tuning.profile == "balanced"
    assert (tried["profile"], tried["applied"]) == ("conservative", False)
    assert tried["breaker_opens_after"] == 8
