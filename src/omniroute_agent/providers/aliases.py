"""Other names of providers that people have in their fingers from the original program and its price data."""

from collections.abc import Mapping
from typing import Final

SHORT_NAMES: Final[Mapping[str, str]] = {
    "claude": "anthropic",
    "cc": "anthropic",
    "ds": "deepseek",
    "glm": "zai",
    "kimi": "moonshot",
    "lc": "longcat",
    "ollamacloud": "ollama-cloud",
    "pplx": "perplexity",
}
"""What may stand before the slash of `provider/model` → the provider's id. A connection or provider of that very name
goes first. Read on 2026-11-21 from the provider table of the original's documentation; its names for subscriptions that
cannot be reached with a key are not here."""
