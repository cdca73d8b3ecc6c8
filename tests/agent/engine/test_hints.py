"""Whatever a provider says about when to come back is understood, bounded to a day, and never an error."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import START
from omniroute_agent.engine.hints import (
    MAX_HINT_SECONDS,
    hint_in_body,
    hint_in_text,
    names_in_body,
    retry_hint,
    seconds_until,
)

IN_90 = (START + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT")
AGO_90 = (START - timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("12", 12.0),
        ("0.5", 0.5),
        ("30s", 30.0),
        (IN_90, 90.0),
        (AGO_90, 0.0),
        ("999999999", MAX_HINT_SECONDS),
        (str(int(START.timestamp()) + 40), 40.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("-3", 0.0),
        ("", None),
        ("   ", None),
    ],
)
def test_retry_after_is_read_in_every_form_and_bounded_to_a_day(header: str, seconds: float | None) -> None:
    assert retry_hint({"retry-after": header}, START) == seconds


def test_retry_after_in_milliseconds_is_the_finer_one() -> None:
    assert retry_hint({"retry-after-ms": "350", "retry-after": "1"}, START) == 0.35


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1.2s", 1.2),
        ("17ms", 0.017),
        ("250µs", 0.00025),
        ("1h2m3s", 3723.0),
        ("2d", 172_800.0),
        ("7", 7.0),
        ("20 seconds", 20.0),
        ("1 hour, 2 minutes and 3 seconds", 3723.0),
        (f"{START.timestamp() + 60:.0f}", 60.0),
        (f"{(START.timestamp() + 60) * 1000:.0f}", 60.0),
        ("2026-11-21T12:01:00Z", 60.0),
        ("2026-11-21T13:01:00.000+01:00", 60.0),
        ("2026-11-21T12:01:00", 60.0),
        ("581981.300432511s", 581981.300432511),
        ("6m0", None),
        ("s", None),
        ("tomorrow", None),
    ],
)
def test_a_length_of_time_or_a_moment_is_read_as_providers_write_it(text: str, seconds: float | None) -> None:
    assert seconds_until(text, START) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit reached. Please try again in 20s.", 20.0),
        ("on tokens per day (TPD): Limit 100000, Used 97050, Requested 3619. Please try again in 9m38.016s.", 578.016),
        ("You have exhausted your capacity on this model. Your quota will reset after 27h41m36s.", MAX_HINT_SECONDS),
        ("You have exhausted your capacity on this model. Your quota will reset after 8h44m7s.", 31_447.0),
        ("Usage limit reached, reset after 3h", 10_800.0),
        ("Please retry after 30 seconds.", 30.0),
        ("Please wait 2 minutes before the next call", 120.0),
        ("Your limit resets in about 5 minutes", 300.0),
        ("Please retry in 34.074824224s.", 34.074824224),
        ("Quota will be replenished in 1 day", 86_400.0),
        ("Your quota will reset at 2026-11-21T14:00:00Z.", 7200.0),
        ("It resets at 2026-11-21 12:30 UTC", 1800.0),
        (f"try again at {START.timestamp() + 15:.0f}", 15.0),
        ("Try again later.", None),
        ("The model takes 20s to start", None),
        ("Limit 6000, Requested 7000", None),
        ("", None),
    ],
)
def test_a_sentence_says_when_to_come_back(text: str, seconds: float | None) -> None:
    assert hint_in_text(text, START) == (seconds if seconds is None else pytest.approx(seconds))


GOOGLE = {
    "error": {
        "code": 429,
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"},
        ],
    }
}


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (GOOGLE, 34.0),
        ([GOOGLE], 34.0),
        ({"error": {"type": "usage_limit_reached", "resets_in_seconds": 7200, "resets_at": 1}}, 7200.0),
        ({"error": {"metadata": {"headers": {"X-RateLimit-Reset": f"{(START.timestamp() + 9) * 1000:.0f}"}}}}, 9.0),
        ({"error": {"details": [{"metadata": {"quotaResetTimeStamp": "2026-11-21T12:00:30Z"}}]}}, 30.0),
        ({"retry_after": 1.5}, 1.5),
        ({"retry_after": 10**400}, None),
        ({"retry_after": True}, None),
        ({"retry_after": None}, None),
        ({"error": "slow down"}, None),
        (None, None),
        (7, None),
    ],
)
def test_an_error_body_says_when_to_come_back_by_a_members_name(body: object, seconds: float | None) -> None:
    assert hint_in_body(body, START) == seconds


def test_the_machine_words_of_googles_details_are_found() -> None:
    assert names_in_body(GOOGLE) == "GenerateRequestsPerDayPerProjectPerModel-FreeTier"


def test_a_hostile_body_is_read_only_to_a_bound() -> None:
    wide = {str(n): {str(m): "x" for m in range(1000)} for n in range(1000)}
    assert hint_in_body(wide | {"retry_after": 3}, START) is None
    deep: object = {"retry_after": 3}
    for _ in range(10_000):
        deep = [deep]
    assert hint_in_body(deep, START) is None


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=12) | st.sampled_from(["retryDelay", "resets_at", "retry_after", "quotaId"]), inner
        )
    ),
    max_leaves=12,
)
WORDS = st.lists(
    st.sampled_from(["try again", "in", "reset", "at", "9", "1e999", "-1", "h", "m", "s", ".", "2026-11-21T", " "])
    | st.text(max_size=5),
    max_size=14,
).map("".join)


@given(WORDS, BODIES)
def test_nothing_a_provider_sends_raises_and_every_hint_lies_within_a_day(text: str, body: object) -> None:
    hints = (
        hint_in_text(text, START),
        hint_in_body(body, START),
        retry_hint({"retry-after": text}, START),
        retry_hint({"retry-after-ms": text}, START),
    )
    for hint in hints:
        assert hint is None or 0.0 <= hint <= 86_400.0
    assert isinstance(names_in_body(body), str)
