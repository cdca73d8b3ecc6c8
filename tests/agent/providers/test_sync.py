"""Reading the providers' own lists, in each dialect's way, through a real house."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fakes import CountedIds, FakeClock, Pieces, openai_error
from houses import a_house
from omniroute_agent.app import House, caretakers_of
from omniroute_agent.kernel.errors import NotFound
from omniroute_agent.providers.aliases import SHORT_NAMES
from omniroute_agent.providers.known import LOOK_SECONDS
from omniroute_agent.providers.sync import DAY_SECONDS, SyncReport
from omniroute_agent.providers.table import PROVIDERS
from scripted_lists import Lists, of_names

HOSTED = """
[[connections]]
id = "lab"
provider = "{provider}"
base_url = "https://lab.example"
key = "obviously-fake"
"""
LIST = "https://lab.example/models"


def lab(provider: str = "custom-openai") -> str:
    return HOSTED.format(provider=provider)


async def read(house: House, name: str = "lab", *, shorter: bool = False) -> SyncReport:
    (report,) = await house.parts.model_sync.sync(name, shorter=shorter)
    return report


async def listed(house: House, name: str = "lab") -> list[str]:
    return [entry.model for entry in await house.parts.catalogue.list(provider=name)]


async def test_an_openai_list_holds_chat_models_only_and_what_hosts_add_is_read(tmp_path: Path) -> None:
    answer = of_names("text-embedding-3-small", "whisper-1", "mind-2")
    answer["data"] += [
        {"id": "wide", "context_window": 131_072, "max_completion_tokens": 8_192},
        {"id": "seeing", "max_context_length": 32_000, "capabilities": {"completion_chat": True, "vision": True}},
        {"id": "reader", "capabilities": {"completion_chat": False}},
        {"id": "painter", "type": "image"},
    ]
    async with a_house(tmp_path, Lists({LIST: answer}), settings=lab()) as house:
        report = await read(house)
        assert (report.total, report.added) == (3, ("mind-2", "seeing", "wide"))
        found = {entry.model: entry for entry in await house.parts.catalogue.list()}
        assert list(found) == ["mind-2", "seeing", "wide"]
        assert (found["wide"].facts.context_tokens, found["wide"].facts.max_output_tokens) == (131_072, 8_192)
        assert (found["seeing"].facts.vision, found["mind-2"].facts.vision) == (True, None)
        assert found["wide"].origin == "provider's list"
        assert [f"{c.id}/{m}" for c, m in await house.parts.catalogue.resolve("wide")] == ["lab/wide"]


async def test_an_anthropic_list_is_read_to_its_last_page_with_the_key_it_wants(tmp_path: Path) -> None:
    def page(request: httpx2.Request) -> httpx2.Response:
        first = "after_id" not in request.url.params
        name = "claude-opus-9" if first else "claude-haiku-9"
        entry = {
            "id": name,
            "type": "model",
            "max_input_tokens": 500_000,
            "max_tokens": 64_000,
            "capabilities": {"image_input": {"supported": True}, "thinking": {"supported": not first}},
        }
        return httpx2.Response(200, json={"data": [entry], "has_more": first, "first_id": name, "last_id": name})

    lists = Lists({LIST: page})
    async with a_house(tmp_path, lists, settings=lab("custom-anthropic")) as house:
        report = await read(house)
        assert report.added == ("claude-haiku-9", "claude-opus-9")
        entries = {entry.model: entry.facts for entry in await house.parts.catalogue.list()}
    assert [str(request.url.query, "ascii") for request in lists.seen] == [
        "limit=1000",
        "limit=1000&after_id=claude-opus-9",
    ]
    assert lists.seen[0].headers["x-api-key"] == "obviously-fake"
    facts = entries["claude-opus-9"]
    assert (facts.context_tokens, facts.max_output_tokens, facts.vision, facts.reasoning) == (
        500_000,
        64_000,
        True,
        False,
    )


async def test_a_gemini_list_is_read_to_its_last_page_and_names_lose_their_kind(tmp_path: Path) -> None:
    def page(request: httpx2.Request) -> httpx2.Response:
        first = "pageToken" not in request.url.params
        model: dict[str, Any] = {
            "name": "models/gemini-9-flash" if first else "models/gemini-9-pro",
            "inputTokenLimit": 2_000_000,
            "outputTokenLimit": 70_000,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }
        other = {"name": "models/embedder", "supportedGenerationMethods": ["embedContent"]}
        answer: dict[str, Any] = {"models": [model, other]}
        return httpx2.Response(200, json=answer | ({"nextPageToken": "t1"} if first else {}))

    lists = Lists({LIST: page})
    async with a_house(tmp_path, lists, settings=lab("custom-gemini")) as house:
        assert (await read(house)).added == ("gemini-9-flash", "gemini-9-pro")
        (facts,) = [e.facts for e in await house.parts.catalogue.list() if e.model == "gemini-9-pro"]
    assert (facts.context_tokens, facts.max_output_tokens) == (2_000_000, 70_000)
    assert lists.seen[1].url.params["pageToken"] == "t1"


async def test_an_ollama_list_is_read_from_its_tags(tmp_path: Path) -> None:
    tags = {
        "models": [
            {"name": "qwen9:4b", "capabilities": ["completion", "tools", "thinking"]},
            {"name": "llama9:8b"},
            {"name": "embedder:1b", "capabilities": ["embedding"]},
        ]
    }
    lists = Lists({"https://lab.example/api/tags": tags})
    async with a_house(tmp_path, lists, settings=lab("custom-ollama")) as house:
        assert (await read(house)).added == ("llama9:8b", "qwen9:4b")
        facts = {e.model: e.facts for e in await house.parts.catalogue.list()}
    assert (facts["qwen9:4b"].tools, facts["qwen9:4b"].vision) == (True, False)


async def test_openrouters_list_tells_prices_windows_and_ends_and_is_paged_by_its_link(tmp_path: Path) -> None:
    def page(request: httpx2.Request) -> httpx2.Response:
        if "offset" in request.url.params:
            return httpx2.Response(200, json=of_names("vendor/plain"))
        rows = [
            {
                "id": "vendor/mind-9",
                "context_length": 200_000,
                "top_provider": {"max_completion_tokens": 9_000},
                "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
                "supported_parameters": ["tools", "max_tokens"],
                "pricing": {"prompt": "0.0000005", "completion": "0.000002", "input_cache_read": "0.00000005"},
                "expiration_date": "2026-12-01",
            },
            {"id": "vendor/depends", "pricing": {"prompt": "-1", "completion": "-1"}},
            {"id": "vendor/mad", "pricing": {"prompt": "1e300", "completion": "1e300"}},
            {"id": "vendor/nothing", "pricing": {"prompt": "0", "completion": "0"}},
            {"id": "vendor/gift:free", "pricing": {"prompt": "0", "completion": "0"}},
            {"id": "vendor/painter", "architecture": {"output_modalities": ["image"]}},
        ]
        return httpx2.Response(200, json={"data": rows, "links": {"next": "/api/v1/models?offset=500&limit=500"}})

    lists = Lists({LIST: page})
    async with a_house(tmp_path, lists, settings=lab("openrouter")) as house:
        await read(house)
        found = {e.model: e for e in await house.parts.catalogue.list()}
    assert lists.seen[1].url.params["offset"] == "500"
    assert "vendor/plain" in found
    assert "vendor/painter" not in found
    facts = found["vendor/mind-9"].facts
    assert facts.price is not None
    assert (facts.price.input_per_million, facts.price.output_per_million) == (500_000_000, 2_000_000_000)
    assert facts.price.source == "lab's own list"
    assert (facts.vision, facts.tools, facts.json_schema, facts.max_output_tokens) == (True, True, False, 9_000)
    retirement = found["vendor/mind-9"].retirement
    assert retirement is not None
    assert (retirement.word, retirement.why) == ("deprecated", "its provider switches it off on 2026-12-01")
    unknown = [
        name for name in ("vendor/depends", "vendor/nothing", "vendor/mad") if found[name].facts.price is not None
    ]
    assert unknown == []
    assert found["vendor/gift:free"].free


FULL = tuple(f"mind-{number}" for number in range(10))

BROKEN: dict[str, Any] = {
    "empty": of_names(),
    "no chat model": of_names("whisper-1", "text-embedding-3-small"),
    "absurdly shorter": of_names("mind-0", "mind-1"),
    "an error": openai_error(500, "down"),
    "refused": openai_error(401, "bad key"),
    "no list": {"hello": "world"},
    "no names": {"data": [{"name": "x"}]},
    "a name of control characters": {"data": [{"id": "x\u0007y"}]},
    "a bare text": "models",
    "no JSON": httpx2.Response(200, text="<html>"),
    "cut JSON": httpx2.Response(200, text='{"data": [{"id": "mind-0"}'),
    "a redirect": httpx2.Response(302, headers={"location": "https://elsewhere.example/models"}),
    "compressed": lambda _: httpx2.Response(200, headers={"content-encoding": "gzip"}, stream=Pieces([b"x"])),
    "too long": lambda _: httpx2.Response(200, stream=Pieces([b" " * 1_048_576] * 17)),
    "a page that leads back": {"data": [{"id": "mind-0"}], "links": {"next": "/models?offset=0"}},
    "a bad header": lambda _: (_ for _ in ()).throw(UnicodeEncodeError("ascii", "secret", 0, 1, "no")),
    "a broken connection": lambda _: (_ for _ in ()).throw(httpx2.ReadError("reset")),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_list_that_is_none_changes_nothing_and_says_so(tmp_path: Path, what: str) -> None:
    lists = Lists({LIST: of_names(*FULL)})
    async with a_house(tmp_path, lists, settings=lab()) as house:
        await read(house)
        lists.pages[LIST] = BROKEN[what]
        report = await read(house)
        assert report.trouble is not None
        assert "Nothing was changed" in report.trouble
        assert (report.total, report.added, report.removed) == (10, (), ())
        assert await listed(house) == sorted(FULL)
        known = await house.parts.known.look(fresh=True)
        assert known.troubles == {"lab": report.trouble}
        lists.pages[LIST] = of_names(*FULL, "mind-x")
        assert (await read(house)).added == ("mind-x",)
        assert (await house.parts.known.look(fresh=True)).troubles == {}


async def test_a_much_shorter_list_is_taken_when_its_owner_says_so(tmp_path: Path) -> None:
    lists = Lists({LIST: of_names(*FULL)})
    async with a_house(tmp_path, lists, settings=lab()) as house:
        await read(house)
        lists.pages[LIST] = of_names("mind-0")
        assert (await read(house)).trouble is not None
        assert (await read(house, shorter=True)).removed == FULL[1:]
        assert await listed(house) == ["mind-0"]


async def test_a_fixed_list_of_the_owner_stays_what_it_is(tmp_path: Path) -> None:
    settings = lab() + 'models = ["only"]\n'
    async with a_house(tmp_path, Lists({LIST: of_names("other")}), settings=settings) as house:
        assert (await read(house)).added == ("other",)
        assert await listed(house) == ["only"]


async def test_the_plain_name_of_a_listed_snapshot_is_served_too(tmp_path: Path) -> None:
    async with a_house(tmp_path, Lists({LIST: of_names("mind-4-5-20260101")}), settings=lab()) as house:
        await read(house)
        assert [m for _, m in await house.parts.catalogue.resolve("mind-4-5")] == ["mind-4-5"]
        assert await house.parts.catalogue.resolve("mind-4-6") == ()


async def test_a_model_that_comes_back_is_current_again(tmp_path: Path) -> None:
    lists = Lists({LIST: of_names(*FULL)})
    async with a_house(tmp_path, lists, settings=lab()) as house:
        await read(house)
        lists.pages[LIST] = of_names(*FULL[1:])
        await read(house)
        (connection,) = await house.parts.connections.all()
        assert house.parts.catalogue.succession.retirement(connection, "mind-0") is not None
        lists.pages[LIST] = of_names(*FULL)
        assert (await read(house)).added == ("mind-0",)
        assert house.parts.catalogue.succession.retirement(connection, "mind-0") is None


async def test_lists_are_read_once_a_day_by_one_process_and_only_with_a_key(tmp_path: Path) -> None:
    settings = lab() + '[[connections]]\nid = "open"\nprovider = "custom-openai"\nbase_url = "https://open.example"\n'
    lists, clock = Lists({LIST: of_names(*FULL)}), FakeClock()
    async with (
        a_house(tmp_path, lists, settings=settings, clock=clock) as house,
        a_house(tmp_path, lists, settings=settings, clock=clock, ids=CountedIds(1000)) as neighbour,
    ):
        reports = [
            *await house.parts.model_sync.sync_due(),
            *await neighbour.parts.model_sync.sync_due(),
            *await house.parts.model_sync.sync_due(),
        ]
        assert [report.connection for report in reports] == ["lab"]
        clock.advance(LOOK_SECONDS)
        assert await listed(neighbour) == sorted(FULL)
        clock.advance(timedelta(hours=26, minutes=25).total_seconds())
        assert len(await neighbour.parts.model_sync.sync_due()) == 1
        clock.advance(DAY_SECONDS / 2)
        assert await house.parts.model_sync.sync_due() == ()
    assert {request.url.host for request in lists.seen} == {"lab.example"}


async def test_only_a_connection_that_exists_can_be_asked(tmp_path: Path) -> None:
    async with a_house(tmp_path, Lists(), settings=lab()) as house:
        with pytest.raises(NotFound):
            await house.parts.model_sync.sync("nobody")


async def test_a_short_name_stands_for_its_provider_unless_a_connection_has_it(tmp_path: Path) -> None:
    assert set(SHORT_NAMES.values()) <= set(PROVIDERS)
    assert not set(SHORT_NAMES) & set(PROVIDERS)
    environment = {"ANTHROPIC_API_KEY": "obviously-fake"}
    async with a_house(tmp_path, Lists(), settings="", environment=environment) as house:
        found = await house.parts.catalogue.resolve("claude/claude-haiku-4-5")
        assert [f"{c.id}/{m}" for c, m in found] == ["anthropic/claude-haiku-4-5"]
    own = lab().replace('"lab"', '"claude"') + 'models = ["claude-haiku-4-5"]\n'
    async with a_house(tmp_path / "other", Lists(), settings=own, environment=environment) as house:
        found = await house.parts.catalogue.resolve("claude/claude-haiku-4-5")
        assert [f"{c.id}/{m}" for c, m in found] == ["claude/claude-haiku-4-5"]


async def test_the_house_reads_the_lists_by_itself_unless_that_is_switched_off(tmp_path: Path) -> None:
    lists = Lists({LIST: of_names(*FULL)})
    async with a_house(tmp_path, lists, settings=lab()) as house:
        (reader,) = [c for c in caretakers_of(house, house.parts.database) if c.name == "lists of models"]
        await reader.job()
        assert await listed(house) == sorted(FULL)
    off = lab() + "[catalogue]\nsync = false\n"
    async with a_house(tmp_path / "off", lists, settings=off) as house:
        assert "lists of models" not in [c.name for c in caretakers_of(house, house.parts.database)]
