"""Who follows on a model, by the shape of names alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.providers.families import is_snapshot_of, parse, successors

KNOWN = (
    "claude-3-5-haiku-20241022",
    "claude-sonnet-4-5",
    "claude-sonnet-4-5-20250929",
    "claude-sonnet-5",
    "claude-opus-5",
    "gpt-4o",
    "gpt-4o-2024-08-06",
    "gpt-4o-2024-11-20",
    "gpt-4o-mini",
    "gpt-4.1-mini",
    "gpt-5-mini",
    "gpt-5.4-mini",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-3-flash-preview",
    "kimi-k2.6",
    "kimi-k2-0905-preview",
    "llama-3.3-70b",
    "llama-4-70b",
    "llama-4-405b",
    "openai/gpt-5",
    "vendor/x-2",
    "vendor/x-3:free",
    "mistral-small-2506",
    "mistral-small-latest",
)


@pytest.mark.parametrize(
    ("model", "following"),
    [
        ("gpt-4o-2024-05-13", ("gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20")),
        ("gpt-4o-2024-11-20", ("gpt-4o",)),
        ("gpt-4.1-mini-2025-04-14", ("gpt-4.1-mini", "gpt-5-mini", "gpt-5.4-mini")),
        ("gpt-4.1-mini", ("gpt-5-mini", "gpt-5.4-mini")),
        ("claude-3-5-sonnet-20241022", ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "claude-sonnet-5")),
        ("claude-sonnet-4-5", ("claude-sonnet-5",)),
        ("claude-opus-4-1", ("claude-opus-5",)),
        ("gemini-2.0-flash-001", ("gemini-2.5-flash",)),
        ("gemini-2.0-flash-lite", ("gemini-2.5-flash-lite",)),
        ("gemini-2.5-flash-preview-09-2025", ("gemini-2.5-flash", "gemini-3-flash-preview")),
        ("kimi-k2-0711-preview", ("kimi-k2-0905-preview", "kimi-k2.6")),
        ("llama-3.1-70b", ("llama-3.3-70b", "llama-4-70b")),
        ("mistral-small-2503", ("mistral-small-latest", "mistral-small-2506")),
        ("vendor/x-1", ("vendor/x-2",)),
        ("gpt-5", ()),
        ("gpt-4o", ()),
        ("gpt-4o-mini", ()),
        ("claude-opus-5", ()),
        ("unheard-of", ()),
    ],
)
def test_the_plain_name_then_newer_snapshots_then_the_next_versions(model: str, following: tuple[str, ...]) -> None:
    assert successors(model, KNOWN) == following


def test_the_order_of_the_list_does_not_matter() -> None:
    assert successors("gpt-4.1-mini", reversed(KNOWN)) == successors("gpt-4.1-mini", KNOWN)


def test_a_dated_name_is_a_snapshot_of_the_plain_one() -> None:
    assert is_snapshot_of("claude-sonnet-4-5-20250929", "claude-sonnet-4-5")
    assert not is_snapshot_of("claude-sonnet-4-5-20250929", "claude-sonnet-4")
    assert not is_snapshot_of("claude-sonnet-4-5", "claude-sonnet-4-5-20250929")


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=5))
def test_any_text_is_a_name_and_nobody_follows_on_themselves(model: str, known: list[str]) -> None:
    parse(model)
    assert model not in successors(model, [*known, model])


@given(st.lists(st.sampled_from(KNOWN), min_size=2, max_size=2, unique=True))
def test_two_models_never_follow_on_each_other(pair: list[str]) -> None:
    first, second = pair
    assert not (second in successors(first, KNOWN) and first in successors(second, KNOWN))
