"""The provider table: rows are complete, addresses lead where the documentation says, default models have prices."""

import re
from datetime import date
from urllib.parse import urlsplit

import pytest
from genai_prices.data_snapshot import get_snapshot

from fakes import START
from omniroute_agent.providers.addresses import filled
from omniroute_agent.providers.discovery import is_own_machine
from omniroute_agent.providers.model import Connection, Endpoint, Provider
from omniroute_agent.providers.price_book import PriceBook
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
    assert row.dialect in DIALECTS
    # Public code means three projects or more.
    assert len(set(row.seen)) + ("public code" in row.seen) >= 2


def test_sixty_hosted_providers_and_more_are_known() -> None:
    assert len([row for row in WITH_ADDRESS if row.base_url.startswith("https")]) >= 60


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_an_id_is_typed_easily_and_prices_are_where_the_row_says(row: Provider) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", row.id)
    if row.prices is not None:
        assert row.prices in {provider.id for provider in get_snapshot().providers}
    if row.not_served:
        re.compile(row.not_served)


@pytest.mark.parametrize("row", [row for row in ROWS if "{" in row.base_url or row.blanks], ids=lambda row: row.id)
def test_what_is_blank_in_an_address_is_said(row: Provider) -> None:
    names = {blank.name for blank in row.blanks}

    assert names == set(re.findall(r"\{(\w+)\}", row.base_url))
    assert all(blank.means for blank in row.blanks)
    assert "{" not in filled(row, dict.fromkeys(names, "acme"))


def test_every_dialect_has_a_row_for_addresses_of_ones_own() -> None:
    assert {row.dialect for row in ROWS if not row.base_url} == set(DIALECTS)
    assert PROVIDERS["openai-compatible"].dialect == "openai-chat"
    assert PROVIDERS["anthropic-compatible"].dialect == "anthropic-messages"


@pytest.mark.parametrize("row", WITH_ADDRESS, ids=lambda row: row.id)
def test_keys_travel_encrypted_or_not_at_all(row: Provider) -> None:
    address = urlsplit(row.base_url)
    if not is_own_machine(row.base_url):
        assert address.scheme == "https"
        assert row.probe is None
    else:
        assert (address.scheme, address.hostname) == ("http", "127.0.0.1")
        assert row.auth == "none"
        assert row.tier == "free"
        assert row.env == ()


def test_no_variable_means_two_providers() -> None:
    names = [name for row in ROWS for name in row.env]

    assert len(names) == len(set(names))


def test_a_token_for_other_work_is_not_taken_from_the_environment() -> None:
    for_other_work = {
        *("GITHUB_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "DATABRICKS_TOKEN", "CLOUDFLARE_API_TOKEN"),
        *("CLOUDFLARE_API_KEY", "DIGITALOCEAN_ACCESS_TOKEN", "WANDB_API_KEY", "HELICONE_API_KEY", "SCW_SECRET_KEY"),
    }

    assert [row.id for row in ROWS if for_other_work & set(row.env)] == []


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
        ("gemini", "https://generativelanguage.googleapis.com/v1beta/models/{model}:generateContent"),
        ("deepseek", "https://api.deepseek.com/chat/completions"),
        ("minimax", "https://api.minimax.io/anthropic/v1/messages"),
        ("groq", "https://api.groq.com/openai/v1/chat/completions"),
        ("zai", "https://api.z.ai/api/paas/v4/chat/completions"),
        ("ollama", "http://127.0.0.1:11434/api/chat"),
        ("ollama-cloud", "https://ollama.com/api/chat"),
        ("openai-responses", "https://api.openai.com/v1/responses"),
        ("kimi-coding", "https://api.kimi.com/coding/v1/messages"),
        ("longcat", "https://api.longcat.chat/openai/v1/chat/completions"),
        ("vertex-express", "https://aiplatform.googleapis.com/v1/publishers/google/models/{model}:generateContent"),
    ],
)
def test_address_and_path_give_the_url_of_the_documentation(provider: str, url: str) -> None:
    row = PROVIDERS[provider]

    assert row.base_url + DIALECTS[row.dialect].path == url
