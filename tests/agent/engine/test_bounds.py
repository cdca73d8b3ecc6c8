"""What is reserved is an upper bound for each model of its own, and nothing travels along that would make it dearer."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import START, Upstream, openai_stream
from houses import TWO_TARGETS, a_house, ask
from omniroute_agent.engine.eligibility import MIN_OUTPUT, affordable
from omniroute_agent.engine.extras import Surcharged, affordable_rest, removed, with_surcharge
from omniroute_agent.engine.needs import needs_of
from omniroute_agent.kernel.chat import Chat, Image, Message, Text, ToolResult, Usage
from omniroute_agent.providers.tokens import CLAUDE_IMAGE_BOUND, IMAGE_BOUND, count_chat, upper_bound
from targets import FlatPrice, candidate

PICTURE = Image(media_type="image/png", data="aGk=")
SEEN = Chat(
    model="",
    messages=(Message("user", (Text("What is this?"), PICTURE, ToolResult("c", (PICTURE,)))),),
)

CLAUDE = """
[[connections]]
id = "claude"
provider = "custom-openai"
base_url = "https://claude.example/v1"
key = "obviously-fake"
models = ["claude-opus-4-5", "some-model"]

[prices."claude/claude-opus-4-5"]
input = "1"
output = "1"

[prices."claude/some-model"]
input = "1"
output = "1"

[[combos]]
name = "seeing"
targets = ["claude/claude-opus-4-5", "claude/some-model"]
"""


@pytest.mark.parametrize(("model", "each"), [("claude-opus-4-5", CLAUDE_IMAGE_BOUND), ("some-model", IMAGE_BOUND)])
def test_the_bound_of_a_picture_is_the_one_of_the_model_that_sees_it(model: str, each: int) -> None:
    counted = count_chat(SEEN, model)
    needs = needs_of(SEEN, input_tokens=counted.tokens, input_source=counted.source)
    assert needs.vision
    assert needs.bound(model) == upper_bound(SEEN, model=model)
    assert needs.bound(model) - needs.input_bound == 2 * each
    assert needs.bound(model) >= counted.tokens


async def test_each_target_is_reserved_for_by_its_own_bound(tmp_path: Path) -> None:
    async with a_house(tmp_path, settings=CLAUDE) as house:
        request = replace(ask(house, combo="seeing"), chat=replace(SEEN, max_tokens=100))
        planned, _, _ = await house.parts.engine.plan(request)
    worst = {choice.model: choice.worst_cost or 0 for choice in planned.plan.choices}
    assert worst["some-model"] - worst["claude-opus-4-5"] == 2 * (IMAGE_BOUND - CLAUDE_IMAGE_BOUND) * 1000


async def test_fields_that_would_make_a_call_dearer_are_not_sent_and_the_plan_says_so(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hi")])
    async with a_house(tmp_path, upstream, settings=TWO_TARGETS) as house:
        request = ask(house)
        chat = replace(request.chat, origin="openai-chat", rest={"service_tier": "priority", "n": 4, "seed": 7})
        done = await house.parts.turn.take(replace(request, chat=chat))
        planned, _, _ = await house.parts.engine.plan(replace(request, chat=chat))
    (body,) = upstream.bodies
    assert body["seed"] == 7
    assert not {"service_tier", "n"} & body.keys()
    assert done.receipt.served_by == "one/alpha"
    assert "Not sent, because it would cost more than is reserved: n, service_tier." in planned.plan.notes


@pytest.mark.parametrize("tier", ["default", "flex", "auto", "standard_only", "on_demand", None])
def test_a_tier_that_is_not_dearer_is_sent(tier: str | None) -> None:
    assert affordable_rest({"service_tier": tier}) == {"service_tier": tier}


@pytest.mark.parametrize("value", ["priority", "fast", 7, [], {}])
def test_a_tier_nobody_knows_is_not_sent(value: object) -> None:
    assert removed({"service_tier": value, "user": "u"}) == ("service_tier",)  # type: ignore[dict-item]


def test_inference_in_one_region_is_reckoned_with_where_it_is_asked_for() -> None:
    chat = replace(SEEN, origin="anthropic-messages", rest={"inference_geo": "us"})
    there = candidate("a", dialect="anthropic-messages", price=FlatPrice(3, 7))
    elsewhere, unpriced = (
        candidate("b", price=FlatPrice(3, 7)),
        candidate("c", dialect="anthropic-messages", price=None),
    )
    dearer, same, unknown = with_surcharge((there, elsewhere, unpriced), chat)
    assert (same, unknown) == (elsewhere, unpriced)
    price = dearer.facts.price
    assert isinstance(price, Surcharged)
    assert price.cost(Usage(input_tokens=1, output_tokens=1), START) == 11
    assert price.worst(10, 10, START) == 110
    assert (price.input_per_million, price.output_per_million) == (3_300_000, 7_700_000)
    assert "110 %" in price.source
    assert with_surcharge((there,), replace(chat, rest={"inference_geo": "global"})) == (there,)


@dataclass(frozen=True)
class Bent(FlatPrice):
    """Dearer from a length on, as if another hour began."""

    bend: int = 100

    def worst(self, input_tokens: int, output_tokens: int, at: datetime) -> int:
        more = max(output_tokens - self.bend, 0) * self.output * 9
        return -(-(super().worst(input_tokens, output_tokens, at) + more) // 7)

    def tariff(self, input_tokens: int, bound: int, at: datetime) -> None:  # noqa: ARG002 (the shape of the port)
        return None


@given(
    price=st.builds(Bent, input=st.integers(0, 50), output=st.integers(1, 50), bend=st.integers(0, 5000)),
    left=st.integers(0, 200_000),
    cap=st.integers(1, 9000),
    bound=st.integers(0, 500),
)
def test_the_affordable_answer_is_the_longest_that_fits(price: Bent, left: int, cap: int, bound: int) -> None:
    found = affordable(price, bound, left, cap, START)
    fitting = [tokens for tokens in range(1, cap + 1) if price.worst(bound, tokens, START) <= left]
    longest = max(fitting, default=0)
    assert found == (longest if longest >= min(MIN_OUTPUT, cap) else None)
