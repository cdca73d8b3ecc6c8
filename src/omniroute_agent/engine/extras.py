"""Fields of a request that change what it costs: taken away before it is sent, or reckoned with.

They travel only when a request leaves in the dialect it came in. Nothing that makes a call dearer than what is reserved
for it may go along.

Sources, read 2026-11-21: https://platform.openai.com/docs/api-reference/chat/create,
https://platform.claude.com/docs/en/api/service-tiers, https://platform.claude.com/docs/en/build-with-claude/fast-mode,
https://openrouter.ai/docs/features/web-search.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from omniroute_agent.engine.situation import Candidate
from omniroute_agent.kernel.chat import Chat, Rest, Usage
from omniroute_agent.providers.model import Price

_DEARER: Final = frozenset(
    (
        "audio",  # spoken answers have a price of their own
        "best_of",  # as many answers are billed
        "modalities",
        "n",  # as many answers are billed
        "plugins",  # OpenRouter: searches are billed by the piece
        "prediction",  # OpenAI: rejected words are billed as answer, beyond its cap
        "speed",  # Anthropic: fast mode, six times the price
        "web_search_options",  # searches are billed by the piece
    )
)
_TIER: Final = "service_tier"
_TIERS_KEPT: Final = ("auto", "default", "flex", "on_demand", "standard_only")
"""None of them is dearer than no word at all."""

_GEO: Final = "inference_geo"
_GEO_PERCENT: Final = 110
"""Anthropic, inference in one region only."""


def removed(rest: Rest) -> tuple[str, ...]:
    """Names of the fields that are not sent."""
    return tuple(sorted(name for name, value in rest.items() if _is_dearer(name, value)))


def affordable_rest(rest: Rest) -> Rest:
    """What may be sent of the fields nobody here has a word for."""
    return {name: value for name, value in rest.items() if not _is_dearer(name, value)} if removed(rest) else rest


def _is_dearer(name: str, value: JsonValue) -> bool:
    return name in _DEARER or (name == _TIER and value is not None and value not in _TIERS_KEPT)


def with_surcharge(candidates: tuple[Candidate, ...], chat: Chat) -> tuple[Candidate, ...]:
    """The candidates at the prices this request has there."""
    if chat.rest.get(_GEO) in (None, "global"):
        return candidates
    return tuple(_dearer(candidate, chat.origin) for candidate in candidates)


def _dearer(candidate: Candidate, origin: str | None) -> Candidate:
    price = candidate.facts.price
    if price is None or candidate.connection.provider.dialect != origin:
        return candidate
    return replace(candidate, facts=replace(candidate.facts, price=Surcharged(price)))


@dataclass(frozen=True, slots=True)
class Surcharged:
    """A price list with a share on top."""

    price: Price
    percent: int = _GEO_PERCENT

    @property
    def source(self) -> str:
        return f"{self.price.source} at {self.percent} %"

    @property
    def input_per_million(self) -> int:
        return self._more(self.price.input_per_million)

    @property
    def output_per_million(self) -> int:
        return self._more(self.price.output_per_million)

    def cost(self, usage: Usage, at: datetime) -> int:
        return self._more(self.price.cost(usage, at))

    def worst(self, input_tokens: int, output_tokens: int, at: datetime) -> int:
        return self._more(self.price.worst(input_tokens, output_tokens, at))

    def tariff(self, input_tokens: int, bound: int, at: datetime) -> None:  # noqa: ARG002 (what is rounded up twice is no line)
        return None

    def _more(self, amount: int) -> int:
        return -(-amount * self.percent // 100)


def note_of(rest: Mapping[str, JsonValue]) -> str | None:
    """What the plan says of fields that are not sent."""
    names = removed(rest)
    return f"Not sent, because it would cost more than is reserved: {', '.join(names)}." if names else None
