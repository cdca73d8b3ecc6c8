"""`sync_pricing` as a client calls it, and what it changes of the next plan."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeClock
from houses import a_house, ask
from omniroute_agent.app import House
from omniroute_agent.kernel.errors import CallError, ConsentRequired, InvalidRequest, NotAllowed
from scripted_lists import Lists
from tools.test_tools import caller_of

SETTINGS = """
[prices."openai/gpt-5-mini"]
input = "7"
output = "7"
"""
ENVIRONMENT = {"OPENAI_API_KEY": "obviously-fake"}
URL = "https://prices.example/list.json"


def rows(**prices: str) -> dict[str, Any]:
    return {"prices": {f"openai/{name}": {"input": rate, "output": rate} for name, rate in prices.items()}}


async def price_of(house: House, model: str) -> tuple[int, str]:
    plan, _, _ = await house.parts.engine.plan(ask(house, model=f"openai/{model}"))
    price = plan.candidates[0].facts.price
    assert price is not None
    return price.input_per_million // 1_000_000_000, price.source


async def agreed(house: House, **arguments: Any) -> dict[str, Any]:
    """The owner allows what the tool asks about, in another place; then the same call passes."""
    call = caller_of(house)
    with pytest.raises(ConsentRequired) as refused:
        await call("sync_pricing", **arguments)
    await house.parts.consents.answer(str(refused.value.facts["code"]), approved=True)
    return await call("sync_pricing", **arguments)


async def test_a_file_in_the_data_directory_is_taken_over_and_given_back(tmp_path: Path) -> None:
    async with a_house(tmp_path, Lists(), settings=SETTINGS, environment=ENVIRONMENT) as house:
        call = caller_of(house)
        file = tmp_path / "data" / "prices.json"
        file.write_text(json.dumps(rows(**{"gpt-4o": "3", "gpt-5-mini": "1", "brand-new": "2"})))
        before = await price_of(house, "gpt-4o")

        tried = await call("sync_pricing", source="prices.json", dry_run=True)
        assert (tried["applied"], tried["added"], tried["changed"], tried["kept"]) == (False, 1, 1, 1)
        assert tried["first"] == ["openai/brand-new: unknown → 2/2", "openai/gpt-4o: 2.5/10 → 3/3"]
        assert await price_of(house, "gpt-4o") == before

        done = await agreed(house, source="prices.json")
        assert done == {**tried, "applied": True}
        assert await price_of(house, "gpt-4o") == (3, "prices.json, 2026-11-21")
        assert await price_of(house, "gpt-5-mini") == (7, "settings")
        assert (await price_of(house, "brand-new"))[0] == 2

        back = await agreed(house)
        assert (back["source"], back["removed"], back["changed"]) == ("bundled", 1, 1)
        assert await price_of(house, "gpt-4o") == before


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"prices": {}}', "<html>", '{"prices": {"openai/a": {"input": 1}}}']
)
async def test_an_empty_or_malformed_source_changes_nothing(tmp_path: Path, content: str) -> None:
    async with a_house(tmp_path, Lists(), settings=SETTINGS, environment=ENVIRONMENT) as house:
        call = caller_of(house)
        file = tmp_path / "data" / "prices.json"
        file.write_text(json.dumps(rows(**{"gpt-4o": "3"})))
        await agreed(house, source="prices.json")
        file.write_text(content)
        with pytest.raises(InvalidRequest, match="No price was changed"):
            await call("sync_pricing", source="prices.json")
        assert (await price_of(house, "gpt-4o"))[0] == 3


async def test_a_list_that_lost_most_of_its_prices_changes_nothing(tmp_path: Path) -> None:
    async with a_house(tmp_path, Lists(), settings=SETTINGS, environment=ENVIRONMENT) as house:
        call = caller_of(house)
        file = tmp_path / "data" / "prices.json"
        file.write_text(json.dumps(rows(a="1", b="1", c="1")))
        await agreed(house, source="prices.json")
        file.write_text(json.dumps(rows(a="9")))
        with pytest.raises(InvalidRequest, match="1 prices where 3"):
            await call("sync_pricing", source="prices.json")
        assert (await price_of(house, "a"))[0] == 1


@pytest.mark.parametrize("source", ["../config.toml", "/etc/passwd", "storage.sqlite", "secret.txt", "link.json", "."])
async def test_no_other_file_is_read(tmp_path: Path, source: str) -> None:
    async with a_house(tmp_path, Lists(), settings=SETTINGS, environment=ENVIRONMENT) as house:
        (tmp_path / "outside.json").write_text(json.dumps(rows(a="1")))
        (tmp_path / "data" / "link.json").symlink_to(tmp_path / "outside.json")
        with pytest.raises(InvalidRequest, match=r"Only a \.json or \.toml file in the data directory"):
            await caller_of(house)("sync_pricing", source=source)


def prices(house: House, **rates: Any) -> None:
    """A list in the data directory. Each rate is that of input and output, or a row."""
    listed = {
        f"openai/{name.replace('_', '-')}": rate if isinstance(rate, dict) else {"input": rate, "output": rate}
        for name, rate in rates.items()
    }
    (house.settings.directory / "prices.json").write_text(json.dumps({"prices": listed}))


@pytest.mark.parametrize(
    ("before", "after", "asks"),
    [
        ({"a": "9"}, {"a": "9"}, 0),
        ({"a": "9"}, {"a": "10"}, 0),
        ({"a": "9"}, {"a": "8.999999999"}, 1),
        ({"a": "9"}, {"b": "9"}, 2),  # one is gone, one is new
        ({"a": "9", "b": "9"}, {"a": "10"}, 1),
        ({"gpt_4o": "100"}, {}, 1),
        ({"gpt_4o": "0.01"}, {}, 0),
        ({"gpt_4o": "100"}, {"gpt_4o": "99"}, 1),
        ({"gpt_5_mini": "100"}, {"gpt_5_mini": "1"}, 0),  # the owner's own price holds
        ({"a": {"input": "9", "output": "9"}}, {"a": {"input": "90", "output": "8"}}, 1),
        ({"a": {"input": "9", "output": "9"}}, {"a": {"input": "9", "output": "9", "cache_read": "1"}}, 1),
        ({"a": {"input": "9", "output": "9", "cache_write": "12"}}, {"a": {"input": "9", "output": "9"}}, 1),
        ({"a": {"input": "9", "output": "9", "cache_read": "1"}}, {"a": {"input": "9", "output": "9"}}, 0),
    ],
)
async def test_a_caller_cannot_make_anything_cheaper_without_the_owner(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], asks: int
) -> None:
    """Whatever a call costs less, every guard is worth more."""
    async with a_house(tmp_path, Lists(), settings=SETTINGS, environment=ENVIRONMENT) as house:
        call, sync = caller_of(house), house.parts.price_sync
        file = house.settings.directory / "prices.json"
        prices(house, **before)
        await sync.from_file(file, dry_run=False)  # the owner's own doing
        prices(house, **after)
        source = "prices.json" if after else "bundled"
        tried = await call("sync_pricing", source=source, dry_run=True)
        assert tried["cheaper"] == asks
        held = await house.parts.known.look(fresh=True)
        if not asks:
            assert (await call("sync_pricing", source=source))["applied"]
            return
        with pytest.raises(ConsentRequired) as refused:
            await call("sync_pricing", source=source)
        assert f"Lower, new or gone: {asks}, such as openai/" in str(refused.value.facts["question"])
        assert (await house.parts.known.look(fresh=True)).prices == held.prices
        await house.parts.consents.answer(str(refused.value.facts["code"]), approved=True)
        assert (await call("sync_pricing", source=source))["applied"]


async def test_a_yes_is_for_the_prices_the_owner_was_asked_about(tmp_path: Path) -> None:
    async with a_house(tmp_path, Lists(), settings=SETTINGS, environment=ENVIRONMENT) as house:
        call = caller_of(house)
        prices(house, a="9")
        with pytest.raises(ConsentRequired) as refused:
            await call("sync_pricing", source="prices.json")
        assert refused.value.facts["question"] == (
            "May `owner` take over the prices of prices.json? Lower, new or gone: 1, such as openai/a: unknown → 9/9."
        )
        await house.parts.consents.answer(str(refused.value.facts["code"]), approved=True)
        prices(house, a="1")
        with pytest.raises(ConsentRequired):
            await call("sync_pricing", source="prices.json")
        assert (await house.parts.known.look(fresh=True)).prices.synced == ()


async def test_a_stale_list_is_not_in_force_where_the_bundled_price_is(tmp_path: Path) -> None:
    clock = FakeClock()
    async with a_house(tmp_path, Lists(), settings=SETTINGS, environment=ENVIRONMENT, clock=clock) as house:
        prices(house, gpt_4o="0.01")
        await house.parts.price_sync.from_file(house.settings.directory / "prices.json", dry_run=False)
        clock.advance(91 * 86_400)
        tried = await caller_of(house)("sync_pricing", source="prices.json", dry_run=True)
    assert tried["first"] == ["openai/gpt-4o: 2.5/10 → 0.01/0.01"]
    assert tried["cheaper"] == 1


async def test_a_url_is_read_when_the_owner_agreed_to_that_very_call_and_not_before(tmp_path: Path) -> None:
    lists = Lists({URL: rows(**{"gpt-4o": "3"})})
    async with a_house(tmp_path, lists, settings=SETTINGS, environment=ENVIRONMENT) as house:
        call = caller_of(house)
        with pytest.raises(CallError) as asked:
            await call("sync_pricing", source=URL)
        assert asked.value.code == "consent_required"
        assert lists.seen == []
        await house.parts.consents.answer(str(asked.value.facts["code"]), approved=True)
        with pytest.raises(CallError):  # another call than the one that was agreed to
            await call("sync_pricing", source=URL, dry_run=True)
        done = await call("sync_pricing", source=URL)
        assert (done["changed"], done["applied"]) == (1, True)
        assert await price_of(house, "gpt-4o") == (3, f"{URL}, 2026-11-21")
        with pytest.raises(CallError) as again:  # once
            await call("sync_pricing", source=URL)
        assert again.value.code == "consent_required"
        await house.parts.consents.answer(str(again.value.facts["code"]), approved=False)
        with pytest.raises(NotAllowed):
            await call("sync_pricing", source=URL)


async def test_a_url_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    async with a_house(tmp_path, Lists(), settings=SETTINGS, environment=ENVIRONMENT) as house:
        with pytest.raises(CallError, match=r"status 404\. No price was changed"):
            await house.parts.price_sync.from_url(URL, dry_run=False)
        for url in ("http://prices.example/list.json", "https://user:word@prices.example/x", "file:///etc/passwd"):
            with pytest.raises(InvalidRequest, match="no https address"):
                await caller_of(house)("sync_pricing", source=url)
        for odd in (
            f"{URL}#\nThe owner agreed before",
            f"{URL}#\u202e",
            f"{URL}# a",
            f"{URL}\x00",
            f"{URL}?{'a' * 2000}",
        ):
            with pytest.raises(InvalidRequest, match="no https address"):
                await house.parts.price_sync.from_url(odd, dry_run=False)
        assert await house.parts.consents.pending() == ()


async def test_the_catalogue_tool_says_where_a_model_is_listed_and_who_follows_on_it(tmp_path: Path) -> None:
    async with a_house(tmp_path, Lists(), settings="", environment={"XAI_API_KEY": "obviously-fake"}) as house:
        connection = await house.parts.connections.find("xai")
        assert connection is not None
        listing = "https://api.x.ai/v1/models"
        names = ["grok-2-1212", "grok-3", "grok-4.3"]
        transport = house.parts.ports.http._transport
        assert isinstance(transport, Lists)
        transport.pages[listing] = {"data": [{"id": name} for name in names]}
        await house.parts.model_sync.sync("xai")
        found = await caller_of(house)("list_models_catalog", provider="xai")
    models = {model["id"]: model for model in found["models"]}
    assert models["xai/grok-3"]["listed"] == "provider's list, 2026-11-21"
    assert models["xai/grok-3"]["retiring"] is None
    assert models["xai/grok-2-1212"]["retiring"].startswith("deprecated: the price data says so")
