"""Resources and what completes their addresses: the tools' own words, for whoever may call the tool."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CacheableResult, PromptReference, ResourceTemplateReference, TextResourceContents

from doors.house_rig import BOTH_ERAS, EVERY_WAY, FULL, NARROW_KEY, app_of, near, over_http, reached
from doors.http_rig import MODERN_META, running
from fakes import Upstream, openai_stream
from houses import OWNER, TWO_TARGETS, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.doors.mcp.resources import RESOURCES, found
from omniroute_agent.kernel.errors import NotFound
from omniroute_agent.kernel.view import View
from omniroute_agent.tooling.tool import PREFIX, ToolContext

FIXED = ["omniroute://health", "omniroute://prices"]
COMBOS = ["omniroute://combos/both", "omniroute://combos/default"]
TEMPLATES = ["omniroute://combos/{id}", "omniroute://receipts/{request_id}", "omniroute://models/{id}"]
MANY_MODELS = """
[[connections]]
id = "big"
provider = "custom-openai"
base_url = "https://big.example/v1"
key = "obviously-fake"
models = [{}]
[prices."big/m007"]
input = "1"
output = "2"
""".format(", ".join(f'"m{number:03}"' for number in range(250)))


async def read(client: Client, uri: str) -> Any:
    result = await client.read_resource(uri)
    (content,) = result.contents
    assert isinstance(content, TextResourceContents)
    assert (content.uri, content.mime_type) == (uri, "application/json")
    return json.loads(content.text)


async def refusal(client: Client, uri: str) -> MCPError:
    with pytest.raises(MCPError) as raised:
        await client.read_resource(uri)
    return raised.value


async def model_names(client: Client, begun: str, name: str = "id") -> tuple[list[str], int | None, bool | None]:
    ref = ResourceTemplateReference(uri="omniroute://models/{id}")
    found = (await client.complete(ref, {"name": name, "value": begun})).completion
    return found.values, found.total, found.has_more


@EVERY_WAY
async def test_resources_prompts_and_names_are_there_on_every_way_in(way: str, tmp_path: Path) -> None:
    async with reached(way, tmp_path) as client:
        listed = [resource.uri for resource in (await client.list_resources()).resources]
        templates = [each.uri_template for each in (await client.list_resource_templates()).resource_templates]
        health = await read(client, "omniroute://health")
        combo = await read(client, "omniroute://combos/both")
        prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
        prompt = await client.get_prompt("build_a_combo", {"task": "coding"})
        names = (
            await client.complete(PromptReference(name="build_a_combo"), {"name": "combo", "value": "B"})
        ).completion
    assert listed == FIXED + COMBOS
    assert templates == TEMPLATES
    assert [connection["id"] for connection in health["connections"]] == ["one", "two"]
    assert [target["target"] for target in combo["targets"]] == ["one/alpha", "two/beta"]
    assert prompts == ["cut_my_spend", "why_was_this_slow", "build_a_combo", "hand_over"]
    assert prompt.messages[0].role == "user"
    assert (names.values, names.total, names.has_more) == (["both"], 1, False)


@BOTH_ERAS
async def test_a_resource_says_what_its_tool_says(mode: str, tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hi", usage=(100, 100))])
    async with a_house(tmp_path, upstream) as house, near(house, mode) as client:
        done = await house.parts.turn.take(ask(house))
        request_id = done.receipt.request_id

        async def told(name: str, **arguments: str) -> Any:
            """All of it: to a model the tool shows less."""
            tool = next(tool for tool in house.tools if tool.name == PREFIX + name)
            context = ToolContext(caller=OWNER, parts=house.parts, door="test", progress=silence, listens=False)
            return (await tool.run(tool.input.model_validate(arguments), context)).model_dump(mode="json")

        assert await read(client, "omniroute://health") == await told("get_health")
        decision = await told("explain_route", request_id=request_id)
        assert await read(client, f"omniroute://receipts/{request_id}") == decision
        (model,) = (await told("list_models_catalog", search="alpha"))["models"]
        assert await read(client, "omniroute://models/one%2Falpha") == model
        combos = (await told("list_combos"))["combos"]
        assert await read(client, "omniroute://combos/both") in combos


async def silence(_done: float, _total: float | None, _message: str) -> None: ...


async def test_prices_are_those_of_the_catalogue_and_unknown_ones_are_named(tmp_path: Path) -> None:
    async with a_house(tmp_path, settings=MANY_MODELS) as house, near(house, "2026-07-28") as client:
        prices = await read(client, "omniroute://prices")
        last = await read(client, "omniroute://models/big/m249")
    assert prices["prices"] == [
        {"model": "big/m007", "input_usd_per_million": "1", "output_usd_per_million": "2", "source": "settings"}
    ]
    assert len(prices["price_unknown"]) == 249
    assert prices["truncated"] is False
    assert last["id"] == "big/m249"


async def test_a_list_too_long_for_one_answer_says_how_much_there_is(tmp_path: Path) -> None:
    async with a_house(tmp_path, settings=MANY_MODELS) as house, near(house, "2026-07-28") as client:
        values, total, more = await model_names(client, "BIG/m")
        assert (len(values), total, more) == (100, 250, True)
        assert values[0] == "big/m000"
        assert await model_names(client, "m12") == ([f"big/m12{digit}" for digit in range(10)], 10, False)
        assert await model_names(client, "nothing") == ([], 0, False)
        with pytest.raises(MCPError, match="No argument is called `name`"):
            await model_names(client, "x", name="name")
        with pytest.raises(MCPError, match="No template"):
            await client.complete(ResourceTemplateReference(uri="omniroute://health"), {"name": "id", "value": ""})
        with pytest.raises(MCPError, match="Did you mean `hand_over`"):
            await client.complete(PromptReference(name="hand_ower"), {"name": "id", "value": ""})


@BOTH_ERAS
@pytest.mark.parametrize(
    ("uri", "near_by"),
    [
        ("omniroute://combos/bot", ["both"]),
        ("omniroute://models/one/alpa", ["one/alpha"]),
        ("omniroute://healt", ["omniroute://health"]),
        ("omniroute://receipts/none", None),
        ("omniroute://combos/", None),
        ("file:///etc/passwd", None),
        ("omniroute://models/" + "x" * 5000, None),
    ],
)
async def test_what_is_not_there_is_said_as_each_era_wants_it(
    mode: str, uri: str, near_by: list[str] | None, tmp_path: Path
) -> None:
    async with a_house(tmp_path) as house, near(house, mode) as client:
        error = (await refusal(client, uri)).error
    assert error.code == (-32002 if mode == "legacy" else -32602)
    assert error.data["uri"] == uri
    assert error.data["code"] == "not_found"
    assert len(error.message) < 600
    if near_by is not None:
        assert error.data["nearest"][: len(near_by)] == near_by


@BOTH_ERAS
async def test_without_a_tools_scope_its_resources_are_neither_listed_nor_read(mode: str, tmp_path: Path) -> None:
    narrow = replace(OWNER, scopes=frozenset(("read:health",)))
    async with a_house(tmp_path) as house, near(house, mode, narrow) as client:
        assert [each.uri for each in (await client.list_resources()).resources] == ["omniroute://health"]
        assert (await client.list_resource_templates()).resource_templates == []
        assert (await client.list_prompts()).prompts == []
        assert await model_names(client, "") == ([], 0, False)
        for uri, scope in (
            ("omniroute://prices", "read:models"),
            ("omniroute://combos/both", "read:combos"),
            ("omniroute://combos/none", "read:combos"),
            ("omniroute://receipts/none", "read:usage"),
            ("omniroute://models/one/alpha", "read:models"),
        ):
            error = (await refusal(client, uri)).error
            assert (error.code, error.data["missing"]) == (-32003, [scope])
        assert (await read(client, "omniroute://health"))["status"] == "ok"


async def test_a_tool_that_is_not_shown_takes_its_resources_with_it(tmp_path: Path) -> None:
    without = replace(OWNER, view=View(exclude=frozenset(("omniroute_list_combos",))))
    async with a_house(tmp_path) as house, near(house, "2026-07-28", without) as client:
        assert [each.uri for each in (await client.list_resources()).resources] == FIXED
        assert "build_a_combo" not in [each.name for each in (await client.list_prompts()).prompts]
        assert "switched off" in (await refusal(client, "omniroute://combos/both")).error.message


async def test_over_http_a_missing_scope_is_told_before_the_message_is_read(tmp_path: Path) -> None:
    async with (
        a_house(tmp_path) as house,
        running(app_of(house)) as rig,
        httpx2.AsyncClient(base_url=rig.url, trust_env=False) as http,
    ):
        answer = await http.post(
            "/mcp",
            json={
                "jsonrpc": "2.0",
                "id": 1,
                "method": "resources/read",
                "params": {"uri": "omniroute://prices", "_meta": MODERN_META},
            },
            headers={
                "authorization": f"Bearer {NARROW_KEY}",
                "mcp-protocol-version": "2026-07-28",
                "mcp-method": "resources/read",
                "mcp-name": "omniroute://prices",
            },
        )
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert "read:models" in answer.headers["www-authenticate"]


@pytest.mark.parametrize("wire", ["http", "sse"])
async def test_a_receipt_is_its_own_callers_only(wire: str, tmp_path: Path) -> None:
    other = replace(OWNER, id="key-1", scopes=FULL)
    async with a_house(tmp_path, Upstream([openai_stream("Hi")])) as house, running(app_of(house)) as rig:
        mine = (await house.parts.turn.take(ask(house))).receipt.request_id
        theirs = (await house.parts.turn.take(ask(house, "Hello you", caller=other))).receipt.request_id
        async with over_http(rig.url, wire, "legacy") as client:
            ref = ResourceTemplateReference(uri="omniroute://receipts/{request_id}")
            assert (await client.complete(ref, {"name": "request_id", "value": ""})).completion.values == [mine]
            assert (await read(client, f"omniroute://receipts/{mine}"))["receipt"]["request_id"] == mine
            assert "No request" in (await refusal(client, f"omniroute://receipts/{theirs}")).error.message


@BOTH_ERAS
async def test_the_list_comes_in_pages(mode: str, tmp_path: Path) -> None:
    many = TWO_TARGETS + "".join(
        f'[[combos]]\nname = "combo-{number:03}"\ntargets = ["one/alpha"]\n' for number in range(60)
    )
    async with a_house(tmp_path, settings=many) as house, near(house, mode) as client:
        first = await client.list_resources()
        assert first.next_cursor is not None
        second = await client.list_resources(cursor=first.next_cursor)
        for cursor in ("x", "-1", "9" * 400, "\u0661"):
            with pytest.raises(MCPError, match="cursor"):
                await client.list_resources(cursor=cursor)
        assert (await client.list_resources(cursor="9999")).resources == []
    uris = [resource.uri for page in (first, second) for resource in page.resources]
    assert len(first.resources) == 50
    assert second.next_cursor is None
    assert len(uris) == len(set(uris)) == 2 + 2 + 60


async def test_what_depends_on_the_caller_is_kept_by_nobody_else(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, near(house, "2026-07-28") as client:
        answers: list[CacheableResult] = [
            await client.list_resources(),
            await client.list_resource_templates(),
            await client.list_prompts(),
            await client.read_resource("omniroute://health"),
        ]
    assert {answer.cache_scope for answer in answers} == {"private"}


@given(st.text(max_size=400) | st.text(max_size=400).map("omniroute://".__add__))
def test_any_address_names_a_resource_or_nothing(uri: str) -> None:
    with suppress(NotFound):
        resource, value = found(uri)
        assert uri.startswith(resource.prefix)
        assert len(value) <= 300


def test_every_resource_stands_on_a_tool_that_exists(house_tools: frozenset[str]) -> None:
    assert {PREFIX + resource.tool for resource in RESOURCES} <= house_tools


@pytest.fixture
async def house_tools(tmp_path: Path) -> frozenset[str]:
    async with a_house(tmp_path) as house:
        return names_in(house)


def names_in(house: House) -> frozenset[str]:
    return frozenset(tool.name for tool in house.tools)
