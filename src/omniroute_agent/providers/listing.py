"""A provider's own list of its models, in each dialect's way, with what it says of them.

Read on 2026-11-21: https://platform.openai.com/docs/api-reference/models/list,
https://platform.claude.com/docs/en/api/models/list (pages by `after_id`), https://ai.google.dev/api/models (pages by
`pageToken`), https://docs.ollama.com/api/tags, https://openrouter.ai/docs/models (prices in USD per token; pages by
`links.next`). Of OpenAI's dialect also what its hosts add: `context_length`, `context_window`, `max_context_length`,
`max_model_len`, `type`, `capabilities.completion_chat`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final
from urllib.parse import urlencode

from pydantic import JsonValue

from omniroute_agent.kernel.money import NANO_PER_USD
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.providers.capabilities import family_of
from omniroute_agent.providers.discovery import request_headers
from omniroute_agent.providers.known import Said
from omniroute_agent.providers.model import Connection
from omniroute_agent.providers.probing import MAX_NAME
from omniroute_agent.providers.proxies import Proxies, proxy_for
from omniroute_agent.providers.reading import CannotRead, get_json

PAGE: Final = 1000
MAX_PAGES: Final = 20
MAX_MODELS: Final = 10_000
SECONDS: Final = 30.0
"""For each page."""
MILLION: Final = 1_000_000

HIGHEST: Final = 100_000 * NANO_PER_USD
"""Nano-dollars per million tokens above which a price is taken for a mistake: 0.1 USD for each token."""

_OTHER_KINDS: Final = frozenset(
    ("image", "embedding", "moderation", "rerank", "audio", "video", "transcribe", "speech")
)

Node = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    entries: tuple[Node, ...]
    following: Mapping[str, str] = field(default_factory=dict[str, str])
    """What to ask for the next page; empty: this is the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How a dialect lists its models."""

    ask: Mapping[str, str]
    """What the first page is asked with."""
    page: Callable[[JsonValue], Page]
    name: Callable[[Node], JsonValue]
    said: Callable[[Node], Said | None]
    """None: it is no model one chats with."""


async def read_list(ports: Ports, connection: Connection, proxies: Proxies) -> tuple[dict[str, Said], str]:
    """Every chat model on the connection's list, and the address the list was read from.

    Raises:
        CannotRead: it could not be read whole. A list of which a page is missing is no list.
        NoRoute: the connection cannot be reached.
    """
    endpoint = await connection.reach()
    way = _WAYS.get(connection.provider.dialect, _OPENAI)
    address = endpoint.base_url + connection.provider.list_path
    proxy = proxy_for(endpoint, proxies.around(connection, None))
    headers = request_headers(connection, endpoint, "")
    found: dict[str, Said] = {}
    asked: list[Mapping[str, str]] = [way.ask]
    while True:
        query = f"?{urlencode(asked[-1])}" if asked[-1] else ""
        page = way.page(await get_json(ports.http, address + query, seconds=SECONDS, headers=headers, proxy=proxy))
        found |= _chat_models(way, page.entries)
        if len(found) > MAX_MODELS:
            raise CannotRead(f"It lists more than {MAX_MODELS} models.")
        if not page.following:
            return found, address
        following = {**way.ask, **page.following}
        if following in asked or len(asked) == MAX_PAGES:
            raise CannotRead("Its list has no end: a page led back, or there are too many.")
        asked.append(following)


def _chat_models(way: _Way, entries: Iterable[Node]) -> dict[str, Said]:
    """
    Raises:
        CannotRead: an entry is none of a list of models.
    """
    found: dict[str, Said] = {}
    for entry in entries:
        name = way.name(entry)
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise CannotRead("It is not a list of models: an entry has no name.")
        family = family_of(name)
        said = way.said(entry)
        if said is not None and (family is None or family.chat):
            found[name] = said
    return found


def _openai_page(answer: JsonValue) -> Page:
    if isinstance(answer, list):  # Together answers without an object around its list
        return Page(entries=_nodes(answer))
    members = _node(answer)
    data = members.get("data")
    if data is None and members.get("object") == "list" and "data" in members:
        data = []  # how Ollama writes an empty list
    return Page(entries=_nodes(data), following=_next_link(members))


def _next_link(members: Node) -> dict[str, str]:
    """OpenRouter names the next page with an address of its own; only the numbers in it are taken."""
    links = members.get("links")
    following = links.get("next") if isinstance(links, dict) else None
    if not isinstance(following, str):
        return {}
    pairs = [pair.partition("=") for pair in following.partition("?")[2].split("&")]
    return {name: value for name, _, value in pairs if name in ("offset", "limit", "page") and value.isdecimal()}


def _anthropic_page(answer: JsonValue) -> Page:
    members = _node(answer)
    last = members.get("last_id")
    more = members.get("has_more") is True and isinstance(last, str)
    return Page(entries=_nodes(members.get("data")), following={"after_id": str(last)} if more else {})


def _gemini_page(answer: JsonValue) -> Page:
    members = _node(answer)
    token = members.get("nextPageToken")
    return Page(
        entries=_nodes(members.get("models")),
        following={"pageToken": token} if isinstance(token, str) and token else {},
    )


def _ollama_page(answer: JsonValue) -> Page:
    return Page(entries=_nodes(_node(answer).get("models")))


def _openai_said(entry: Node) -> Said | None:
    kind, able = entry.get("type"), _inner(entry, "capabilities")
    outputs = _inner(entry, "architecture").get("output_modalities")
    if kind in _OTHER_KINDS or able.get("completion_chat") is False:
        return None
    if isinstance(outputs, list) and "text" not in outputs:
        return None
    inputs = _inner(entry, "architecture").get("input_modalities")
    takes = entry.get("supported_parameters")
    takes = takes if isinstance(takes, list) else None
    return Said(
        context_tokens=_count(entry, "context_length", "context_window", "max_context_length", "max_model_len"),
        max_output_tokens=_count(_inner(entry, "top_provider"), "max_completion_tokens")
        or _count(entry, "max_completion_tokens"),
        vision="image" in inputs if isinstance(inputs, list) else _flag(able.get("vision")),
        tools=_flag(able.get("function_calling")) if takes is None else "tools" in takes,
        json_schema=None if takes is None else "structured_outputs" in takes,
        reasoning=None if takes is None else "reasoning" in takes,
        retires=_day(entry.get("expiration_date")) or _day(entry.get("deprecation")),
        **_prices(entry),
    )


def _anthropic_said(entry: Node) -> Said:
    able = _inner(entry, "capabilities")
    return Said(
        context_tokens=_count(entry, "max_input_tokens"),
        max_output_tokens=_count(entry, "max_tokens"),
        vision=_flag(_inner(able, "image_input").get("supported")),
        json_schema=_flag(_inner(able, "structured_outputs").get("supported")),
        reasoning=_flag(_inner(able, "thinking").get("supported")),
    )


def _gemini_said(entry: Node) -> Said | None:
    methods = entry.get("supportedGenerationMethods")
    if isinstance(methods, list) and "generateContent" not in methods:
        return None
    return Said(
        context_tokens=_count(entry, "inputTokenLimit"),
        max_output_tokens=_count(entry, "outputTokenLimit"),
        reasoning=_flag(entry.get("thinking")),
    )


def _ollama_said(entry: Node) -> Said | None:
    able = entry.get("capabilities")
    if not isinstance(able, list):
        return Said()
    if "completion" not in able:
        return None
    return Said(vision="vision" in able, tools="tools" in able, reasoning="thinking" in able)


def _gemini_name(entry: Node) -> JsonValue:
    name = entry.get("name")
    return name.removeprefix("models/") if isinstance(name, str) else None


_OPENAI: Final = _Way(ask={}, page=_openai_page, name=lambda entry: entry.get("id"), said=_openai_said)
_WAYS: Final[Mapping[str, _Way]] = {
    "anthropic-messages": _Way(
        ask={"limit": str(PAGE)},
        page=_anthropic_page,
        name=lambda entry: entry.get("id"),
        said=_anthropic_said,
    ),
    "gemini": _Way(ask={"pageSize": str(PAGE)}, page=_gemini_page, name=_gemini_name, said=_gemini_said),
    "ollama": _Way(ask={}, page=_ollama_page, name=lambda entry: entry.get("name"), said=_ollama_said),
}
"""By dialect; the others list as OpenAI does."""


def token_price(value: JsonValue) -> int | None:
    """USD per token → nano-dollars per million tokens, rounded up; None: not an amount, or none that is fixed."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0:  # OpenRouter's -1: it depends
        return None
    nano = amount * NANO_PER_USD * MILLION
    return int(nano.to_integral_value(rounding="ROUND_CEILING"))


def openrouter_prices(entry: Node) -> dict[str, int]:
    """What a row of OpenRouter's list costs, as far as token counts alone can tell; empty: not known.

    A price of 0 is believed only of a model whose name says it is free.
    """
    pricing, name = _inner(entry, "pricing"), entry.get("id")
    plain = {ours: token_price(pricing.get(theirs)) for ours, theirs in _OPENROUTER.items() if theirs in pricing}
    put, out = plain.get("input"), plain.get("output")
    thinking = token_price(pricing.get("internal_reasoning")) or 0
    if put is None or out is None or token_price(pricing.get("request")) or thinking > out:
        return {}
    if any(price is not None and price > HIGHEST for price in plain.values()):
        return {}
    if put == out == 0 and not (isinstance(name, str) and name.endswith(":free")):
        return {}
    return {ours: price for ours, price in plain.items() if price is not None}


_OPENROUTER: Final = {
    "input": "prompt",
    "output": "completion",
    "cache_read": "input_cache_read",
    "cache_write": "input_cache_write",
}


def _prices(entry: Node) -> dict[str, int]:
    return openrouter_prices(entry) if "prompt" in _inner(entry, "pricing") else {}


def _node(value: JsonValue) -> Node:
    if not isinstance(value, dict):
        raise CannotRead("It is not a list of models.")
    return value


def _nodes(value: JsonValue) -> tuple[Node, ...]:
    if not isinstance(value, list):
        raise CannotRead("It is not a list of models.")
    return tuple(map(_node, value))


def _inner(entry: Node, name: str) -> Node:
    value = entry.get(name)
    return value if isinstance(value, dict) else {}


def _count(entry: Node, *names: str) -> int | None:
    values = (entry.get(name) for name in names)
    return next((v for v in values if isinstance(v, int) and not isinstance(v, bool) and 0 < v < 1 << 40), None)


def _flag(value: JsonValue) -> bool | None:
    return value if isinstance(value, bool) else None


def _day(value: JsonValue) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None
