"""Price lists as others publish them: what is taken, and what is left out with its reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.providers.price_formats import NoPrices, read_prices
from omniroute_agent.providers.prices import OwnPrice

LITELLM: dict[str, Any] = {
    "sample_spec": {"litellm_provider": "one of …", "mode": "one of …", "input_cost_per_token": 0.0},
    "gpt-9": {
        "litellm_provider": "openai",
        "mode": "chat",
        "input_cost_per_token": 5.5e-07,
        "output_cost_per_token": 2e-06,
        "cache_read_input_token_cost": 1e-07,
    },
    "together_ai/vendor/x": {
        "litellm_provider": "together_ai",
        "mode": "chat",
        "input_cost_per_token": 1e-06,
        "output_cost_per_token": 1e-06,
    },
    "claude-9": {
        "litellm_provider": "anthropic",
        "mode": "chat",
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.5e-05,
        "cache_creation_input_token_cost": 3.75e-06,
        "cache_creation_input_token_cost_above_1hr": 6e-06,
    },
    "gemini/long": {
        "litellm_provider": "gemini",
        "mode": "chat",
        "input_cost_per_token": 1e-06,
        "output_cost_per_token": 1e-06,
        "input_cost_per_token_above_200k_tokens": 2e-06,
    },
    "embedder": {"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 1e-06},
    "groq/nothing": {
        "litellm_provider": "groq",
        "mode": "chat",
        "input_cost_per_token": 0.0,
        "output_cost_per_token": 0.0,
    },
    "elsewhere/x": {
        "litellm_provider": "elsewhere",
        "mode": "chat",
        "input_cost_per_token": 1e-06,
        "output_cost_per_token": 1e-06,
    },
    "groq/mad": {
        "litellm_provider": "groq",
        "mode": "chat",
        "input_cost_per_token": 1.0,
        "output_cost_per_token": 1.0,
    },
}


def test_litellms_list_is_read_exactly_and_what_four_numbers_cannot_tell_is_left_out() -> None:
    found = read_prices(json.dumps(LITELLM).encode())
    assert found.format == "litellm's price list"
    assert found.prices == {
        "openai/gpt-9": OwnPrice(input=550_000_000, output=2_000_000_000, cache_read=100_000_000),
        "together/vendor/x": OwnPrice(input=1_000_000_000, output=1_000_000_000),
        "anthropic/claude-9": OwnPrice(
            input=3_000_000_000, output=15_000_000_000, cache_write=3_750_000_000, input_bound=6_000_000_000
        ),
    }
    assert found.left_out == {
        "a price that rises with the prompt's length": 1,
        "not for chatting": 1,
        "no price or 0": 1,
        "a provider that is not known here": 1,
        "not plausible": 1,
    }


def test_genai_prices_data_is_read_under_the_names_of_our_providers() -> None:
    data = [
        {
            "id": "x-ai",
            "models": [
                {"id": "grok-9", "prices": {"input_mtok": 1.25, "output_mtok": 2.5, "cache_read_mtok": 0.2}},
                {"id": "grok-tiers", "prices": {"input_mtok": {"base": 1, "tiers": []}, "output_mtok": 2}},
                {"id": "grok-dated", "prices": [{"prices": {"input_mtok": 1, "output_mtok": 2}}]},
                {"id": "grok-old", "deprecated": True, "prices": {"input_mtok": 1, "output_mtok": 2}},
            ],
        },
        {"id": "nobody", "models": [{"id": "y", "prices": {"input_mtok": 1, "output_mtok": 2}}]},
    ]
    found = read_prices(json.dumps(data).encode())
    assert found.prices == {"xai/grok-9": OwnPrice(input=1_250_000_000, output=2_500_000_000, cache_read=200_000_000)}
    assert sum(found.left_out.values()) == 3


def test_openrouters_list_is_a_price_list_too() -> None:
    rows = [
        {"id": "v/a", "pricing": {"prompt": "0.000001", "completion": "0.000002"}},
        {"id": "v/b:free", "pricing": {"prompt": "0", "completion": "0"}},
        {"id": "v/c", "pricing": {"prompt": "0", "completion": "0"}},
        {"id": "v/d", "pricing": {"prompt": "0.000001", "completion": "0.000002", "request": "0.01"}},
    ]
    found = read_prices(json.dumps({"data": rows}).encode())
    assert set(found.prices) == {"openrouter/v/a", "openrouter/v/b:free"}
    assert found.left_out == {"no price or 0": 2}


OWN_TOML = """
[prices."openai/gpt-9"]
input = "0.55"
output = 2
cache_read = 0.1
"""
OWN_JSON = {"prices": {"openai/gpt-9": {"input": "0.55", "output": 2, "cache_read": 0.1}}}


@pytest.mark.parametrize("content", [OWN_TOML.encode(), json.dumps(OWN_JSON).encode()])
def test_our_own_form_is_the_table_of_the_settings_in_toml_or_json(content: bytes) -> None:
    found = read_prices(content)
    assert found.prices == {"openai/gpt-9": OwnPrice(input=550_000_000, output=2_000_000_000, cache_read=100_000_000)}


@pytest.mark.parametrize(
    "row",
    [
        {"input": "1"},
        {"input": "-1", "output": "1"},
        {"input": "x", "output": "1"},
        {"input": "1", "output": "1", "extra": "1"},
        {"input": "0", "output": "0"},
        {"input": "NaN", "output": "1"},
        "1",
    ],
)
def test_a_row_that_is_none_is_left_out_and_a_list_of_nothing_else_is_refused(row: object) -> None:
    good = {"input": "1", "output": "2"}
    found = read_prices(json.dumps({"prices": {"openai/a": row, "openai/b": good}}).encode())
    assert set(found.prices) == {"openai/b"}
    with pytest.raises(NoPrices, match="no price in it can be taken"):
        read_prices(json.dumps({"prices": {"openai/a": row}}).encode())


@pytest.mark.parametrize(
    "content",
    [b"", b"  \n", b"{}", b"[]", b"null", b"1", b'{"data": []}', b"<html>", b'{"a": 1', b"\xff\xfe", b"x = ["],
)
def test_what_is_no_price_list_is_refused_and_not_repeated(content: bytes) -> None:
    with pytest.raises(NoPrices) as refused:
        read_prices(content)
    assert "html" not in str(refused.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_price_list_or_refused(content: bytes) -> None:
    try:
        found = read_prices(content)
    except NoPrices:
        return
    assert found.prices


JSONS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 10)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab1"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["prices", "data", "id", "models", "pricing", "prompt", "litellm_provider", "mode", "openai/a", "input"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSONS)
def test_any_json_is_a_price_list_or_refused_and_no_price_is_below_zero(document: object) -> None:
    try:
        found = read_prices(json.dumps(document).encode())
    except NoPrices:
        return
    assert all(price.input >= 0 and price.output >= 0 for price in found.prices.values())
