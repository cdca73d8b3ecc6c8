"""What a name leads to: aliases, added models, and the end of a model."""

from pathlib import Path

import pytest

from fakes import FakeClock
from houses import TWO_TARGETS, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.engine.decision import Plan
from omniroute_agent.kernel.errors import CallError, NotFound
from scripted_lists import Lists, of_names

LAB = """
[[connections]]
id = "lab"
provider = "custom-openai"
base_url = "https://lab.example/v1"
key = "obviously-fake"

[prices."lab/mind-2"]
input = "2"
output = "8"

[prices."lab/mind-3"]
input = "2"
output = "8"

[prices."lab/mind-4"]
input = "3"
output = "8"
"""


async def planned(house: House, model: str) -> Plan:
    plan, _, _ = await house.parts.engine.plan(ask(house, model=model))
    return plan.plan


def targets(plan: Plan) -> list[str]:
    return [choice.target for choice in plan.choices]


async def test_an_alias_of_the_settings_is_followed_and_the_plan_says_so(tmp_path: Path) -> None:
    settings = TWO_TARGETS + '[aliases]\nfast = "one/alpha"\n"gpt-?" = "fast"\nteam = "combo/both"\n'
    async with a_house(tmp_path, Lists(), settings=settings) as house:
        plan = await planned(house, "gpt-9")
        assert (plan.asked, targets(plan)) == ("gpt-9", ["one/alpha"])
        assert plan.notes[0] == "By alias: `gpt-9` → `fast` → `one/alpha`."
        team = await planned(house, "team")
        assert (team.asked, team.combo, targets(team)) == ("team", "both", ["one/alpha", "two/beta"])
        with pytest.raises(NotFound):
            await planned(house, "gpt-10")


async def test_a_model_that_left_its_providers_list_is_followed_by_the_next_one_that_is_not_dearer(
    tmp_path: Path,
) -> None:
    lists = Lists({"https://lab.example/v1/models": of_names("mind-2", "mind-3", "mind-4")})
    async with a_house(tmp_path, lists, settings=LAB) as house:
        await house.parts.model_sync.sync("lab")
        assert targets(await planned(house, "mind-2")) == ["lab/mind-2"]
        lists.pages["https://lab.example/v1/models"] = of_names("mind-3", "mind-4")
        (report,) = await house.parts.model_sync.sync("lab")
        assert report.removed == ("mind-2",)
        plan = await planned(house, "mind-2")
        assert targets(plan) == ["lab/mind-2", "lab/mind-3"]
        assert plan.notes[0] == (
            "`lab/mind-2` is retired: it left its provider's list on 2026-11-21. `lab/mind-3` of the same family, "
            "not dearer, stands behind it."
        )


async def test_a_dearer_successor_is_named_and_not_taken(tmp_path: Path) -> None:
    lists = Lists({"https://lab.example/v1/models": of_names("mind-3", "mind-4")})
    async with a_house(tmp_path, lists, settings=LAB) as house:
        await house.parts.model_sync.sync("lab")
        lists.pages["https://lab.example/v1/models"] = of_names("mind-4")
        await house.parts.model_sync.sync("lab")
        plan = await planned(house, "lab/mind-3")
        assert targets(plan) == ["lab/mind-3"]
        assert "`lab/mind-4` of the same family is dearer" in plan.notes[0]


async def test_a_model_the_provider_does_not_know_is_served_by_its_successor_in_the_same_request(
    tmp_path: Path,
) -> None:
    lists = Lists({"https://lab.example/v1/models": of_names("mind-3", "mind-4")}, missing={"mind-2"})
    async with a_house(tmp_path, lists, settings=LAB) as house:
        await house.parts.model_sync.sync("lab")
        done = await house.parts.turn.take(ask(house, model="lab/mind-2"))
        assert done.receipt.served_by == "lab/mind-3"
        assert [(tried.target, tried.fault) for tried in done.receipt.tried] == [
            ("lab/mind-2", "not_found"),
            ("lab/mind-3", None),
        ]
        again = await house.parts.turn.take(ask(house, model="lab/mind-2"))
        assert again.receipt.served_by == "lab/mind-3"
    assert lists.chats == ["mind-2", "mind-3", "mind-3"]


async def test_nothing_follows_where_the_owner_does_not_want_it(tmp_path: Path) -> None:
    lists = Lists({"https://lab.example/v1/models": of_names("mind-3")}, missing={"mind-2"})
    settings = LAB + "[catalogue]\nsuccessors = false\n"
    async with a_house(tmp_path, lists, settings=settings) as house:
        await house.parts.model_sync.sync("lab")
        with pytest.raises(CallError):
            await house.parts.turn.take(ask(house, model="lab/mind-2"))
        plan = await planned(house, "lab/mind-2")
        assert targets(plan) == []
        assert "[catalogue] successors is off" in plan.notes[0]
    assert lists.chats == ["mind-2"]


async def test_a_model_the_price_data_calls_deprecated_still_serves_and_its_successor_stands_behind_it(
    tmp_path: Path,
) -> None:
    async with a_house(
        tmp_path, Lists(), settings="", environment={"XAI_API_KEY": "obviously-fake"}, clock=FakeClock()
    ) as house:
        plan = await planned(house, "grok-2-1212")
        assert targets(plan)[0] == "xai/grok-2-1212"
        assert "deprecated: the price data says so" in plan.notes[0]
        prices = [choice.worst_cost for choice in plan.choices]
        assert all(cost is not None for cost in prices)


async def test_a_model_of_the_settings_serves_and_what_is_said_of_it_holds(tmp_path: Path) -> None:
    settings = (
        LAB
        + """
[[models]]
connection = "lab"
model = "own"
context_tokens = 4096
vision = false
input = "1"
output = "4"
"""
    )
    async with a_house(tmp_path, Lists(), settings=settings) as house:
        (entry,) = [e for e in await house.parts.catalogue.list() if e.model == "own"]
        assert (entry.facts.context_tokens, entry.facts.vision, entry.facts.tools) == (4096, False, None)
        assert entry.facts.price is not None
        assert entry.facts.price.input_per_million == 1_000_000_000
        assert (entry.origin, entry.facts.source) == ("settings", "settings")
        assert targets(await planned(house, "own")) == ["lab/own"]
