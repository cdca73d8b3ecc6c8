"""A strategy that cannot work on a combo is refused with a reason; an odd one is remarked upon."""

from typing import Any

import pytest

from omniroute_agent.engine.scoring import PACKS
from omniroute_agent.engine.situation import Candidate
from omniroute_agent.engine.strategies import STRATEGIES
from omniroute_agent.engine.strategies.validation import remarks, validate
from targets import FlatPrice, candidate

TWO = [candidate("a"), candidate("b")]


def test_every_strategy_without_needs_of_its_own_works_on_two_plain_targets() -> None:
    for strategy in STRATEGIES:
        options: dict[str, Any] = {"weights": {"a/m": 1, "b": 2}} if strategy == "weighted" else {}
        assert validate(strategy, options, TWO) == ()
        assert remarks(strategy, options, TWO) == ()


@pytest.mark.parametrize(
    ("strategy", "options", "finding"),
    [
        ("wieghted", {}, "No strategy is called `wieghted`. Did you mean `weighted`?"),
        ("weighted", {}, "`weighted` needs the option `weights`, for example { 'a/m' = 3 }."),
        ("weighted", {"weights": {}}, "`weights` has to be a table of target and weight."),
        (
            "weighted",
            {"weights": {"a/m": -1, "b/m": True}},
            "`weights` has to hold numbers from 0 up; it does not for `a/m`, `b/m`.",
        ),
        (
            "weighted",
            {"weights": {"a/n": 1}},
            "`weights` names `a/n`, which is no target of this combo. Did you mean `a/m`?",
        ),
        ("round-robin", {"stiky": 3}, "`round-robin` has no option `stiky`. Did you mean `sticky`?"),
        ("priority", {"sticky": 3}, "`priority` has no option `sticky`. Known: `adapt`."),
        ("round-robin", {"sticky": 0}, "`sticky` has to be a whole number from 1 to 1000."),
        ("round-robin", {"sticky": 2.5}, "`sticky` has to be a whole number from 1 to 1000."),
        ("auto", {"exploration": 0.6}, "`exploration` has to be a number from 0 to 0.5."),
        (
            "auto",
            {"pack": "cost-safer"},
            f"`pack` has to be one of {', '.join(PACKS)}. Did you mean `cost-saver`?",
        ),
        ("auto", {"adapt": 1}, "`adapt` has to be true or false."),
    ],
)
def test_what_cannot_work_is_said_with_the_nearest_word(strategy: str, options: dict[str, Any], finding: str) -> None:
    assert finding in validate(strategy, options, TWO)


def test_cost_optimized_needs_a_price_and_the_local_model_is_none() -> None:
    unpriced = [candidate("a", price=None), candidate("local", price=FlatPrice(), last_resort=True)]
    (finding,) = validate("cost-optimized", {}, unpriced)
    assert finding == (
        "`cost-optimized` needs a price, and none of its targets has a known one. "
        'Give one in the settings file under [prices."a/m"].'
    )
    mixed = [*unpriced, candidate("b")]
    assert validate("cost-optimized", {}, mixed) == ()
    assert remarks("cost-optimized", {}, mixed) == ("Of unknown price and so tried last: `a/m`.",)


def test_context_optimized_needs_a_window() -> None:
    unsized = [candidate("a", context_tokens=None)]
    assert validate("context-optimized", {}, unsized) == (
        "`context-optimized` needs a context window: none of its targets has a known one.",
    )
    assert remarks("context-optimized", {}, [*unsized, *TWO]) == (
        "Of unknown context window and so tried last: `a/m`.",
    )


@pytest.mark.parametrize("targets", [[], [candidate("local", last_resort=True)]])
def test_a_combo_that_leads_nowhere_now_is_only_checked_for_its_options(targets: list[Candidate]) -> None:
    assert validate("cost-optimized", {}, targets) == ()
    assert validate("round-robin", {"sticky": -1}, targets) != ()


def test_a_round_of_one_is_pointless_but_allowed() -> None:
    one = [candidate("a"), candidate("local", last_resort=True)]
    assert validate("round-robin", {}, one) == ()
    assert remarks("round-robin", {}, one) == (
        "`round-robin` has only `a/m` to choose from: every strategy does the same here.",
    )
    assert remarks("priority", {}, one) == ()


def test_weights_that_leave_someone_out_are_remarked_upon() -> None:
    assert remarks("weighted", {"weights": {"a/m": 1}}, TWO) == (
        "Without a weight and so only tried after the others: `b/m`.",
    )
    assert remarks("weighted", {"weights": {"a/m": 0}}, TWO) == ("All weights are 0, so all targets are alike.",)
