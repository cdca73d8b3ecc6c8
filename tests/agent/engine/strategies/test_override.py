"""Size and complexity of a request may replace the strategy, and the reason says so."""

from typing import Any

import pytest

from omniroute_agent.engine.situation import ComboState
from omniroute_agent.engine.strategies.override import complexity, override
from omniroute_agent.kernel.chat import Chat, Message, Text, ToolResult, ToolSpec
from pools import option, pool
from targets import needs


def chat(text: str = "Hello", *, tools: int = 0, results: int = 0, effort: Any = None) -> Chat:
    return Chat(
        model="",
        messages=(
            *(Message("user", (ToolResult("c", (Text("deploy"),)),)) for _ in range(results)),
            Message("user", (Text(text),)),
        ),
        tools=tuple(ToolSpec(f"t{i}", "", {}) for i in range(tools)),
        reasoning_effort=effort,
    )


AUTO = ComboState()
SMALL = needs(input_tokens=20)


def test_a_small_plain_request_goes_to_the_cheapest() -> None:
    assert override("auto", AUTO, chat(), SMALL, pool("a", "b")) == (
        "cost-optimized",
        "20 input tokens and nothing special asked: any of them will do, so the cheapest",
    )


@pytest.mark.parametrize(
    "asked",
    [needs(input_tokens=200), needs(input_tokens=20, tools=True), needs(input_tokens=20, json_schema=True)],
)
def test_a_request_with_a_wish_keeps_the_strategy(asked: Any) -> None:
    assert override("auto", AUTO, chat(), asked, pool("a", "b")) is None


def test_without_a_known_price_there_is_no_cheapest() -> None:
    assert override("auto", AUTO, chat(), SMALL, [option("a", cost=None), option("b", cost=None)]) is None


def test_much_input_goes_where_there_is_room() -> None:
    options = [option("a", context_tokens=100_000), option("b", context_tokens=1_000_000), option("c")]
    changed = override("auto", AUTO, chat(), needs(input_tokens=60_000), options)
    assert changed == (
        "context-optimized",
        "60000 input tokens fill 60% of the smallest window here, so the largest goes first",
    )
    unknown = [option("a", context_tokens=None), option("b", context_tokens=None)]
    assert override("auto", AUTO, chat(), needs(input_tokens=60_000), unknown) is None


def test_a_complex_request_goes_to_the_owners_first_choice() -> None:
    hard = chat("Deploy this to production", tools=12, results=10, effort="high")
    assert complexity(hard) == ("12 tools", "reasoning effort high", "10 results of tools so far", "`deploy`")
    changed = override("auto", AUTO, hard, needs(input_tokens=60_000), pool("a", "b"))
    assert changed is not None
    assert changed[0] == "priority"
    assert changed[1].startswith("a complex request (12 tools, ")
    assert override("auto", AUTO, chat(tools=12), needs(), pool("a", "b")) is None


def test_only_an_undecided_owner_is_overridden() -> None:
    two = pool("a", "b")
    assert override("round-robin", AUTO, chat(), SMALL, two) is None
    assert override("auto", ComboState(options={"pack": "quality-first"}), chat(), SMALL, two) is None
    assert override("auto", ComboState(options={"adapt": False}), chat(), SMALL, two) is None
    asked = ComboState(options={"adapt": True})
    assert override("round-robin", asked, chat(), SMALL, two) is not None
    assert override("cost-optimized", asked, chat(), SMALL, two) is None
    assert override("auto", AUTO, chat(), SMALL, pool("a")) is None
