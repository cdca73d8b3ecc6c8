import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.engine.diversity import boosts, evenness


def test_evenness_is_shannon_entropy_over_its_maximum() -> None:
    assert evenness({"a": 5, "b": 5}) == pytest.approx(1)
    assert evenness({"a": 5, "b": 0}) == 0
    assert evenness({"a": 3, "b": 1}) == pytest.approx(0.8113, abs=1e-4)


def test_the_unused_provider_of_an_uneven_pool_gains_most() -> None:
    assert boosts({"a": 10, "b": 0}) == {"a": 0, "b": 1}
    gained = boosts({"a": 10, "b": 5, "c": 0})
    assert gained["a"] == 0 < gained["b"] < gained["c"] < 1


def test_nobody_gains_without_history_in_an_even_pool_or_alone() -> None:
    assert boosts({}) == {}
    assert boosts({"a": 0, "b": 0}) == {"a": 0, "b": 0}
    assert boosts({"a": 7}) == {"a": 0}
    assert boosts({"a": 4, "b": 4}) == {"a": 0, "b": 0}


@given(st.dictionaries(st.text(max_size=2), st.integers(0, 10**9)))
def test_shares_stay_between_nothing_and_all(used: dict[str, int]) -> None:
    assert 0 <= evenness(used) <= 1
    assert all(0 <= gained <= 1 for gained in boosts(used).values())
