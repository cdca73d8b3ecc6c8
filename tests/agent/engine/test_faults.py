"""What a provider's answer means: one table, a test per row."""

import pytest

from omniroute_agent.engine.faults import EFFECTS, kind_of, scrub
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.wire.dialect import ErrorReport

GROQ_DAY = (
    "Rate limit reached for model `llama-3.3-70b-versatile` in organization `org_0` service tier `on_demand` on tokens "
    "per day (TPD): Limit 100000, Used 97050, Requested 3619. Please try again in 9m38.016s. Need more tokens? Upgrade "
    "to Dev Tier today at https://console.groq.com/settings/billing"
)
GROQ_MINUTE = GROQ_DAY.replace("tokens per day (TPD)", "tokens per minute (TPM)")
GOOGLE = "You exceeded your current quota, please check your plan and billing details. RESOURCE_EXHAUSTED"

ROWS = [
    (400, "This model's maximum context length is 8192 tokens.", "context_overflow"),
    (400, "prompt is too long: 210000 tokens > 200000 maximum", "context_overflow"),
    (400, "Your credit balance is too low to access the API.", "out_of_credit"),
    (400, "The model `gpt-9` does not exist", "not_found"),
    (400, "messages.2: `tool_use` ids were found without `tool_result` blocks: tool_use_id x", "rejected"),
    (400, "An assistant message with 'tool_calls' must be followed by tool messages", "rejected"),
    (400, "Unsupported parameter: 'temperature' is not supported with this model.", "unsupported"),
    (400, "API key not valid. Please pass a valid API key. INVALID_ARGUMENT", "unauthorized"),
    (400, "This organization has been disabled.", "deactivated"),
    (400, "Organization has been restricted. Please reach out to support.", "deactivated"),
    (400, "Rate limit exceeded, slow down", "rate_limited"),
    (400, "Your organization must be verified to stream this model.", "unsupported"),
    (401, "Incorrect API key provided", "unauthorized"),
    (401, "This key is associated with a deactivated account. account_deactivated", "deactivated"),
    (402, "Insufficient balance", "out_of_credit"),
    (402, "You have exceeded your monthly included credits", "out_of_credit"),
    (403, "Country not supported", "forbidden"),
    (403, "To continue, verify your account at https://accounts.example", "deactivated"),
    (403, "This service has been disabled in this account for violation of the terms", "deactivated"),
    (403, "Project `proj_0` does not have access to model `gpt-9`", "not_found"),
    (403, "The chosen model requires moderation and your input was flagged", "unsupported"),
    (403, "PROJECT_ROUTE_ERROR", "unsupported"),
    (403, "Quota exceeded: rate limit of the account", "rate_limited"),
    (404, "no such model", "not_found"),
    (408, "Request timeout", "server_error"),
    (413, "request too large", "context_overflow"),
    (422, "temperature must be below 1", "unsupported"),
    (429, "Rate limit reached for requests", "rate_limited"),
    (429, "Too many requests", "rate_limited"),
    (429, "This request would exceed your account's rate limit of 50000 input tokens per minute", "rate_limited"),
    (429, GROQ_MINUTE, "rate_limited"),
    (429, GROQ_DAY, "model_window_exhausted"),
    (429, "You exceeded your current quota, insufficient_quota, check your plan and billing", "out_of_credit"),
    (429, "You exceeded your current quota, please check your plan and billing details.", "out_of_credit"),
    (429, GOOGLE, "rate_limited"),
    (429, f"{GOOGLE} GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "rate_limited"),
    (429, f"{GOOGLE} GenerateRequestsPerDayPerProjectPerModel-FreeTier", "model_window_exhausted"),
    (
        429,
        "You have exhausted your capacity on this model. Your quota will reset after 8h44m7s.",
        "model_window_exhausted",
    ),
    (429, "Rate limit exceeded: free-models-per-day", "model_window_exhausted"),
    (429, "You have hit your daily limit", "window_exhausted"),
    (429, "The usage limit has been reached. usage_limit_reached", "window_exhausted"),
    (429, "Your weekly quota is used up", "window_exhausted"),
    (429, "5-hour limit reached, resets in 3h", "window_exhausted"),
    (429, "Your account is not active: billing_not_active", "out_of_credit"),
    (429, "All credits are exhausted for this team", "out_of_credit"),
    (500, "internal error", "server_error"),
    (502, "bad gateway", "server_error"),
    (503, "service unavailable", "overloaded"),
    (529, "overloaded_error", "overloaded"),
    (200, "overloaded_error: Overloaded", "overloaded"),
    (200, "rate_limit_exceeded", "rate_limited"),
    (200, "insufficient_quota", "out_of_credit"),
    (200, "Invalid API key", "unauthorized"),
    (200, "invalid_request_error: prompt is too long", "context_overflow"),
    (200, "something broke", "server_error"),
]


@pytest.mark.parametrize(("status", "message", "kind"), ROWS)
def test_each_kind_of_refusal_is_told_apart(status: int, message: str, kind: str) -> None:
    assert kind_of(status, ErrorReport(message=message)) == kind


def test_an_error_inside_an_answer_that_names_a_status_means_that_status() -> None:
    assert kind_of(200, ErrorReport(message="Provider returned error", code="502")) == "server_error"
    assert kind_of(200, ErrorReport(message="Provider returned error", code="429")) == "rate_limited"
    assert kind_of(200, ErrorReport(message="odd", code="1" * 5000)) == "server_error"


def test_only_outages_count_towards_a_breaker_and_every_lock_that_is_no_cool_down_says_how_long() -> None:
    for kind, effect in EFFECTS.items():
        assert not (effect.outage and effect.lock != "none"), kind
        assert not (effect.silent and (effect.outage or effect.lock != "none")), kind
        assert (effect.seconds is None) is (effect.lock == "none" or kind == "rate_limited"), kind
        assert effect.seconds is None or 0 < effect.seconds <= 86_400


def test_a_provider_that_repeats_the_key_does_not_leak_it() -> None:
    key = "sk-obviously-fake-key-000000"
    shown = scrub(f"Incorrect API key provided: {key} and sk-other-fake-000000000.", Secret(key))
    assert "fake" not in shown
    assert "Incorrect API key provided: ***" in shown
