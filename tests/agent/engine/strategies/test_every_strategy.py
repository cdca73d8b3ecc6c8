"""What holds for all of them: list in, list out, nothing lost, nothing invented, nothing that cannot be replayed."""

import re
from itertools import product

import pytest
from hypothesis import given
from pydantic import JsonValue

from omniroute_agent.engine.combos import Combo
from omniroute_agent.engine.plan import make_plan
from omniroute_agent.engine.situation import Situation
from omniroute_agent.engine.strategies import STRATEGIES, Option
from omniroute_agent.engine.strategies.validation import remarks, validate
from pools import json_values, moment, option, order, pool, run, worlds
from targets import candidate, needs, request, situation

every = pytest.mark.parametrize("strategy", STRATEGIES)


def test_the_table_has_the_fifteen_strategies() -> None:
    assert set(STRATEGIES) == {
        "priority",
        "weighted",
        "round-robin",
        "random",
        "strict-random",
        "fill-first",
        "p2c",
        "least-used",
        "cost-optimized",
        "context-optimized",
        "lkgp",
        "headroom",
        "reset-aware",
        "cache-affinity",
        "auto",
    }


@given(world=worlds())
def test_every_option_is_ranked_once_with_a_reason_and_the_same_draws_rank_alike(
    world: tuple[list[Option], Situation],
) -> None:
    options, at = world
    before = list(options)
    for strategy in STRATEGIES:
        ranked = run(strategy, options, at)
        assert sorted(map(id, (r.option for r in ranked))) == sorted(map(id, options)), strategy
        assert options == before
        assert all(re.match(r"\w", r.because) and not r.because.endswith(".") for r in ranked)
        assert run(strategy, options, at) == ranked


@every
def test_one_option_and_none_are_no_trouble(strategy: str) -> None:
    assert run(strategy, [], moment()) == []
    assert order(run(strategy, pool("a"), moment())) == ["a"]
    assert order(run(strategy, pool("a", "b"), situation())).count("a") == 1


@every
def test_every_strategy_makes_a_plan_of_a_situation_in_which_nothing_was_measured(strategy: str) -> None:
    made = make_plan(
        request(),
        needs(),
        asked="combo/c",
        combo=Combo(name="c", targets=("a/m", "b/m"), strategy=strategy),
        candidates=[candidate("a"), candidate("b", price=None)],
        unknown_targets=(),
        situation=situation(),
    ).plan
    assert sorted(choice.target for choice in made.choices) == ["a/m", "b/m"]
    assert made.strategy == strategy


@given(value=json_values)
def test_validation_reads_any_option(value: JsonValue) -> None:
    targets = [option("a").candidate, option("b", cost=None, context_tokens=None).candidate]
    for strategy, name in product(STRATEGIES, ("weights", "sticky", "pack", "exploration", "adapt")):
        for found in (validate, remarks):
            assert all(text.endswith((".", "?")) for text in found(strategy, {name: value}, targets))
