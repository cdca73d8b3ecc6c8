"""`sync_pricing` as a client calls it, and what it changes of the next plan."""

import json
from pathlib import Path
from typing import Any

import pytest

from houses import a_house, ask
from omniroute_agent.app import House
from omniroute_agent.kernel.errors import CallError, InvalidRequest, NotAllowed
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

        done = await call("sync_pricing", source="prices.json")
        assert done == {**tried, "applied": True}
        assert await price_of(house, "gpt-4o") == (3, "prices.json, 2026-11-21")
        assert await price_of(house, "gpt-5-mini") == (7, "settings")
        assert (await price_of(house, "brand-new"))[0] == 2

        back = await call("sync_pricing")
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
        await call("sync_pricing", source="prices.json")
        file.write_text(content)
        with pytest.raises(InvalidRequest, match="No price was changed"):
            await call("sync_pricing", source="prices.json")
        assert (await price_of(house, "gpt-4o"))[0] == 3


async def test_a_list_that_lost_most_of_its_prices_changes_nothing(tmp_path: Path) -> None:
    async with a_house(tmp_path, Lists(), settings=SETTINGS, environment=ENVIRONMENT) as house:
        call = caller_of(house)
        file = tmp_path / "data" / "prices.json"
        file.write_text(json.dumps(rows(a="1", b="1", c="1")))
        await call("sync_pricing", source="prices.json")
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
