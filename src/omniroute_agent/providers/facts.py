"""What is true of a model on a connection: window, capabilities, price. Unknown stays None and is said.

The owner's word goes before the provider's own list, that before the bundled data.
"""

from dataclasses import replace
from typing import Any, Final

from omniroute_agent.providers.capabilities import family_of
from omniroute_agent.providers.known import FACTS, SILENCE, Bundled, Look, Said
from omniroute_agent.providers.local.facts import FACTS as EMBEDDED
from omniroute_agent.providers.model import Connection, ModelFacts
from omniroute_agent.providers.price_book import PriceBook

_MAX_REMEMBERED: Final = 4096
"""Names come from callers, so their number has an end."""


class FactBook:
    def __init__(self, prices: PriceBook, known: Look | None = None) -> None:
        self._prices = prices
        self._known = known or Bundled()
        self._seen, self._fresh = self._known.now, prices.fresh
        self._found: dict[tuple[str, str, str, str], ModelFacts] = {}

    def facts(self, connection: Connection, model: str) -> ModelFacts:
        known, fresh = self._known.now, self._prices.fresh
        if known is not self._seen or fresh != self._fresh or len(self._found) >= _MAX_REMEMBERED:
            self._seen, self._fresh = known, fresh
            self._found.clear()
        key = (connection.id, connection.provider.id, connection.tier, model)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._gathered(connection, model)
        return found

    def _gathered(self, connection: Connection, model: str) -> ModelFacts:
        if connection.source == "local" and model == EMBEDDED.id:
            return replace(EMBEDDED, price=self._prices.price(connection, model))
        own, listed = self._known.now.said(connection.id, model)
        bundled, sources = self._bundled(connection, model)
        added = self._known.now.own.get((connection.id, model))
        told = [added.source] if added is not None and own != SILENCE else []
        told += ["provider's list"] if any(getattr(listed, name) is not None for name in FACTS) else []
        facts = {name: _first(own, listed, bundled, name) for name in FACTS}
        if not connection.provider.quirks.json_schema and own.json_schema is None:
            # The model may be able to, the provider's API does not take the request.
            facts["json_schema"] = False
        price = self._prices.price(connection, model)
        return ModelFacts(id=model, price=price, source=", ".join([*told, *sources]), **facts)

    def _bundled(self, connection: Connection, model: str) -> tuple[Said, list[str]]:
        provider = connection.provider
        row = None if provider.prices is None else self._prices.row(provider.prices, model)
        family = family_of(model)
        window = row[1].context_window if row is not None else None
        if window is None and family is not None:
            window = family.context_tokens
        said = Said(
            context_tokens=window,
            max_output_tokens=family.max_output_tokens if family else None,
            vision=family.vision if family else None,
            tools=family.tools if family else None,
            json_schema=family.json_schema if family else None,
            reasoning=family.reasoning if family else None,
        )
        return said, [name for name, known in (("genai-prices", row), ("model family", family)) if known is not None]


def _first(own: Said, listed: Said, bundled: Said, name: str) -> Any:
    """What the first of them says who says anything."""
    values = (getattr(said, name) for said in (own, listed, bundled))
    return next((value for value in values if value is not None), None)
