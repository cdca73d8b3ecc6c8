"""The breaker and its locks as a machine: what a user sees of a sick connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.engine.breaker import admit, drained, failed, released, standing, succeeded
from omniroute_agent.engine.faults import EFFECTS, Fault, FaultKind
from omniroute_agent.engine.tuning import AGGRESSIVE, BALANCED, CONSERVATIVE, TUNINGS, Tuning
from omniroute_agent.kernel.health import ConnectionHealth, ModelLock, Refusal, TargetHealth
from omniroute_agent.kernel.quota import QuotaReading

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


def test_a_hint_that_proved_too_short_is_lengthened() -> None:
    health, now = FRESH, NOW
    waits = []
    for _ in range(6):
        health = failed(health, "m", fault("rate_limited", retry_after=5.0), now)
        assert health.lock is not None
        waits.append(health.lock.until - now)
        now = health.lock.until
    assert waits == [5.0, 6.0, 12.0, 24.0, 48.0, 48.0]


def test_a_burst_of_refusals_counts_once() -> None:
    health = FRESH
    for late in range(10):
        health = failed(health, "m", fault("rate_limited"), NOW + 0.1 * late)
    assert health.lock is not None
    assert health.lock.hits == 1
    assert health.lock.until <= NOW + 4.0


def test_a_burst_of_outages_opens_the_breaker_once_and_not_for_longer() -> None:
    health = after(FRESH, "server_error", 40)
    assert health.connection.open_until == NOW + BALANCED.open_base


def test_a_success_that_began_before_a_lock_does_not_end_it() -> None:
    for kind in ("window_exhausted", "rate_limited"):
        locked = failed(FRESH, "m", fault(kind, retry_after=600.0), NOW)
        assert reason(succeeded(locked, NOW + 1)) == kind
        assert reason(succeeded(locked, NOW + 600), NOW + 600) is None


def test_a_short_hint_does_not_cut_a_long_lock() -> None:
    locked = failed(FRESH, "m", fault("model_window_exhausted", retry_after=3600.0), NOW)
    again = failed(locked, "m", fault("rate_limited", retry_after=2.0), NOW + 1)
    assert reason(again, NOW + 3599) == "model_window_exhausted"


def test_an_overloaded_provider_is_left_alone_as_long_as_it_says_but_not_for_hours() -> None:
    health = failed(FRESH, "m", fault("overloaded", retry_after=20.0), NOW)
    assert reason(health, NOW + 19) == "overloaded"
    assert reason(health, NOW + 20) is None
    health = failed(FRESH, "m", fault("overloaded", retry_after=80_000.0), NOW)
    assert reason(health, NOW + BALANCED.open_max) is None


@pytest.mark.parametrize("kind", ["total_timeout", "unreachable"])
def test_a_probe_that_tells_nothing_is_given_back_and_closes_nothing(kind: FaultKind) -> None:
    probing = admit(after(FRESH, "cut_off", 5), NOW + BALANCED.open_base)
    assert isinstance(probing, TargetHealth)
    told = failed(probing, "m", fault(kind), NOW + 31)
    assert told.connection.breaker == "open"
    assert isinstance(admit(told, NOW + 31), TargetHealth)
    assert failed(FRESH, "m", fault(kind), NOW).connection.failures == 0


def reading(*, account_wide: bool, resets_at: float | None, remaining: float = 0.0) -> QuotaReading:
    return QuotaReading(
        window="week",
        unit="share",
        account_wide=account_wide,
        limit=1.0,
        remaining=remaining,
        resets_at=resets_at,
        source="header x",
        at=NOW,
    )


def test_a_window_that_an_answer_shows_as_used_up_locks_what_it_counts_for_until_it_resets() -> None:
    whole = drained(FRESH, "m", [reading(account_wide=True, resets_at=NOW + 500)], NOW)
    assert (reason(whole), reason(whole, NOW + 500)) == ("window_exhausted", None)
    assert whole.connection.breaker == "closed"
    model = drained(FRESH, "m", [reading(account_wide=False, resets_at=NOW + 500)], NOW)
    assert (reason(model), reason(TargetHealth(connection=model.connection))) == ("model_window_exhausted", None)
    assert drained(FRESH, "m", [reading(account_wide=True, resets_at=NOW + 500, remaining=0.1)], NOW) == FRESH


def test_a_used_up_window_without_a_known_end_is_asked_again_after_five_minutes() -> None:
    for health in (
        failed(FRESH, "m", fault("window_exhausted"), NOW),
        failed(FRESH, "m", fault("model_window_exhausted"), NOW),
        drained(FRESH, "m", [reading(account_wide=True, resets_at=None)], NOW),
    ):
        assert reason(health, NOW + 299) is not None
        assert reason(health, NOW + 300) is None


@pytest.mark.parametrize(
    ("tuning", "outages", "open_seconds", "cool_downs"),
    [
        (CONSERVATIVE, 8, 60.0, [30.0, 60.0, 120.0]),
        (BALANCED, 5, 30.0, [3.0, 6.0, 12.0]),
        (AGGRESSIVE, 3, 15.0, [2.0, 4.0, 8.0]),
    ],
)
def test_a_profile_says_how_many_outages_open_the_breaker_and_how_long_things_last(
    tuning: Tuning, outages: int, open_seconds: float, cool_downs: list[float]
) -> None:
    health = FRESH
    for count in range(outages):
        assert reason(health) is None, count
        health = failed(health, "m", fault("server_error"), NOW, tuning)
    assert reason(health, NOW + open_seconds - 1) == "breaker_open"
    assert reason(health, NOW + open_seconds) is None
    assert [tuning.cool_down(hits) for hits in (1, 2, 3)] == cool_downs
    assert tuning.cool_down(1_000_000) == tuning.cool_down(tuning.cool_steps)


def test_every_profile_honours_a_hint() -> None:
    for tuning in TUNINGS.values():
        health = failed(FRESH, "m", fault("rate_limited", retry_after=7.0), NOW, tuning)
        assert health.lock == ModelLock(connection="a", model="m", reason="rate_limited", until=NOW + 7.0)


@given(st.lists(st.sampled_from([*EFFECTS, None]), max_size=60), st.booleans(), st.sampled_from(list(TUNINGS.values())))
def test_whatever_happens_the_machine_stays_in_a_state_it_can_leave(
    story: list[FaultKind | None], slow: bool, tuning: Tuning
) -> None:
    health, now = FRESH, NOW
    for event in story:
        now += 400.0 if slow else 1.0
        admitted = admit(health, now, tuning)
        if isinstance(admitted, Refusal):
            assert admitted.until is not None
            assert admitted.until > now
            continue
        health = succeeded(admitted, now) if event is None else failed(admitted, "m", fault(event), now, tuning)
        connection = health.connection
        assert (connection.breaker == "open") == (connection.open_until is not None)
        assert connection.breaker != "half_open"
    # A day later every lock and every open breaker has ended.
    assert isinstance(admit(health, now + 86_400.0), TargetHealth)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*EFFECTS, None]),
            st.floats(0.0, 200.0),
            st.none() | st.floats(0.0, 86_400.0),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_calls_side_by_side_never_lengthen_a_wait_without_bound(
    story: list[tuple[FaultKind | None, float, float | None, bool]],
) -> None:
    # Outcomes arrive whether or not their calls would be admitted now: they began earlier.
    health, now = FRESH, NOW
    for kind, later, hint, probe in story:
        now += later
        if probe and isinstance(admitted := admit(health, now), TargetHealth):
            health = admitted
        health = succeeded(health, now) if kind is None else failed(health, "m", fault(kind, hint), now)
        refusal = standing(health, now)
        assert refusal is None or refusal.until is not None
        assert refusal is None or now < (refusal.until or 0) <= now + 86_400.0 + 1e-6
    assert isinstance(admit(health, now + 86_400.0), TargetHealth)
