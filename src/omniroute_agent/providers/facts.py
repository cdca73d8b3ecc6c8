"""What is true of a model on a connection: window, capabilities, price. Unknown stays None and is said."""

from dataclasses import replace

from omniroute_agent.providers.capabilities import family_of
from omniroute_agent.providers.local.facts import FACTS as EMBEDDED
from omniroute_agent.providers.model import Connection, ModelFacts
from omniroute_agent.providers.prices import PriceBook


class FactBook:
    def __init__(self, prices: PriceBook) -> None:
        self._prices = prices

    def facts(self, connection: Connection, model: str) -> ModelFacts:
        if connection.source == "local" and model == EMBEDDED.id:
            return replace(EMBEDDED, price=self._prices.price(connection, model))
        provider = connection.provider
        row = None if provider.prices is None else self._prices.row(provider.prices, model)
        family = family_of(model)
        window = row[1].context_window if row is not None else None
        if window is None and family is not None:
            window = family.context_tokens
        json_schema = family.json_schema if family else None
        if not provider.quirks.json_schema:
            # The model may be able to, the provider's API does not take the request.
            json_schema = False
        sources = [name for name, known in (("genai-prices", row), ("model family", family)) if known is not None]
        return ModelFacts(
            id=model,
            context_tokens=window,
            max_output_tokens=family.max_output_tokens if family else None,
            vision=family.vision if family else None,
            tools=family.tools if family else None,
            json_schema=json_schema,
            reasoning=family.reasoning if family else None,
            price=self._prices.price(connection, model),
            source=", ".join(sources),
        )
