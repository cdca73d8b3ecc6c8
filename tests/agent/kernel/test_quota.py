"""A quota as its owner writes it, and the windows of the calendar it means."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.kernel.quota import quota_limit

SATURDAY = datetime(2026, 11, 21, 12, 30, tzinfo=UTC).timestamp()


def hour(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() // 3600)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "window", "since", "ends"),
    [
        ("1000 requests/day", "requests/day", hour(2026, 11, 21, 0), hour(2026, 11, 22, 0)),
        ("5 tokens per week", "tokens/week", hour(2026, 11, 16, 0), hour(2026, 11, 23, 0)),
        (" 7 requests / month ", "requests/month", hour(2026, 11, 1, 0), hour(2026, 12, 1, 0)),
        # The hour in which a rolling window begins counts whole, so that no five hours in a row hold too much.
        ("50 requests/5h", "requests/5h", hour(2026, 11, 21, 7), hour(2026, 11, 21, 18)),
    ],
)
def test_a_quota_is_read_as_people_write_it(text: str, window: str, since: int, ends: int) -> None:
    limit = quota_limit(text)
    assert (limit.window, limit.since(SATURDAY)) == (window, since)
    assert limit.ends(SATURDAY, oldest=hour(2026, 11, 21, 12)) == ends * 3600
    assert quota_limit(str(limit)) == limit


@pytest.mark.parametrize(
    "text", ["", "many", "0 requests/day", "10 dollars/day", "10 requests", "10 requests/0h", "10 requests/999h"]
)
def test_what_is_no_quota_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match="1000 requests/day"):
        quota_limit(text)


@given(
    st.floats(0.0, 4e9),
    st.sampled_from(["1 requests/day", "1 requests/week", "1 requests/month", "1 requests/1h", "1 requests/168h"]),
)
def test_a_window_holds_the_present_and_ends_after_it(now: float, text: str) -> None:
    limit = quota_limit(text)
    present = int(now // 3600)
    assert limit.since(now) <= present
    assert limit.ends(now, oldest=limit.since(now)) > now
    assert limit.seconds(now) > 0
