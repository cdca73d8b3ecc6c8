"""The breaker and its locks as a machine: what a user sees of a sick connection."""

from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.engine.breaker import BALANCED, admit, failed, released, standing, succeeded
from omniroute_agent.engine.faults import EFFECTS, Fault, FaultKind
from omniroute_agent.kernel.health import ConnectionHealth, Refusal, TargetHealth

NOW = 1_000_000.0
FRESH = TargetHealth(connection=ConnectionHealth(connection="a"))


def fault(kind: FaultKind, retry_after: float | None = None) -> Fault:
    return Fault(kind=kind, detail="as scripted", retry_after=retry_after)


def after(health: TargetHealth, kind: FaultKind, times: int = 1, *, now: float = NOW) -> TargetHealth:
    for _ in range(times):
        health = failed(health, "m", fault(kind), now)
    return health


def reason(health: TargetHealth, now: float = NOW) -> str | None:
    refusal = standing(health, now)
    return refusal.reason if refusal else None


def test_five_outages_in_a_row_open_the_breaker() -> None:
    assert reason(after(FRESH, "server_error", 4)) is None
    assert reason(after(FRESH, "server_error", 5)) == "breaker_open"


def test_a_success_between_outages_starts_the_count_anew() -> None:
    health = succeeded(after(FRESH, "server_error", 4), NOW)
    assert reason(after(health, "server_error", 4)) is None


def test_an_open_breaker_lets_exactly_one_probe_through_when_its_time_is_up() -> None:
    health = after(FRESH, "cut_off", 5)
    later = NOW + BALANCED.open_base
    probing = admit(health, later)
    assert isinstance(probing, TargetHealth)
    assert probing.connection.breaker == "half_open"
    second = admit(probing, later)
    assert isinstance(second, Refusal)
    assert second.reason == "probe_in_flight"


def test_a_failed_probe_opens_the_breaker_for_twice_as_long() -> None:
    health = after(FRESH, "cut_off", 5)
    later = NOW + BALANCED.open_base
    probing = admit(health, later)
    assert isinstance(probing, TargetHealth)
    again = failed(probing, "m", fault("cut_off"), later)
    assert again.connection.open_until == later + 2 * BALANCED.open_base


def test_a_probe_whose_caller_left_is_given_back() -> None:
    probing = admit(after(FRESH, "cut_off", 5), NOW + BALANCED.open_base)
    assert isinstance(probing, TargetHealth)
    assert isinstance(admit(released(probing), NOW + BALANCED.open_base), TargetHealth)


def test_a_probe_that_never_reports_is_not_waited_for_without_an_end() -> None:
    start = NOW + BALANCED.open_base
    probing = admit(after(FRESH, "cut_off", 5), start)
    assert isinstance(probing, TargetHealth)
    assert isinstance(admit(probing, start + BALANCED.probe_wait), TargetHealth)


def test_a_rate_limit_locks_only_the_model_and_only_as_long_as_the_provider_says() -> None:
    health = failed(FRESH, "m", fault("rate_limited", retry_after=7.0), NOW)
    assert reason(health) == "rate_limited"
    assert reason(health, NOW + 7.0) is None
    assert reason(TargetHealth(connection=health.connection)) is None


def test_rate_limits_without_a_hint_cool_down_for_longer_each_time() -> None:
    first = failed(FRESH, "m", fault("rate_limited"), NOW)
    second = failed(first, "m", fault("rate_limited"), NOW + 100)
    assert first.lock is not None
    assert second.lock is not None
    assert (first.lock.until - NOW, second.lock.until - NOW - 100) == (3.0, 6.0)


def test_an_empty_account_locks_the_whole_connection_but_opens_no_breaker() -> None:
    health = after(FRESH, "out_of_credit")
    assert reason(health) == "out_of_credit"
    assert health.connection.breaker == "closed"


@given(st.lists(st.sampled_from([*EFFECTS, None]), max_size=60), st.booleans())
def test_whatever_happens_the_machine_stays_in_a_state_it_can_leave(story: list[FaultKind | None], slow: bool) -> None:
    health, now = FRESH, NOW
    for event in story:
        now += 400.0 if slow else 1.0
        admitted = admit(health, now)
        if isinstance(admitted, Refusal):
            assert admitted.until is not None
            assert admitted.until > now
            continue
        health = succeeded(admitted, now) if event is None else after(admitted, event, now=now)
        connection = health.connection
        assert (connection.breaker == "open") == (connection.open_until is not None)
        assert connection.breaker != "half_open"
    # A day later every lock and every open breaker has ended.
    assert isinstance(admit(health, now + 86_400.0), TargetHealth)
