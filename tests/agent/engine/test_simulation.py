"""Hours of requests over providers that come and go: real engine, real database, virtual time.

The same stories over 100,000 requests: `python tests/benchmarks/simulation.py`.
"""

from pathlib import Path

import pytest

from omniroute_agent.engine.retry import RETRY_SHARE
from omniroute_agent.engine.strategies.auto import incident_now
from omniroute_agent.kernel.health import ConnectionHealth
from pools import NOW, moment, pool
from stories import CALM, FLAPPING, compared, flapping, guarded, outage, sky_of, tell, turns


@pytest.mark.parametrize("strategy", ["auto", "priority"])
def test_every_request_over_flapping_providers_has_exactly_one_bill_and_the_right_one(
    tmp_path: Path, strategy: str
) -> None:
    told = flapping(tmp_path, 480, strategy=strategy, wave=16, hours=6.0)
    assert told.differences == []
    assert told.day.success >= 0.99
    assert told.calls_per_request <= 1.3
    # The weather did its worst: whatever may go wrong went wrong.
    ills = {ill for book in told.sky.books.values() for ill in book.by_weather}
    assert len(ills - {"fine"}) >= 4


@pytest.mark.parametrize("survivors", [(), ("dear",)])
def test_in_an_outage_retries_stay_rare_and_open_breakers_spare_the_providers(
    tmp_path: Path, survivors: tuple[str, ...]
) -> None:
    found = outage(tmp_path, 480, survivors=survivors)
    assert found.told.differences == []
    assert found.retry_share <= RETRY_SHARE
    assert found.calls_once_open <= 1.1
    assert found.told.day.success == 1.0 if survivors else found.told.day.success < 0.5


def test_a_tight_guard_is_never_overspent_by_requests_that_run_at_once(tmp_path: Path) -> None:
    limit = 20_000_000
    told = guarded(tmp_path, 384, dollars="0.02", limit=limit)
    assert told.differences == []
    assert told.books.worst_window <= 0
    assert told.books.spent == told.sky.charged
    # It is used up, not merely kept.
    assert told.books.spent > 0.75 * limit
    assert told.day.errors["limit_reached"] > 0


def test_no_target_starves_under_round_robin(tmp_path: Path) -> None:
    told = turns(tmp_path, 400, calm=True, hours=1.0)
    assert told.differences == []
    assert {book.calls for book in told.sky.books.values()} == {100}


def test_a_target_that_recovers_gets_its_turns_again(tmp_path: Path) -> None:
    told = turns(tmp_path, 480, calm=False, hours=6.0)
    assert told.differences == []
    # The longest a breaker stays open is 300 s; a wave comes every 720 s.
    assert max(told.sky.longest_rest(name, told.seconds) for name in told.sky.books) <= 300 + 2 * 720


def test_auto_costs_less_than_the_best_fixed_order_and_answers_as_much(tmp_path: Path) -> None:
    found = compared(tmp_path, 320, flappers=FLAPPING[:2], hours=4.0)
    _, best = found.best
    assert [told.differences for told in (found.auto, *found.fixed.values())] == [[]] * 3
    assert found.auto.day.success >= best.day.success
    assert found.auto.cost < 0.9 * best.cost


def test_a_breaker_whose_time_is_up_is_no_incident_any_more() -> None:
    def at(until: float) -> bool:
        down = [ConnectionHealth(connection=name, breaker="open", open_until=until) for name in "bc"]
        return incident_now(pool("a", "b", "c"), moment(*down))

    assert at(NOW + 1)
    assert not at(NOW)


def test_requests_that_meet_anothers_probe_wait_for_it_when_nothing_else_is_left(tmp_path: Path) -> None:
    # Down for twenty seconds, then back: the breaker lets one of eight through, and the others see how that ends.
    sky = sky_of(CALM[:1])
    sky.outage = (0.0, 20.0)
    told = tell(tmp_path, sky, requests=160, wave=8, hours=100 / 3600)
    assert told.differences == []
    waves: dict[float, set[bool]] = {}
    for served in told.day.served.values():
        if served.at >= 20.0:
            waves.setdefault(served.at, set()).add(served.error is None)
    assert [answered for _, answered in sorted(waves.items())][-5:] == [{True}] * 5
    assert {False, True} not in waves.values()
