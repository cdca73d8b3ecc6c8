"""Price lists as others publish them, and our own: bytes → prices by `provider/model`, and what was left out and why.

Read on 2026-11-21: the schema beside litellm's `model_prices_and_context_window.json` (USD per token), genai-prices'
`data.json` (USD per million tokens), OpenRouter's `/models` (USD per token). Our own form is the table of the settings:
`[prices."provider/model"]` with USD per million tokens as texts, in TOML or JSON.

A row is taken only when four numbers tell its whole price: prices that change with the prompt's length, the hour or the
number of calls stay with the bundled data, which knows such rules. A price of 0 is no price unless the name says so.
"""

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.strict_json import BadJson, decode
from omniroute_agent.providers.listing import HIGHEST, openrouter_prices, token_price
from omniroute_agent.providers.prices import OwnPrice
from omniroute_agent.providers.table import PROVIDERS

Node = Mapping[str, JsonValue]


class NoPrices(Exception):
    """It is no price list; the message says why and never repeats what stands in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    format: str
    prices: Mapping[str, OwnPrice]
    left_out: Mapping[str, int]
    """Reason → rows."""


@dataclass
class _Draft:
    prices: dict[str, OwnPrice] = field(default_factory=dict[str, OwnPrice])
    left_out: Counter[str] = field(default_factory=Counter[str])

    def add(self, name: str, price: "OwnPrice | str") -> None:
        """A price, or why there is none."""
        if not isinstance(price, str):
            price = _fault(name, price) or price
        if isinstance(price, str):
            self.left_out[price] += 1
        else:
            self.prices[name] = price


def read_prices(content: bytes) -> PriceList:
    """
    Raises:
        NoPrices: it is none of the forms above, or no row of it can be taken.
    """
    document = _document(content)
    for form, is_this, read in _FORMS:
        if is_this(document):
            draft = _Draft()
            read(document, draft)
            if not draft.prices:
                raise NoPrices(f"It looks like {form}, but no price in it can be taken{_why(draft.left_out)}.")
            return PriceList(format=form, prices=draft.prices, left_out=dict(draft.left_out))
    raise NoPrices("It is no price list in a form that is known here.")


def _document(content: bytes) -> JsonValue:
    text = content.decode("utf-8", "replace").lstrip("\ufeff").strip()
    if not text:
        raise NoPrices("It is empty.")
    if text[0] in "{[":
        first = _json(text)
        if first is not None:
            return first
    try:
        table: dict[str, JsonValue] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        raise NoPrices("It is neither JSON nor TOML that can be read.") from None
    return table


def _json(text: str) -> JsonValue:
    try:
        return decode(text)
    except BadJson as error:
        if text[0] == "[" and '"' in text.partition("\n")[0]:  # the first table of a TOML file looks like a list
            return None
        raise NoPrices(f"It is JSON that cannot be read: {error}.") from None


def _why(left_out: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{reason}: {count}' for reason, count in left_out.items())})" if left_out else ""


def _fault(name: str, price: OwnPrice) -> str | None:
    rates = [r for r in (price.input, price.output, price.cache_read, price.cache_write) if r is not None]
    if price.input == price.output == 0 and not name.endswith(":free"):
        return "no price or 0"
    return "not plausible" if max(rates) > HIGHEST else None


# Our own form.


def _is_own(document: JsonValue) -> bool:
    return isinstance(document, dict) and isinstance(document.get("prices"), dict)


def _read_own(document: JsonValue, draft: _Draft) -> None:
    rows = _members(_members(document).get("prices"))
    for name, row in rows.items():
        provider, _, model = name.partition("/")
        if provider not in PROVIDERS or not model:
            draft.add(name, "a provider that is not known here")
        else:
            draft.add(name, _own_price(_members(row)))


def _own_price(row: Node) -> OwnPrice | str:
    texts = {name: str(row[name]) for name in ("input", "output", "cache_read", "cache_write") if name in row}
    if "input" not in texts or "output" not in texts or not row.keys() <= texts.keys():
        return "a row that is not understood"
    try:
        return OwnPrice.from_usd(
            input=texts["input"],
            output=texts["output"],
            cache_read=texts.get("cache_read"),
            cache_write=texts.get("cache_write"),
        )
    except ValueError:
        return "an amount that is none"


# litellm

_LITELLM_NAMES: Final = {"together_ai": "together", "fireworks_ai": "fireworks", "cohere_chat": "cohere"}
"""Its name of a provider → ours, where they differ."""
_LITELLM_MODES: Final = ("chat", "responses", "completion")


def _is_litellm(document: JsonValue) -> bool:
    if not isinstance(document, dict):
        return False
    rows = [row for name, row in document.items() if name not in ("sample_spec", "fallback_generalizations")]
    return bool(rows) and any(isinstance(row, dict) and "litellm_provider" in row for row in rows[:50])


def _read_litellm(document: JsonValue, draft: _Draft) -> None:
    for name, row in _members(document).items():
        if not isinstance(row, dict) or name in ("sample_spec", "fallback_generalizations"):
            continue
        theirs = row.get("litellm_provider")
        provider = _LITELLM_NAMES.get(str(theirs), str(theirs))
        if provider not in PROVIDERS:
            draft.add(name, "a provider that is not known here")
        elif row.get("mode") not in _LITELLM_MODES:
            draft.add(name, "not for chatting")
        else:
            draft.add(f"{provider}/{name.removeprefix(f'{theirs}/')}", _litellm_price(row))


def _litellm_price(row: Node) -> OwnPrice | str:
    if any("_cost" in key and "_above_" in key and "_tokens" in key for key in row) or "tiered_pricing" in row:
        return "a price that rises with the prompt's length"
    put, out = token_price(row.get("input_cost_per_token")), token_price(row.get("output_cost_per_token"))
    thinking = token_price(row.get("output_cost_per_reasoning_token"))
    if put is None or out is None:
        return "no price or 0"
    if any(token_price(row.get(key)) for key in ("input_cost_per_request", "citation_cost_per_token")):
        return "a charge that no token count shows"
    kept = token_price(row.get("cache_creation_input_token_cost_above_1hr"))
    return OwnPrice(
        input=put,
        output=max(out, thinking or 0),
        cache_read=token_price(row.get("cache_read_input_token_cost")),
        cache_write=token_price(row.get("cache_creation_input_token_cost")),
        input_bound=kept,
    )


# genai-prices


def _is_genai(document: JsonValue) -> bool:
    if not isinstance(document, list) or not document:
        return False
    return all(isinstance(provider, dict) and "id" in provider and "models" in provider for provider in document)


def _read_genai(document: JsonValue, draft: _Draft) -> None:
    ours = {provider.prices: provider for provider in PROVIDERS.values() if provider.prices is not None}
    for provider in document if isinstance(document, list) else ():
        node = _members(provider)
        row = ours.get(str(node.get("id")))
        for model in _nodes(node.get("models")):
            name = str(model.get("id"))
            if row is None:
                draft.add(name, "a provider that is not known here")
            elif model.get("deprecated") is not True:
                draft.add(f"{row.id}/{row.model_prefix}{name}", _genai_price(model.get("prices")))


_GENAI: Final = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
}


def _genai_price(prices: JsonValue) -> OwnPrice | str:
    if not isinstance(prices, dict):
        return "a price that changes with time"
    if not prices.keys() <= set(_GENAI.values()) or any(isinstance(rate, dict) for rate in prices.values()):
        return "a price of more than four numbers"
    rates = {ours: token_price(_per_token(prices.get(theirs))) for ours, theirs in _GENAI.items()}
    put, out = rates["input"], rates["output"]
    if put is None or out is None:
        return "no price or 0"
    return OwnPrice(input=put, output=out, cache_read=rates["cache_read"], cache_write=rates["cache_write"])


def _per_token(per_million: JsonValue) -> JsonValue:
    if isinstance(per_million, bool) or not isinstance(per_million, int | float | str):
        return None
    try:
        return str(Decimal(str(per_million)) / 1_000_000)
    except ArithmeticError:
        return None


# OpenRouter


def _is_openrouter(document: JsonValue) -> bool:
    rows = list(_nodes(document.get("data"))) if isinstance(document, dict) else []
    return bool(rows) and any("pricing" in row for row in rows)


def _read_openrouter(document: JsonValue, draft: _Draft) -> None:
    for row in _nodes(_members(document).get("data")):
        prices = openrouter_prices(row)
        draft.add(f"openrouter/{row.get('id')}", OwnPrice(**prices) if prices else "no price or 0")


_FORMS: Final[tuple[tuple[str, Callable[[JsonValue], bool], Callable[[JsonValue, _Draft], None]], ...]] = (
    ("our own price list", _is_own, _read_own),
    ("OpenRouter's list of models", _is_openrouter, _read_openrouter),
    ("genai-prices' data", _is_genai, _read_genai),
    ("litellm's price list", _is_litellm, _read_litellm),
)


def _members(value: JsonValue) -> Node:
    return value if isinstance(value, dict) else {}


def _nodes(value: JsonValue) -> Iterator[Node]:
    return (item for item in (value if isinstance(value, list) else ()) if isinstance(item, dict))
