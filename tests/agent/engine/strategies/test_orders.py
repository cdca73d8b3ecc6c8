"""Strategies that order by what is known: use, windows, memory, quota."""

from dataclasses import replace

import pytest

from omniroute_agent.engine.situation import QuotaWindow
from omniroute_agent.engine.strategies.turns import answered, routed
from omniroute_agent.kernel.record import Affinity, TargetStats
from pools import NOW, moment, option, order, pool, run

HOUR = 3_600.0


def window(left: float | None, *, resets_in: float | None = HOUR, seconds: float | None = 5 * HOUR) -> QuotaWindow:
    return QuotaWindow(
        window="5h", left=left, resets_at=None if resets_in is None else NOW + resets_in, seconds=seconds
    )


def test_least_used_takes_the_one_with_the_fewest_recent_attempts_then_the_one_that_rested_longest() -> None:
    stats = {
        "a/m": TargetStats(attempts=3),
        "b/m": TargetStats(attempts=1, last_used_at=200.0),
        "c/m": TargetStats(attempts=1, last_used_at=100.0),
    }
    ranked = run("least-used", pool("a", "b", "c", "d"), moment(stats=stats))
    assert order(ranked) == ["d", "c", "b", "a"]
    assert ranked[3].because == "3 attempts in the last 60 minutes"


def test_context_optimized_puts_the_largest_window_first_and_an_unknown_one_last() -> None:
    options = [
        option("a", 0, context_tokens=None),
        option("b", 1, context_tokens=8_000),
        option("c", 2, context_tokens=1_000_000),
    ]
    ranked = run("context-optimized", options, moment())
    assert order(ranked) == ["c", "b", "a"]
    assert ranked[0].because == "a context window of 1000000 tokens"
    assert ranked[2].because == "its context window is unknown, so it comes last"


def test_round_robin_stays_three_requests_with_each_and_starves_nobody() -> None:
    options, state = pool("a", "b", "c"), moment(pool=("a/m", "b/m", "c/m")).combo
    led: list[str] = []
    for _ in range(12):
        ranked = run("round-robin", options, replace(moment(), combo=state))
        led.append(order(ranked)[0])
        state = routed(state, [r.option.name for r in ranked])
    assert "".join(led) == "aaabbbcccaaa"


def test_the_owner_says_how_long_the_round_stays() -> None:
    at = moment(options={"sticky": 1}, last_target="a/m", streak=1, turns=1)
    ranked = run("round-robin", pool("a", "b", "c"), at)
    assert order(ranked) == ["b", "c", "a"]
    assert ranked[0].because == "its turn after a/m: request 1 of 1 in a row"


def test_the_round_goes_on_behind_a_target_that_cannot_be_used_now() -> None:
    known = moment(last_target="b/m", streak=1, pool=("a/m", "b/m", "c/m"))
    left = [option("a", 0), option("c", 2)]
    assert order(run("round-robin", left, known)) == ["c", "a"]
    gone = moment(last_target="z/m", streak=1, turns=3, pool=("a/m", "c/m"))
    assert order(run("round-robin", left, gone)) == ["c", "a"]


def test_last_known_good_leads_and_the_owners_order_follows() -> None:
    state = answered(moment().combo, "c/m")
    ranked = run("lkgp", pool("a", "b", "c"), replace(moment(), combo=state))
    assert order(ranked) == ["c", "a", "b"]
    assert ranked[0].because == "it answered the combo's latest request"


def test_without_a_memory_of_its_own_lkgp_asks_the_ledger_and_else_says_that_nothing_is_known() -> None:
    stats = {"b/m": TargetStats(last_success_at=NOW - 60), "c/m": TargetStats(last_success_at=NOW - 90)}
    ranked = run("lkgp", pool("a", "b", "c"), moment(stats=stats, last_good="gone/m"))
    assert order(ranked) == ["b", "a", "c"]
    assert ranked[0].because == "the last of them known to answer, at 2026-11-21 11:59:00 UTC"
    assert run("lkgp", pool("a"), moment())[0].because == "the owner's order: none is known to have answered"


def test_the_target_that_may_still_have_the_prompt_cached_leads() -> None:
    holds = Affinity(target="b/m", served_at=NOW - 30, expires_at=NOW + 270)
    ranked = run("cache-affinity", pool("a", "b"), moment(affinity=holds))
    assert order(ranked) == ["b", "a"]
    assert ranked[0].because == "it served this prompt's beginning 30 s ago and may still have it cached"


@pytest.mark.parametrize(
    ("affinity", "because"),
    [
        (None, "the owner's order: no target is known to hold this prompt's beginning"),
        (
            Affinity(target="b/m", served_at=NOW - 400, expires_at=NOW),
            "the owner's order: no target is known to hold this prompt's beginning",
        ),
        (
            Affinity(target="z/m", served_at=NOW, expires_at=NOW + 9),
            "the owner's order: z/m may hold this prompt's beginning, but cannot be used now",
        ),
    ],
)
def test_a_cold_cache_leaves_the_owners_order(affinity: Affinity | None, because: str) -> None:
    ranked = run("cache-affinity", pool("a", "b"), moment(affinity=affinity))
    assert order(ranked) == ["a", "b"]
    assert {r.because for r in ranked} == {because}


def test_fill_first_drains_one_connection_before_the_next() -> None:
    quotas = {"a": (window(0.0),), "b": (window(0.02),), "d": (window(0.9),)}
    ranked = run("fill-first", pool("a", "b", "c", "d"), moment(quotas=quotas))
    assert order(ranked) == ["b", "c", "d", "a"]
    assert [r.because for r in ranked] == [
        "place 2 in the order given; 2% of its quota left to fill",
        "place 3 in the order given; nothing is known of its quota",
        "place 4 in the order given; 90% of its quota left to fill",
        "its quota is used up until 2026-11-21 13:00:00 UTC",
    ]


def test_headroom_takes_the_fullest_and_treats_unknown_as_neither_full_nor_empty() -> None:
    quotas = {
        "a": (window(0.0),),
        "b": (window(0.3), window(0.9)),
        "d": (window(0.5), window(None)),
        "e": (window(None),),
        "f": (window(0.005, resets_in=60),),
    }
    ranked = run("headroom", pool("a", "b", "c", "d", "e", "f"), moment(quotas=quotas))
    assert order(ranked) == ["d", "b", "c", "e", "f", "a"]
    assert ranked[0].because == "50% of its quota left"
    assert ranked[2].because == "nothing is known of its quota"


def test_reset_aware_spends_first_what_would_expire_unused() -> None:
    soon = window(0.5, resets_in=0.5 * HOUR)
    late = window(0.9, resets_in=4.5 * HOUR)
    ranked = run("reset-aware", pool("a", "b"), moment(quotas={"a": (late,), "b": (soon,)}))
    assert order(ranked) == ["b", "a"]
    assert ranked[0].because == "50% of its quota left, 5.0 times what its time left would take"


def test_reset_aware_does_not_drain_a_scarce_week_for_five_full_hours() -> None:
    five_hours = window(1.0, resets_in=60)
    scarce_week = window(0.1, resets_in=6 * 24 * HOUR, seconds=7 * 24 * HOUR)
    half_day = window(0.5, resets_in=2.5 * HOUR)
    quotas = {"a": (five_hours, scarce_week), "b": (half_day,)}
    assert order(run("reset-aware", pool("a", "b"), moment(quotas=quotas))) == ["b", "a"]


def test_reset_aware_takes_a_window_that_has_ended_for_a_new_one() -> None:
    ended, soon = window(1.0, resets_in=-5), window(0.5, resets_in=HOUR)
    assert order(run("reset-aware", pool("a", "b"), moment(quotas={"a": (ended,), "b": (soon,)}))) == ["b", "a"]


def test_a_window_of_one_model_counts_beside_those_of_its_connection() -> None:
    quotas = {"a": (window(0.9),), "a/m": (window(0.0),), "b": (window(0.1),)}
    ranked = run("headroom", pool("a", "b"), moment(quotas=quotas))
    assert order(ranked) == ["b", "a"]
    assert ranked[1].because == "its quota is used up until 2026-11-21 13:00:00 UTC"


def test_reset_aware_says_when_nobody_knows_the_reset() -> None:
    quotas = {"a": (window(0.5, resets_in=None),), "b": (window(0.2),)}
    ranked = run("reset-aware", pool("a", "b"), moment(quotas=quotas))
    assert order(ranked) == ["b", "a"]
    assert ranked[1].because == "50% of its quota left; nobody knows when it resets"
