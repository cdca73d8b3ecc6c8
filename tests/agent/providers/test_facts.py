"""What is known of a model is said with its source; what is not known stays unknown."""

from dataclasses import replace

import pytest

from fakes import START
from omniroute_agent.providers.capabilities import FAMILIES, family_of
from omniroute_agent.providers.facts import FactBook
from omniroute_agent.providers.model import Connection, Endpoint
from omniroute_agent.providers.price_book import PriceBook
from omniroute_agent.providers.table import PROVIDERS

FACTS = FactBook(PriceBook(now=lambda: START))


def connection(provider: str) -> Connection:
    row = PROVIDERS[provider]

    async def reach() -> Endpoint:
        return Endpoint(base_url=row.base_url)

    return Connection(id=provider, provider=row, source="settings", tier=row.tier, reach=reach)


def test_a_known_model_has_window_abilities_and_price() -> None:
    facts = FACTS.facts(connection("openai"), "gpt-4o-mini")

    assert (facts.context_tokens, facts.max_output_tokens) == (128_000, 16_384)
    assert (facts.vision, facts.tools, facts.json_schema, facts.reasoning) == (True, True, True, False)
    assert facts.price is not None
    assert facts.source == "genai-prices, model family"


def test_nothing_is_guessed_about_an_unknown_model() -> None:
    facts = FACTS.facts(connection("ollama"), "somebodys-finetune")

    assert (facts.context_tokens, facts.max_output_tokens) == (None, None)
    assert (facts.vision, facts.tools, facts.json_schema, facts.reasoning) == (None, None, None, None)
    assert facts.source == ""


def test_the_embedded_model_is_described_by_its_own_measurements() -> None:
    embedded = replace(connection("local"), source="local")
    facts = FACTS.facts(embedded, "smollm2-135m")

    assert (facts.context_tokens, facts.tools, facts.json_schema) == (8_192, False, True)
    assert facts.price is not None
    assert facts.price.source == "free"
    assert FACTS.facts(connection("ollama"), "smollm2-135m").json_schema is None


def test_a_model_is_the_same_under_the_names_of_its_hosts() -> None:
    names = (
        "llama-3.3-70b-versatile",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "accounts/fireworks/models/llama-v3p3-70b",
    )

    assert all((family := family_of(name)) is not None and family.tools and family.vision is False for name in names)


def test_an_api_without_json_schema_says_so_whatever_the_model_could() -> None:
    assert FACTS.facts(connection("deepseek"), "deepseek-flash").json_schema is False
    assert FACTS.facts(connection("fireworks"), "accounts/fireworks/models/deepseek-v4p1-flash").json_schema is None


@pytest.mark.parametrize(
    ("model", "vision", "tools", "reasoning"),
    [
        ("gpt-6-luna", True, True, True),
        ("gpt-4.1-nano", True, True, False),
        ("o3-mini", False, True, True),
        ("o1-preview", False, False, True),
        ("openai/gpt-oss-120b", False, True, True),
        ("claude-3-haiku-20240307", True, True, False),
        ("claude-opus-4-20250514", True, True, True),
        ("claude-haiku-5-5", True, True, True),
        ("anthropic/claude-sonnet-4.5", True, True, True),
        ("gemini-3.5-flash-lite", True, True, True),
        ("gemini-pro-latest", True, True, True),
        ("grok-4-1-fast-non-reasoning", True, True, False),
        ("deepseek-v4-pro", False, True, True),
        ("deepseek-flash", True, True, True),
        ("mistral-small-latest", True, True, True),
        ("llama-4-scout", True, True, False),
        ("qwen2.5-coder:7b", False, True, False),
        ("smollm2-135m", False, False, False),
    ],
)
def test_the_families_people_use(model: str, vision: bool, tools: bool, reasoning: bool) -> None:
    family = family_of(model)

    assert family is not None
    assert (family.vision, family.tools, family.reasoning) == (vision, tools, reasoning)


@pytest.mark.parametrize(
    "model",
    ["text-embedding-3-small", "whisper-1", "gpt-image-2", "tts-1", "nomic-embed-text:latest", "mistral-ocr-latest"],
)
def test_what_one_cannot_chat_with_is_known_as_such(model: str) -> None:
    family = family_of(model)

    assert family is not None
    assert not family.chat


def test_every_family_says_something() -> None:
    for family in FAMILIES:
        said = (family.vision, family.tools, family.json_schema, family.reasoning, family.context_tokens)
        assert not family.chat or any(value is not None for value in said), family.pattern
