"""Strategies that draw: fair, and replayable from the draws."""

from collections import Counter
from itertools import islice, pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.engine.situation import ComboState
from omniroute_agent.engine.strategies.chance import draws, pick
from omniroute_agent.engine.strategies.turns import routed
from omniroute_agent.kernel.health import ConnectionHealth
from omniroute_agent.kernel.record import TargetStats
from pools import moment, order, pool, run

MANY = 4_000


def leads(strategy: str, *names: str, **fields: object) -> Counter[str]:
    """Who led how often over many situations that differ in their draws."""
    dice = Random(7)  # noqa: S311 (loaded on purpose)
    options = pool(*names)
    situations = (moment(dice=(dice.random(), dice.random()), **fields) for _ in range(MANY))  # type: ignore[arg-type]
    return Counter(order(run(strategy, options, at))[0] for at in situations)


def test_weighted_draws_match_the_weights() -> None:
    led = leads("weighted", "a", "b", "c", options={"weights": {"a/m": 6, "b/m": 3, "c/m": 1}})
    assert abs(led["a"] / MANY - 0.6) < 0.03
    assert abs(led["b"] / MANY - 0.3) < 0.03
    assert abs(led["c"] / MANY - 0.1) < 0.03


def test_weighted_falls_back_by_falling_weight_and_says_why() -> None:
    at = moment(dice=(0.05,), options={"weights": {"b": 3, "c": 1, "a": 2}})
    ranked = run("weighted", pool("a", "b", "c", "d"), at)
    assert order(ranked) == ["a", "b", "c", "d"]
    assert ranked[0].because == "drawn: its weight is 2 of 6"
    assert ranked[3].because == "not drawn; its weight is 0"


def test_a_target_without_weight_never_leads_unless_nobody_has_one() -> None:
    assert set(leads("weighted", "a", "b", options={"weights": {"a/m": 1}})) == {"a"}
    alike = leads("weighted", "a", "b", options={"weights": {"a/m": 0, "b/m": 0}})
    assert abs(alike["a"] / MANY - 0.5) < 0.03


def test_random_is_fair_in_every_place() -> None:
    dice = Random(11)  # noqa: S311 (loaded on purpose)
    seen = Counter(
        "".join(order(run("random", pool("a", "b", "c"), moment(dice=(dice.random(),))))) for _ in range(MANY)
    )
    assert len(seen) == 6
    assert all(abs(count / MANY - 1 / 6) < 0.03 for count in seen.values())


@given(count=st.integers(2, 6), seed=st.integers(0, 10_000))
def test_strict_random_visits_all_before_it_repeats_and_never_one_twice_in_a_row(count: int, seed: int) -> None:
    dice = Random(seed)  # noqa: S311 (loaded on purpose)
    options = pool(*"abcdef"[:count])
    names = tuple(option.name for option in options)
    state = ComboState(pool=names)
    led: list[str] = []
    for _ in range(4 * count):
        at = moment(dice=(dice.random(),), last_target=state.last_target, bag=state.bag)
        ranked = run("strict-random", options, at)
        led.append(ranked[0].option.name)
        # The last resort stands behind every combo; it is in no bag.
        state = routed(state, [*(r.option.name for r in ranked), "local/m"])
    for start in range(0, len(led), count):
        assert sorted(led[start : start + count]) == sorted(names)
    assert all(one != two for one, two in pairwise(led))


def test_strict_random_says_what_is_left_in_the_bag() -> None:
    ranked = run("strict-random", pool("a", "b", "c"), moment(bag=("b/m",), last_target="b/m"))
    assert ranked[0].because == "drawn from the bag of 3; 1 wait in it"
    assert ranked[2].because == "had its turn out of this bag"
    assert order(ranked)[2] == "b"


def test_p2c_lets_the_quicker_of_two_lead() -> None:
    quick = TargetStats(attempts=9, successes=9, p95_ms=400.0)
    slow = TargetStats(attempts=9, successes=9, p95_ms=900.0)
    ranked = run("p2c", pool("a", "b", "c"), moment(dice=(0.0, 0.0), stats={"a/m": slow, "b/m": quick}))
    assert order(ranked) == ["b", "a", "c"]
    assert ranked[0].because == "drawn with a/m; about 400 ms to an answer against 900"


def test_p2c_counts_failures_as_time_and_a_breaker_on_probation_before_all() -> None:
    flaky = TargetStats(attempts=9, successes=1, p95_ms=400.0)
    slow = TargetStats(attempts=9, successes=9, p95_ms=900.0)
    stats = {"a/m": flaky, "b/m": slow}
    assert order(run("p2c", pool("a", "b"), moment(dice=(0.0, 0.0), stats=stats)))[0] == "b"
    probation = ConnectionHealth(connection="b", breaker="half_open")
    ranked = run("p2c", pool("a", "b"), moment(probation, dice=(0.0, 0.0), stats=stats))
    assert order(ranked)[0] == "a"
    assert ranked[0].because == "drawn with b/m; the other's breaker is not closed"


def test_p2c_without_latencies_goes_by_success_and_else_says_that_nothing_is_known() -> None:
    stats = {"a/m": TargetStats(attempts=3, successes=1)}
    ranked = run("p2c", pool("a", "b"), moment(dice=(0.0, 0.0), stats=stats))
    assert ranked[0].because == "drawn with a/m; it answers more often (100% against 50%); latency unknown"
    ranked = run("p2c", pool("a", "b"), moment(dice=(0.0, 0.0)))
    assert ranked[0].because == "drawn with b/m; nothing measured tells them apart"


def test_p2c_never_lets_the_worst_of_the_pool_lead() -> None:
    stats = {
        f"{name}/m": TargetStats(attempts=9, successes=9, p95_ms=ms) for name, ms in zip("abc", (1, 2, 3), strict=True)
    }
    led = leads("p2c", "a", "b", "c", stats=stats)
    assert set(led) == {"a", "b"}
    assert abs(led["a"] / MANY - 2 / 3) < 0.03


def test_a_few_stored_draws_give_as_many_as_anyone_wants() -> None:
    at = moment(dice=(0.25, 0.75))
    first = list(islice(draws(at), 1_000))
    assert first[:2] == [0.25, 0.75]
    assert first == list(islice(draws(at), 1_000))
    assert all(0 <= draw < 1 for draw in first)
    assert abs(sum(first) / 1_000 - 0.5) < 0.05
    assert len(set(first)) == 1_000
    assert list(islice(draws(moment(dice=())), 3)) == list(islice(draws(moment(dice=())), 3))


@given(count=st.integers(1, 500), draw=st.floats(0, 1, exclude_max=True))
def test_a_pick_is_always_one_of_them(count: int, draw: float) -> None:
    assert 0 <= pick(count, draw) < count
