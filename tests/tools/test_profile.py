"""The resilience profile at run time: in force at once, in every process, and kept."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fakes import CountedIds, Upstream, fake_ports, openai_error
from houses import OWNER, TWO_TARGETS, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.engine.admission import Admission
from omniroute_agent.engine.resilience import Resilience
from omniroute_agent.kernel.errors import CallError
from omniroute_agent.tooling.tool import ToolContext

ONE_TARGET = TWO_TARGETS.replace('targets = ["one/alpha", "two/beta"]', 'targets = ["one/alpha"]')


async def use(house: House, name: str, **arguments: Any) -> dict[str, Any]:
    async def progress(_done: float, _total: float | None, _message: str) -> None: ...

    tool = next(tool for tool in house.tools if tool.name == f"omniroute_{name}")
    context = ToolContext(caller=OWNER, parts=house.parts, door="test", progress=progress, listens=False)
    output = await tool.run(tool.input.model_validate(arguments), context)
    assert output.summary()
    return output.model_dump(mode="json")


async def outages_that_open(house: House) -> int:
    """How many failed calls it takes until the breaker of `one` is open."""
    for count in range(1, 20):
        with pytest.raises(CallError):
            await house.parts.turn.take(ask(house))
        (one, _) = (await use(house, "get_health"))["connections"]
        if one["breaker"] == "open":
            return int(one["outages_in_a_row"])
        assert one["outages_in_a_row"] >= count
    raise AssertionError("it never opened")


async def test_a_profile_set_in_one_process_is_in_force_in_every_other_and_after_a_restart(tmp_path: Path) -> None:
    down = Upstream([openai_error(500, "down")])
    async with (
        a_house(tmp_path, down, settings=ONE_TARGET) as one,
        a_house(tmp_path, down, settings=ONE_TARGET, ids=CountedIds(1000)) as two,
    ):
        found = await use(one, "set_resilience_profile", profile="aggressive")
        assert (found["profile"], found["configured"], found["breaker_opens_after"]) == ("aggressive", "balanced", 3)
        assert await outages_that_open(two) == 3
        assert two.parts.resilience.tuning.profile == "aggressive"
    async with a_house(tmp_path, down, settings=ONE_TARGET, ids=CountedIds(2000)) as again:
        await again.parts.gatherer.situation()
        assert again.parts.resilience.tuning.open_base == found["breaker_open_seconds"]
        await again.parts.profiles.forget()
        await again.parts.gatherer.situation()
        assert again.parts.resilience.tuning.profile == "balanced"


async def test_the_settings_hold_until_something_is_set(tmp_path: Path) -> None:
    settings = ONE_TARGET + '[resilience]\nprofile = "conservative"\n'
    async with a_house(tmp_path, Upstream([openai_error(500, "down")]), settings=settings) as house:
        assert await outages_that_open(house) == 8
        found = await use(house, "set_resilience_profile", profile="balanced")
        assert (found["configured"], found["calls_at_a_time"], found["cooldown_most_seconds"]) == (
            "conservative",
            10,
            48,
        )


async def test_only_the_three_profiles_can_be_set(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(ValidationError):
            await use(house, "set_resilience_profile", profile="reckless")


def test_places_begin_anew_under_another_profile_and_nobody_loses_one() -> None:
    resilience = Resilience("conservative")
    gates = Admission(fake_ports(), lambda: resilience.tuning.concurrency)
    held = [gates.take("one") for _ in range(4)]
    assert gates.limit("one") == 6
    resilience.follow("aggressive")
    assert gates.limit("one") == 16
    held[0].leave("rate_limited")
    assert gates.limit("one") == 16, "a call from before says nothing of the new number"
    for place in held[1:]:
        place.leave(answered=True)
    places = [gates.take("one") for _ in range(16)]
    assert len(places) == 16


def test_what_a_newer_program_stored_leaves_the_settings_in_force() -> None:
    resilience = Resilience("conservative")
    resilience.follow("hedged")
    assert resilience.tuning.profile == "conservative"
