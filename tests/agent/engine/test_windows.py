"""What is left of an account is read from the headers providers really send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import START
from omniroute_agent.engine.windows import reading_in_text, readings_of, used_up_hint

NOW = START.timestamp()

OPENAI = {
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-limit-tokens": "160000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-remaining-tokens": "80000",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-reset-tokens": "6m0s",
}
CEREBRAS = {
    "x-ratelimit-limit-requests-day": "14400",
    "x-ratelimit-remaining-requests-day": "0",
    "x-ratelimit-reset-requests-day": "3600.5",
    "x-ratelimit-limit-tokens-minute": "60000",
    "x-ratelimit-remaining-tokens-minute": "50000",
    "x-ratelimit-reset-tokens-minute": "26.5",
}
MISTRAL = {"x-ratelimit-limit-req-minute": "50", "x-ratelimit-remaining-req-minute": "49"}
TOGETHER = {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "57", "x-tokenlimit-remaining": "98500"}
FIREWORKS = {"x-ratelimit-limit-tokens-prompt": "7200", "x-ratelimit-remaining-tokens-prompt": "7193"}
OPENROUTER = {
    "X-RateLimit-Limit": "50",
    "X-RateLimit-Remaining": "0",
    "X-RateLimit-Reset": f"{(NOW + 100) * 1000:.0f}",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "1000",
    "anthropic-ratelimit-requests-remaining": "999",
    "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:05Z",
    "anthropic-ratelimit-input-tokens-limit": "80000",
    "anthropic-ratelimit-input-tokens-remaining": "20000",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-21T12:00:45Z",
}
SUBSCRIPTION = {
    "anthropic-ratelimit-unified-5h-utilization": "0.25",
    "anthropic-ratelimit-unified-5h-reset": f"{NOW + 7200:.0f}",
    "anthropic-ratelimit-unified-7d-status": "rejected",
    "anthropic-ratelimit-unified-7d-utilization": "1.02",
    "anthropic-ratelimit-unified-7d-reset": f"{NOW + 90_000:.0f}",
    "anthropic-ratelimit-unified-7d_opus-utilization": "0.5",
    "anthropic-ratelimit-unified-representative-claim": "seven_day",
    "anthropic-ratelimit-unified-overage-utilization": "0.0",
}


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        (OPENAI, {"requests": (0.9998, 0.012), "tokens": (0.5, 360.0)}),
        (CEREBRAS, {"requests/day": (0.0, 3600.5), "tokens/min": (0.8333, 26.5)}),
        (MISTRAL, {"requests/min": (0.98, None)}),
        (TOGETHER, {"requests": (0.95, None), "tokens": (None, None)}),
        (FIREWORKS, {"input tokens": (0.9990, None)}),
        (OPENROUTER, {"requests": (0.0, 100.0)}),
        (ANTHROPIC, {"requests": (0.999, 5.0), "input tokens": (0.25, 45.0)}),
        (SUBSCRIPTION, {"5h": (0.75, 7200.0), "week": (0.0, 90_000.0), "week (opus)": (0.5, None)}),
    ],
)
def test_each_providers_windows_are_read_with_their_share_and_reset(
    headers: dict[str, str], told: dict[str, tuple[float | None, float | None]]
) -> None:
    readings = {reading.window: reading for reading in readings_of(headers.items(), START)}
    assert set(readings) == set(told)
    for window, (left, resets_in) in told.items():
        reading = readings[window]
        assert reading.left(NOW) == (left if left is None else pytest.approx(left, abs=1e-4))
        ahead = None if reading.resets_at is None else reading.resets_at - NOW
        assert ahead == (resets_in if resets_in is None else pytest.approx(resets_in, abs=1e-3))
        assert reading.source.startswith("header ")
        assert reading.at == NOW


def test_only_windows_of_the_account_itself_count_for_the_whole_connection() -> None:
    readings = {reading.window: reading for reading in readings_of((SUBSCRIPTION | OPENAI).items(), START)}
    assert {name for name, reading in readings.items() if reading.account_wide} == {"5h", "week"}


def test_a_used_up_window_keeps_its_connection_out_until_it_resets_and_no_longer() -> None:
    week = next(r for r in readings_of(SUBSCRIPTION.items(), START) if r.window == "week")
    assert week.exhausted_until(NOW) == NOW + 90_000
    assert week.exhausted_until(NOW + 90_000) is None
    assert week.left(NOW + 90_000) == 1.0


def test_a_used_up_window_without_a_known_end_is_left_alone_for_five_minutes() -> None:
    headers = {"x-ratelimit-limit-requests-day": "10", "x-ratelimit-remaining-requests-day": "0"}
    (reading,) = readings_of(headers.items(), START)
    assert reading.exhausted_until(NOW) == NOW + 300


def test_a_window_that_fills_up_all_the_time_keeps_nobody_out() -> None:
    headers = OPENAI | {"x-ratelimit-remaining-tokens": "0"}
    assert all(reading.exhausted_until(NOW) is None for reading in readings_of(headers.items(), START))


def test_a_missing_or_senseless_number_is_unknown_and_never_zero() -> None:
    headers = {
        "x-ratelimit-limit-requests": "0",
        "x-ratelimit-remaining-requests": "none",
        "x-ratelimit-limit-tokens": "-1",
        "x-ratelimit-remaining-tokens": "nan",
        "x-ratelimit-limit-tokens-day": "100",
    }
    readings = readings_of(headers.items(), START)
    assert [(r.window, r.remaining, r.left(NOW)) for r in readings] == [("tokens/day", None, None)]


def test_a_refusal_that_names_its_window_tells_the_numbers() -> None:
    text = "Rate limit reached on tokens per day (TPD): Limit 100000, Used 97050, Requested 3619."
    reading = reading_in_text(text, START)
    assert reading is not None
    assert (reading.window, reading.limit, reading.used, reading.remaining) == ("tokens/day", 100_000, 97_050, 2_950)
    assert reading.source == "error body"
    assert reading_in_text("too many requests per minute", START) is None


def test_a_refusal_without_a_hint_means_the_reset_of_the_window_that_is_used_up() -> None:
    readings = readings_of((OPENAI | {"x-ratelimit-remaining-tokens": "0"}).items(), START)
    assert used_up_hint(readings, START) == 360.0
    assert used_up_hint(readings_of(OPENAI.items(), START), START) is None


NAMES = st.sampled_from([*OPENAI, *CEREBRAS, *MISTRAL, *TOGETHER, *OPENROUTER, *ANTHROPIC, *SUBSCRIPTION])
VALUES = st.text(max_size=12) | st.floats().map(str) | st.integers().map(str) | st.sampled_from(["6m0s", "rejected"])


@given(st.lists(st.tuples(NAMES | st.text(max_size=40), VALUES), max_size=12), st.text(max_size=60))
def test_whatever_the_headers_hold_nothing_raises_and_shares_lie_between_nothing_and_all(
    headers: list[tuple[str, str]], text: str
) -> None:
    readings = readings_of(headers, START)
    for reading in readings:
        left = reading.left(NOW)
        assert left is None or 0.0 <= left <= 1.0
        until = reading.exhausted_until(NOW)
        assert until is None or until > NOW
    hint = used_up_hint(readings, START)
    assert hint is None or 0.0 <= hint <= 86_400.0
    reading_in_text(text, START)
