"""The provider table: rows are complete, addresses lead where the documentation says, default models have prices."""

from datetime import date
from urllib.parse import urlsplit

import pytest

from fakes import START
from omniroute_agent.providers.model import Connection, Endpoint, Provider
from omniroute_agent.providers.prices import PriceBook
from omniroute_agent.providers.table import PROVIDERS
from omniroute_agent.wire.table import DIALECTS

ROWS = tuple(PROVIDERS.values())
WITH_ADDRESS = tuple(row for row in ROWS if row.base_url)


@pytest.mark.parametrize("row", WITH_ADDRESS, ids=lambda row: row.id)
def test_a_row_says_where_it_was_read_and_when(row: Provider) -> None:
    assert urlsplit(row.source).scheme == "https"
    assert date.fromisoformat(row.checked) <= date(2100, 1, 1)
    assert row.title
    assert not row.base_url.endswith("/")
    assert row.dialect in {"openai-chat", "anthropic-messages"}


@pytest.mark.parametrize("row", WITH_ADDRESS, ids=lambda row: row.id)
def test_keys_travel_encrypted_or_not_at_all(row: Provider) -> None:
    address = urlsplit(row.base_url)
    if row.probe is None:
        assert address.scheme == "https"
    else:
        assert (address.scheme, address.hostname) == ("http", "127.0.0.1")
        assert row.auth == "none"
        assert row.tier == "free"
        assert row.env == ()


def test_no_variable_means_two_providers() -> None:
    names = [name for row in ROWS for name in row.env]

    assert len(names) == len(set(names))


def test_a_token_for_other_work_is_not_taken_from_the_environment() -> None:
    assert all("GITHUB_TOKEN" not in row.env for row in ROWS)


@pytest.mark.parametrize("row", [row for row in ROWS if row.default_model], ids=lambda row: row.id)
def test_a_default_model_has_a_price_now(row: Provider) -> None:
    async def reach() -> Endpoint:
        return Endpoint(base_url=row.base_url)

    connection = Connection(id=row.id, provider=row, source="settings", tier=row.tier, reach=reach)
    price = PriceBook(now=lambda: START).price(connection, row.default_model or "")

    assert price is not None
    assert 0 < price.input_per_million <= 2_000_000_000
    assert 0 < price.output_per_million <= 5_000_000_000


def test_the_ports_where_other_programs_listen_ask_for_more_than_a_list() -> None:
    for name in ("llamacpp", "vllm"):
        probe = PROVIDERS[name].probe
        assert probe is not None
        assert probe.path is not None
        assert probe.keys


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ("anthropic", "https://api.anthropic.com/v1/messages"),
        ("openai", "https://api.openai.com/v1/chat/completions"),
        ("gemini", "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"),
        ("deepseek", "https://api.deepseek.com/chat/completions"),
        ("minimax", "https://api.minimax.io/anthropic/v1/messages"),
        ("groq", "https://api.groq.com/openai/v1/chat/completions"),
        ("zai", "https://api.z.ai/api/paas/v4/chat/completions"),
        ("ollama", "http://127.0.0.1:11434/v1/chat/completions"),
    ],
)
def test_address_and_path_give_the_url_of_the_documentation(provider: str, url: str) -> None:
    row = PROVIDERS[provider]

    assert row.base_url + DIALECTS[row.dialect].path == url
