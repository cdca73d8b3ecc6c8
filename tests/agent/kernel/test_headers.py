from pathlib import Path

import pytest

from omniroute_agent.kernel.headers import FORBIDDEN, header_fault


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_a_forbidden_header_is_refused_in_any_spelling(name: str) -> None:
    assert header_fault(name.title(), "x") == header_fault(name.upper(), "x") == FORBIDDEN[name]


def test_a_key_is_sent_the_way_of_keys() -> None:
    assert "give the key as a key" in (header_fault("Authorization", "Bearer fake") or "")


def test_the_page_lists_every_forbidden_name() -> None:
    page = (Path(__file__).parents[3] / "docs" / "settings.md").read_text(encoding="utf-8").lower()
    assert [name for name in FORBIDDEN if f"`{name}`" not in page and "cookie" not in name] == []


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ü", "a" * 101])
def test_what_is_no_name_is_refused(name: str) -> None:
    assert header_fault(name, "x") == "is not a header name"


@pytest.mark.parametrize("value", ["a\r\nHost: evil", "a\tb", "ä", "x" * 8193])
def test_a_value_cannot_begin_a_second_header(value: str) -> None:
    fault = header_fault("X-Title", value)
    assert fault is not None
    assert value not in fault


@pytest.mark.parametrize("name", ["X-Title", "HTTP-Referer", "OpenAI-Organization", "anthropic-beta", "api-key"])
def test_what_providers_ask_for_is_allowed(name: str) -> None:
    assert header_fault(name, "my notebook") is None
