"""`auto` over live data: factors that add up, packs, exploration by the draws, incidents, self-healing."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given

from omniroute_agent.engine.scoring import DIVERSITY_WEIGHT, INCIDENT, PACKS
from omniroute_agent.engine.situation import QuotaWindow, Situation
from omniroute_agent.engine.strategies import Option, Ranked
from omniroute_agent.kernel.health import ConnectionHealth
from omniroute_agent.kernel.record import Bench, TargetStats
from pools import NOW, moment, option, order, pool, run, worlds

STEADY = TargetStats(attempts=20, successes=20, p50_ms=500.0, p95_ms=800.0, stddev_ms=50.0)
DEAD = TargetStats(attempts=40, successes=0, last_used_at=NOW - 400)


def total(ranked: Ranked) -> float:
    return round(sum(factor.contribution for factor in ranked.factors), 5)


def value(ranked: Ranked, name: str) -> float:
    return next(factor.value for factor in ranked.factors if factor.name == name)


@given(world=worlds())
def test_the_factors_sum_to_the_score_and_order_whoever_plays(world: tuple[list[Option], Situation]) -> None:
    options, at = world
    ranked = run("auto", options, replace(at, dice=(0.99,)))
    for r in ranked:
        assert {f.name for f in r.factors} >= {"quota", "health", "cost", "latency", "task", "stability"}
        assert all(0 <= f.value <= 1 and f.contribution == round(f.value * f.weight, 5) for f in r.factors)
        assert sum(f.contribution for f in r.factors if f.name == "diversity") <= DIVERSITY_WEIGHT
        assert sum(f.weight for f in r.factors if f.name != "diversity") == pytest.approx(1)
        if r.bench is None:
            assert f"score {total(r):.3f} by" in r.because
    playing = [total(r) for r in ranked if r.bench is None]
    assert playing == sorted(playing, reverse=True)


def test_the_cheaper_of_equals_leads_and_says_what_made_its_score() -> None:
    options = [option("a", 0, cost=5_000), option("b", 1, cost=1_000)]
    ranked = run("auto", options, moment(stats={"a/m": STEADY, "b/m": STEADY}))
    assert order(ranked) == ["b", "a"]
    assert value(ranked[0], "cost") == 1.0
    assert value(ranked[1], "cost") == 0.2
    assert ranked[0].because == (
        "score 0.850 by the pack balanced: most of it health 0.250, cost 0.200, latency 0.150"
        "; unknown: quota, task fitness"
    )


def test_a_pack_moves_the_weights() -> None:
    dear = replace(STEADY, p50_ms=100.0, p95_ms=150.0, stddev_ms=10.0)
    options = [option("quick", 0, cost=9_000), option("cheap", 1, cost=1_000)]
    stats = {"quick/m": dear, "cheap/m": STEADY}
    assert order(run("auto", options, moment(stats=stats, options={"pack": "ship-fast"})))[0] == "quick"
    assert order(run("auto", options, moment(stats=stats, options={"pack": "cost-saver"})))[0] == "cheap"


def test_quality_first_asks_who_is_good_at_the_task() -> None:
    options = [option("a", 0, model="smollm2-135m", cost=0), option("b", 1, model="claude-opus-4-5", cost=90_000)]
    ranked = run("auto", options, moment(task="coding", options={"pack": "quality-first"}))
    assert order(ranked) == ["b", "a"]
    assert value(ranked[0], "task") == 0.95


def test_live_data_counts_quota_success_and_latency() -> None:
    half = replace(STEADY, attempts=41, successes=20)
    full, empty = (QuotaWindow(window="5h", left=1.0),), (QuotaWindow(window="5h", left=0.05),)
    at = moment(stats={"a/m": STEADY, "b/m": half}, quotas={"a": empty, "b": full})
    ranked = run("auto", pool("a", "b"), at)
    values = {order([r])[0]: r for r in ranked}
    assert value(values["a"], "quota") == 0.05
    assert value(values["b"], "health") == 0.5
    assert value(values["b"], "latency") < value(values["a"], "latency") == 1.0


def test_an_unknown_price_counts_as_the_dearest_and_other_unknowns_as_the_mean() -> None:
    options = [option("a", 0, cost=None), option("b", 1, cost=1_000), option("c", 2, cost=4_000)]
    quotas = {"b": (QuotaWindow(window="5h", left=0.2),), "c": (QuotaWindow(window="5h", left=0.8),)}
    ranked = {order([r])[0]: r for r in run("auto", options, moment(quotas=quotas))}
    assert value(ranked["a"], "cost") == value(ranked["c"], "cost") == 0.25
    assert value(ranked["a"], "quota") == 0.5
    assert ranked["a"].because.endswith("; unknown: quota, price, latency, task fitness, latency's spread")


def test_four_answers_tell_nothing_of_latency() -> None:
    few = replace(STEADY, attempts=4, successes=4)
    assert "latency" in run("auto", pool("a"), moment(stats={"a/m": few}))[0].because.partition("unknown")[2]
    assert "latency" not in run("auto", pool("a"), moment(stats={"a/m": STEADY}))[0].because.partition("unknown")[2]


def test_one_request_in_twenty_explores_and_the_draw_decides() -> None:
    options = [option("a", 0, cost=1), option("b", 1, cost=9_000)]
    assert order(run("auto", options, moment(dice=(0.05, 0.9)))) == ["a", "b"]
    explored = run("auto", options, moment(dice=(0.0499, 0.9)))
    assert order(explored) == ["b", "a"]
    assert explored[0].because.startswith("exploration: 5% of requests try any target; score ")
    dice = Random(3)  # noqa: S311 (loaded on purpose)
    rolls = [(dice.random(), 0.9) for _ in range(2_000)]
    led = [order(run("auto", options, moment(dice=roll)))[0] for roll in rolls]
    assert led.count("b") == sum(first < 0.05 for first, _ in rolls)


def test_the_owner_may_turn_exploration_off() -> None:
    options = [option("a", 0, cost=1), option("b", 1, cost=9_000)]
    assert order(run("auto", options, moment(dice=(0.0, 0.9), options={"exploration": 0}))) == ["a", "b"]


def test_in_an_incident_nothing_is_tried_out_and_the_steadiest_leads() -> None:
    down = [ConnectionHealth(connection=name, breaker="open", open_until=NOW + 60) for name in "xyz"]
    shaky = replace(STEADY, attempts=30, stddev_ms=900.0)
    options = [option("cheap", 0, cost=1), option("steady", 1, cost=90_000)]
    at = moment(
        *down,
        dice=(0.0, 0.0),
        stats={"cheap/m": shaky, "steady/m": STEADY},
        pool=("x/m", "y/m", "z/m", "cheap/m", "steady/m"),
    )
    ranked = run("auto", options, at)
    assert order(ranked) == ["steady", "cheap"]
    assert "an incident (most of the pool is down), so the steadiest first" in ranked[0].because
    assert [f.weight for f in ranked[0].factors][:6] == list(INCIDENT)


def test_half_of_the_pool_open_is_no_incident_yet() -> None:
    down = [ConnectionHealth(connection=name, breaker="open", open_until=NOW + 60) for name in "xy"]
    ranked = run("auto", pool("a", "b"), moment(*down, pool=("x/m", "y/m", "a/m", "b/m")))
    assert "the pack balanced" in ranked[0].because


def test_an_unevenly_used_pool_gives_the_unused_provider_a_small_bonus() -> None:
    options = [option("a", 0), option("b", 1)]
    even = {"a/m": STEADY, "b/m": STEADY}
    assert all(f.name != "diversity" for r in run("auto", options, moment(stats=even)) for f in r.factors)
    busy = {"a/m": STEADY, "b/m": replace(STEADY, attempts=0, successes=0)}
    ranked = run("auto", options, moment(stats=busy))
    assert order(ranked) == ["b", "a"]
    (bonus,) = (f for f in ranked[0].factors if f.name == "diversity")
    assert (bonus.value, bonus.contribution) == (1.0, 0.05)


def hopeless() -> list[Option]:
    return [option("a", 0, cost=9_000), option("b", 1, cost=100)]


def at_bench(bench: Bench | None, stats: TargetStats = DEAD, *down: ConnectionHealth) -> Situation:
    empty = (QuotaWindow(window="5h", left=0.0),)
    quick = replace(STEADY, p95_ms=10.0)
    return moment(
        *down,
        dice=(0.9,),
        stats={"a/m": stats, "b/m": quick},
        quotas={"a": empty, "b": (QuotaWindow(window="5h", left=1.0),)},
        benches={} if bench is None else {"a/m": bench},
        task="coding",
    )


def test_a_score_below_a_fifth_sits_out_for_five_minutes_behind_all_others() -> None:
    probation = ConnectionHealth(connection="a", breaker="half_open")
    ranked = run("auto", hopeless(), at_bench(None, DEAD, probation))
    assert order(ranked) == ["b", "a"]
    bench = ranked[1].bench
    assert bench is not None
    assert (bench.times, bench.until) == (1, NOW + 300)
    assert total(ranked[1]) == pytest.approx(bench.score)
    assert ranked[1].because.startswith("sits out until 2026-11-21 12:05:00 UTC: its score fell to 0.")


def test_when_its_time_is_up_one_request_is_its_probe_and_the_next_is_not() -> None:
    due = Bench(times=1, since=NOW - 301, until=NOW - 1, score=0.1)
    ranked = run("auto", hopeless(), at_bench(due))
    assert order(ranked) == ["a", "b"]
    assert ranked[0].because.startswith("a probe: its time on the bench is up")
    assert ranked[0].bench == replace(due, probe_at=NOW)
    next_one = run("auto", hopeless(), at_bench(replace(due, probe_at=NOW - 1)))
    assert order(next_one) == ["b", "a"]
    assert "that call is out since 2026-11-21 11:59:59 UTC" in next_one[1].because


def test_no_probe_goes_out_in_an_incident() -> None:
    due = Bench(times=1, since=NOW - 301, until=NOW - 1, score=0.1)
    down = [ConnectionHealth(connection=name, breaker="open") for name in "xyz"]
    at = at_bench(due, DEAD, *down)
    at = replace(at, combo=replace(at.combo, pool=("x/m", "y/m", "z/m", "a/m", "b/m")))
    ranked = run("auto", hopeless(), at)
    assert order(ranked) == ["b", "a"]
    assert ranked[1].because.startswith("sits out until one call has shown that it recovered; that call comes next")


def test_a_good_probe_readmits_and_a_bad_one_doubles_the_wait() -> None:
    tried = Bench(times=1, since=NOW - 400, until=NOW - 100, score=0.1, probe_at=NOW - 50)
    recovered = replace(STEADY, last_used_at=NOW - 50)
    assert run("auto", hopeless(), at_bench(tried, recovered))[1].bench is None
    still_bad = replace(DEAD, last_used_at=NOW - 50)
    again = next(r.bench for r in run("auto", hopeless(), at_bench(tried, still_bad)) if r.option.place == 0)
    assert again is not None
    assert (again.times, again.until) == (2, NOW + 600)


def test_every_pack_shares_out_exactly_one() -> None:
    assert all(sum(weights) == pytest.approx(1) for weights in (*PACKS.values(), INCIDENT))
    assert tuple(PACKS["balanced"]) == (0.20, 0.25, 0.20, 0.15, 0.10, 0.10)
