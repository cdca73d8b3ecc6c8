"""What a provider's answer means: one table, a test per row."""

from datetime import timedelta

import pytest

from fakes import START
from omniroute_agent.engine.faults import MAX_HINT_SECONDS, kind_of, retry_hint, scrub
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.wire.dialect import ErrorReport

ROWS = [
    (400, "This model's maximum context length is 8192 tokens.", "context_overflow"),
    (400, "prompt is too long: 210000 tokens > 200000 maximum", "context_overflow"),
    (400, "Your credit balance is too low to access the API.", "out_of_credit"),
    (400, "The model `gpt-9` does not exist", "not_found"),
    (400, "messages.2: `tool_use` ids were found without `tool_result` blocks: tool_use_id x", "rejected"),
    (400, "An assistant message with 'tool_calls' must be followed by tool messages", "rejected"),
    (400, "Unsupported parameter: 'temperature' is not supported with this model.", "unsupported"),
    (401, "Incorrect API key provided", "unauthorized"),
    (402, "Insufficient balance", "out_of_credit"),
    (403, "Country not supported", "forbidden"),
    (404, "no such model", "not_found"),
    (408, "Request timeout", "server_error"),
    (413, "request too large", "context_overflow"),
    (422, "temperature must be below 1", "unsupported"),
    (429, "Rate limit reached for requests", "rate_limited"),
    (429, "You exceeded your current quota, insufficient_quota, check your plan and billing", "out_of_credit"),
    (429, "You have hit your daily limit", "window_exhausted"),
    (500, "internal error", "server_error"),
    (502, "bad gateway", "server_error"),
    (503, "service unavailable", "overloaded"),
    (529, "overloaded_error", "overloaded"),
    (200, "overloaded_error: Overloaded", "overloaded"),
    (200, "rate_limit_exceeded", "rate_limited"),
    (200, "something broke", "server_error"),
]


@pytest.mark.parametrize(("status", "message", "kind"), ROWS)
def test_each_kind_of_refusal_is_told_apart(status: int, message: str, kind: str) -> None:
    assert kind_of(status, ErrorReport(message=message)) == kind


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("12", 12.0),
        ("0.5", 0.5),
        ((START + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 90.0),
        ((START - timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 0.0),
        ("999999999", MAX_HINT_SECONDS),
        ("soon", None),
        ("nan", None),
        ("-3", 0.0),
        ("", None),
    ],
)
def test_a_retry_hint_is_read_in_both_forms_and_bounded_to_a_day(header: str, seconds: float | None) -> None:
    assert retry_hint({"retry-after": header}, START) == seconds


def test_a_provider_that_repeats_the_key_does_not_leak_it() -> None:
    key = "sk-obviously-fake-key-000000"
    shown = scrub(f"Incorrect API key provided: {key} and sk-other-fake-000000000.", Secret(key))
    assert "fake" not in shown
    assert "Incorrect API key provided: ***" in shown
