"""Combos made of what is connected here, each for one wish of its owner. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

from pydantic import JsonValue

from omniroute_agent.engine.combos import TIER_ORDER
from omniroute_agent.engine.situation import Candidate
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.providers.model import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    targets: tuple[str, ...]
    strategy: str
    options: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class Cannot:
    why: str
    """With what would have to be there."""


@dataclass(frozen=True, slots=True)
class Template:
    name: str
    purpose: str
    make: Callable[[Sequence[Candidate]], Made | Cannot]
    """From every model known on every connection, each connection's default first."""


def _free_stack(pool: Sequence[Candidate]) -> Made | Cannot:
    free = _best_of_each([c for c in pool if costs_nothing(c)], _roomiest)
    if not free:
        return Cannot(
            "No connection here has a model that is known to cost nothing. Start a model server on this machine, or "
            "connect a provider with free models; `omniroute-agent models --free` lists what is found."
        )
    return Made(targets=_names(free), strategy="round-robin" if len(free) > 1 else "priority")


def _high_availability(pool: Sequence[Candidate]) -> Made | Cannot:
    first = _by_tier(_best_of_each(pool, _default_first))
    providers = {_failing_together(c) for c in first}
    if len(providers) < 2:  # noqa: PLR2004 (one may fail)
        only = f"only {first[0].connection.provider.title} is" if first else "no provider is"
        return Cannot(f"It needs at least two providers that can fail one by one, and {only} connected here.")
    return Made(targets=_names(_taking_turns(first)), strategy="lkgp")


def _cost_saver(pool: Sequence[Candidate]) -> Made | Cannot:
    priced = _best_of_each([c for c in pool if c.facts.price is not None], _cheapest)
    if not priced:
        return Cannot(
            "No model here has a known price. Give some in the settings file under "
            '[prices."connection/model"], or connect a provider whose prices are known.'
        )
    return Made(targets=_names(sorted(priced, key=_typical_cost)), strategy="cost-optimized")


def _balanced(pool: Sequence[Candidate]) -> Made | Cannot:
    first = _by_tier(_best_of_each(pool, _default_first))
    if len(first) < 2:  # noqa: PLR2004 (a choice)
        return Cannot(f"It needs at least two connections to choose from, and {len(first) or 'none'} can be used here.")
    return Made(targets=_names(first), strategy="auto", options={"pack": "balanced"})


TEMPLATES: Final[Mapping[str, Template]] = {
    template.name: template
    for template in (
        Template(
            "free-stack", "Everything that costs nothing, one model of each connection, taking turns.", _free_stack
        ),
        Template(
            "high-availability",
            "One model of each connection, neighbours from different providers; whoever answered last goes first.",
            _high_availability,
        ),
        Template(
            "cost-saver",
            "The cheapest model of each connection that can use tools; each request goes to the cheapest for it.",
            _cost_saver,
        ),
        Template(
            "balanced",
            "One model of each connection, scored anew for every request by quota, health, cost, speed and task.",
            _balanced,
        ),
    )
}


def usable(pool: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """What a template may choose from: the tiny local model stands behind every combo anyway."""
    return tuple(c for c in pool if c.connection.unavailable is None and not c.connection.last_resort)


def costs_nothing(candidate: Candidate) -> bool:
    """Its price is known to be 0, or its owner says that the connection costs nothing."""
    price = candidate.facts.price
    nothing = price is not None and price.input_per_million == 0 and price.output_per_million == 0
    return nothing or candidate.connection.tier == "free"


_TYPICAL: Final = Usage(input_tokens=3_000, output_tokens=1_000)
"""Three tokens in for one out, as agents use them: the mix by which prices are compared."""


def _typical_cost(candidate: Candidate) -> int:
    """Nano-dollars at the base tier's prices; only for candidates whose price is known."""
    price: Price | None = candidate.facts.price
    assert price is not None, "asked of priced candidates only"
    return price.input_per_million * _TYPICAL.input_tokens + price.output_per_million * _TYPICAL.output_tokens


def _best_of_each(
    pool: Iterable[Candidate], better: Callable[[Sequence[Candidate]], Candidate | None]
) -> list[Candidate]:
    """At most one model of each connection."""
    by_connection: dict[str, list[Candidate]] = {}
    for candidate in pool:
        by_connection.setdefault(candidate.connection.id, []).append(candidate)
    best = (better(models) for models in by_connection.values())
    return [candidate for candidate in best if candidate is not None]


def _default_first(models: Sequence[Candidate]) -> Candidate | None:
    """The connection's default; without one the only model there is. Among several its owner has to choose."""
    default = next((c for c in models if c.model == c.connection.default_model), None)
    return default or (models[0] if len(models) == 1 else None)


def _roomiest(models: Sequence[Candidate]) -> Candidate:
    """The default, else the one with the largest known context window."""
    return _default_first(models) or max(models, key=lambda c: c.facts.context_tokens or 0)


def _cheapest(models: Sequence[Candidate]) -> Candidate:
    """Of those that can use tools, if any is known to."""
    able = [c for c in models if c.facts.tools] or models
    return min(able, key=lambda c: (_typical_cost(c), -(c.facts.context_tokens or 0), c.model))


def _by_tier(found: Iterable[Candidate]) -> list[Candidate]:
    return sorted(found, key=lambda c: TIER_ORDER[c.connection.tier])


def _failing_together(candidate: Candidate) -> str:
    """Accounts at one provider are down together; connections whose owner gave the address are not."""
    provider = candidate.connection.provider
    return provider.id if provider.base_url else candidate.connection.id


def _taking_turns(found: Sequence[Candidate]) -> list[Candidate]:
    """The first of each provider, then the second of each, so that neighbours differ where that is possible."""
    by_provider: dict[str, list[Candidate]] = {}
    for candidate in found:
        by_provider.setdefault(_failing_together(candidate), []).append(candidate)
    return [candidate for row in zip_longest(*by_provider.values()) for candidate in row if candidate is not None]


def _names(found: Iterable[Candidate]) -> tuple[str, ...]:
    return tuple(candidate.name for candidate in found)
