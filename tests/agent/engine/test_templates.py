"""Templates choose from what is connected, and say why where they cannot."""

from dataclasses import replace
from pathlib import Path

import pytest

from houses import a_house
from omniroute_agent.engine.combos import Change
from omniroute_agent.engine.findings import Examiner
from omniroute_agent.engine.situation import Candidate
from omniroute_agent.engine.templates import TEMPLATES, Cannot, Made, usable
from omniroute_agent.kernel.tier import Tier
from omniroute_agent.providers.model import Provider
from targets import FlatPrice, candidate

PRICED = FlatPrice(1, 2)


def model(
    name: str,
    model_name: str = "m",
    *,
    price: FlatPrice | None = PRICED,
    tier: Tier = "key",
    provider: str | None = None,
    default: str | None = None,
    tools: bool | None = True,
    context_tokens: int | None = 100_000,
    last_resort: bool = False,
    unavailable: str | None = None,
) -> Candidate:
    made = candidate(
        name,
        model_name,
        price=price,
        tools=tools,
        context_tokens=context_tokens,
        last_resort=last_resort,
        unavailable=unavailable,
    )
    of = replace(made.connection.provider, id=provider or name)
    return replace(made, connection=replace(made.connection, provider=of, tier=tier, default_model=default))


def made(template: str, *pool: Candidate) -> Made:
    result = TEMPLATES[template].make(usable(pool))
    assert isinstance(result, Made), result
    return result


def why_not(template: str, *pool: Candidate) -> str:
    result = TEMPLATES[template].make(usable(pool))
    assert isinstance(result, Cannot), result
    return result.why


FREE = FlatPrice(0, 0)


def test_the_free_stack_takes_one_free_model_of_each_connection_in_turn() -> None:
    found = made(
        "free-stack",
        model("hub", "small:free", price=FREE, context_tokens=8_000),
        model("hub", "large:free", price=FREE, context_tokens=128_000),
        model("hub", "paid"),
        model("ollama", "llama", price=None, tier="free", default="llama"),
        model("paid", "gpt"),
    )
    assert found == Made(targets=("hub/large:free", "ollama/llama"), strategy="round-robin")


def test_one_free_model_needs_no_turns() -> None:
    assert made("free-stack", model("a", price=FREE)) == Made(targets=("a/m",), strategy="priority")


def test_without_a_free_model_there_is_no_free_stack() -> None:
    assert "known to cost nothing" in why_not("free-stack", model("a"), model("b", price=None))
    assert "known to cost nothing" in why_not("free-stack", model("local", price=FREE, last_resort=True))


def test_high_availability_puts_neighbours_at_different_providers() -> None:
    found = made(
        "high-availability",
        model("work", provider="openai", default="m"),
        model("home", provider="openai", default="m"),
        model("plan", provider="anthropic", default="m", tier="subscription"),
        model("plan", "other", provider="anthropic", default="m", tier="subscription"),
    )
    assert found == Made(targets=("plan/m", "work/m", "home/m"), strategy="lkgp")


def test_two_accounts_at_one_provider_are_not_highly_available() -> None:
    why = why_not(
        "high-availability", model("work", provider="o", default="m"), model("home", provider="o", default="m")
    )
    assert "at least two providers" in why
    assert "no provider is connected" in why_not("high-availability")


def test_own_servers_fail_one_by_one_even_under_one_kind_of_provider() -> None:
    pool = [model(name, provider="custom-openai", default="m") for name in ("lab", "attic")]
    apart = [replace(c, connection=replace(c.connection, provider=_without_address(c))) for c in pool]
    assert made("high-availability", *apart).targets == ("lab/m", "attic/m")


def _without_address(found: Candidate) -> Provider:
    return replace(found.connection.provider, base_url="")


def test_cost_saver_takes_the_cheapest_that_can_use_tools_of_each_and_leaves_unknown_prices_out() -> None:
    found = made(
        "cost-saver",
        model("a", "tiny", price=FlatPrice(1, 1), tools=False),
        model("a", "able", price=FlatPrice(5, 5)),
        model("a", "dear", price=FlatPrice(9, 9)),
        model("b", "only", price=FlatPrice(2, 2), tools=None),
        model("c", "secret", price=None),
    )
    assert found == Made(targets=("b/only", "a/able"), strategy="cost-optimized")


def test_without_a_price_there_is_nothing_to_save() -> None:
    assert "known price" in why_not("cost-saver", model("a", price=None))


def test_balanced_scores_one_model_of_each_connection() -> None:
    found = made(
        "balanced",
        model("a", default="m"),
        model("b", tier="free", default="m"),
        model("c", tier="subscription", default="m"),
        model("d", "x"),
        model("d", "y"),
        model("gone", default="m", unavailable="It has no key."),
    )
    assert found == Made(targets=("c/m", "a/m", "b/m"), strategy="auto", options={"pack": "balanced"})
    assert "1 can be used here" in why_not("balanced", model("a", default="m"))
    assert "none can be used here" in why_not("balanced")


@pytest.mark.parametrize("template", TEMPLATES)
async def test_whatever_a_template_makes_can_be_saved(tmp_path: Path, template: str) -> None:
    async with a_house(tmp_path) as house:
        parts = house.parts
        pool = [
            Candidate(connection=connection, model=entry.model, facts=entry.facts)
            for entry in await parts.catalogue.list()
            if (connection := await parts.connections.find(entry.connection)) is not None
        ]
        result = TEMPLATES[template].make(usable(pool))
        if isinstance(result, Cannot):
            assert template == "free-stack"
            return
        change = Change(targets=result.targets, strategy=result.strategy, options=result.options, template=template)
        saved, findings = await Examiner(parts.combos, parts.catalogue).save("made", change, new=True)
    assert (saved.source, saved.template) == ("template", template)
    assert findings.all == ()
