import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.engine.scoring import DIVERSITY_WEIGHT, INCIDENT, PACKS, WHOLE, Signals, score, told, unknown

_share = st.floats(0, 1)
_amount = st.none() | st.floats(0, 1e15)
signals = st.builds(
    Signals,
    quota=st.none() | _share,
    health=_share,
    cost=_amount,
    latency=_amount,
    task=st.none() | _share,
    spread=_amount,
    success=_share,
    diversity=_share,
)


@given(pool=st.lists(signals, max_size=8), pack=st.sampled_from(sorted(PACKS)))
def test_a_score_is_the_sum_of_its_contributions_and_never_above_one_and_the_bonus(
    pool: list[Signals], pack: str
) -> None:
    for scored in score(pool, PACKS[pack]):
        assert scored.total == round(sum(factor.contribution for factor in scored.factors), 5)
        assert 0 <= scored.total <= 1.05 + 1e-9


@given(pool=st.lists(signals, min_size=2, max_size=8))
def test_the_cheapest_of_a_pool_has_the_best_cost_factor(pool: list[Signals]) -> None:
    costs = [signal.cost for signal in pool]
    values = [scored.factors[2].value for scored in score(pool, PACKS["balanced"])]
    known = [(cost, value) for cost, value in zip(costs, values, strict=True) if cost is not None]
    if known:
        assert min(known)[1] == 1.0
        assert [value for _, value in sorted(known)] == sorted((value for _, value in known), reverse=True)
        assert min(value for _, value in known) == min(values)


def test_equal_targets_lose_nothing_by_being_equal() -> None:
    alike = Signals(quota=1, health=1, cost=500, latency=900, task=1, spread=0.2, success=1)
    assert [scored.total for scored in score([alike, alike], PACKS["balanced"])] == [1.0, 1.0]
    free = alike._replace(cost=0)
    assert score([free], PACKS["balanced"])[0].factors[2].value == 1.0


def test_failing_is_not_steady() -> None:
    steady = Signals(quota=1, health=1, cost=1, latency=1, task=1, spread=0.1, success=1)
    failing = steady._replace(success=0.25)
    assert [scored.factors[5].value for scored in score([steady, failing], PACKS["balanced"])] == [1.0, 0.25]


def test_whoever_never_answered_is_not_taken_for_quick() -> None:
    quick = Signals(quota=1, health=1, cost=1, latency=100, task=1, spread=0.1, success=1)
    new, mute = quick._replace(latency=None), quick._replace(latency=None, success=0.1)
    assert [scored.factors[3].value for scored in score([quick, new, mute], PACKS["balanced"])] == [1.0, 1.0, 0.1]


def test_stand_ins_are_named() -> None:
    nothing = Signals(quota=None, health=1, cost=None, latency=None, task=None, spread=None, success=1)
    assert unknown(nothing) == ("quota", "price", "latency", "task fitness", "latency's spread")
    assert unknown(Signals(quota=1, health=1, cost=1, latency=1, task=1, spread=1, success=1)) == ()
    values = [factor.value for factor in score([nothing], PACKS["balanced"])[0].factors]
    assert values == pytest.approx([0.5, 1.0, 0.5, 0.5, 0.5, 0.5])


def test_weights_are_whole_percents_so_that_totals_are_exact() -> None:
    for weight in (*INCIDENT, *(w for pack in PACKS.values() for w in pack), DIVERSITY_WEIGHT):
        assert round(weight * 100) / 100 == weight


def test_a_total_is_told_to_the_thousandth() -> None:
    points = range(0, 105_001, 7)
    assert told(points, [" by"] * len(points)) == [f"score {point / WHOLE:.3f} by" for point in points]
    halves = range(50, 105_000, 100)
    assert told(halves, [""] * len(halves)) == [f"score {point / WHOLE:.3f}" for point in halves]
