"""Resources: what the tools tell, under addresses that a client can list, attach and subscribe to."""

import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote

from mcp_types import INVALID_PARAMS, PaginatedRequestParams, ReadResourceRequestParams

from omniroute_agent.doors.mcp.visit import GONE_BEFORE_2026, Visit, Wire, page_of, protocol_error
from omniroute_agent.kernel.errors import CallError, NotFound, not_found
from omniroute_agent.tooling.tool import ToolOutput

SCHEME: Final = "omniroute://"
HEALTH: Final = SCHEME + "health"
COMBOS: Final = SCHEME + "combos/"

_PAGE: Final = 50
_KIND: Final = "application/json"
_MODELS_AT_ONCE: Final = 200
_MOST_PRICES: Final = 1000
_SEARCH_LENGTH: Final = 100
_ID_LENGTH: Final = 300

Read = Callable[[Visit, str], Awaitable[Wire]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    uri: str
    """With the name of its variable in braces at the end, if there are many of the kind."""
    name: str
    title: str
    description: str
    tool: str
    """Who may call that tool may read this."""
    read: Read
    fresh_ms: int
    """How long a client may keep what it read."""

    @property
    def variable(self) -> str | None:
        _, brace, rest = self.uri.partition("{")
        return rest.removesuffix("}") if brace else None

    @property
    def prefix(self) -> str:
        return self.uri.partition("{")[0]


async def _health(visit: Visit, _: str) -> Wire:
    return _whole(await visit.ask("get_health"))


async def _combo(visit: Visit, name: str) -> Wire:
    visit.require("list_combos")
    await (await visit.open()).combos.named(name)
    async with aclosing(visit.pages("list_combos")) as pages:
        async for page in pages:
            for combo in page["combos"]:
                if combo["name"] == name:
                    return dict(combo)
    raise not_found("combo", name, ())  # it went away in between


async def _receipt(visit: Visit, request_id: str) -> Wire:
    return _whole(await visit.ask("explain_route", request_id=request_id))


async def _model(visit: Visit, target: str) -> Wire:
    searched = {"search": target[:_SEARCH_LENGTH], "limit": _MODELS_AT_ONCE}
    async with aclosing(visit.pages("list_models_catalog", **searched)) as pages:
        async for page in pages:
            for model in page["models"]:
                if model["id"] == target:
                    return dict(model)
    names = await (await visit.open()).catalogue.names()
    raise not_found("model", target, [name for name in names if "/" in name])


async def _prices(visit: Visit, _: str) -> Wire:
    """Of the models that can be used now, in the catalogue's order."""
    usable: list[Wire] = []
    async with aclosing(visit.pages("list_models_catalog", limit=_MODELS_AT_ONCE)) as pages:
        async for page in pages:
            usable += [model for model in page["models"] if model["unavailable"] is None]
            if len(usable) > _MOST_PRICES:
                break
    shown = usable[:_MOST_PRICES]
    return {
        "prices": [{"model": model["id"], **model["price"]} for model in shown if model["price"] is not None],
        "price_unknown": [model["id"] for model in shown if model["price"] is None],
        "truncated": len(usable) > len(shown),
    }


RESOURCES: Final = (
    Resource(
        uri=HEALTH,
        name="health",
        title="Health",
        description="Connections with breaker, cool-down and last fault; spend guards; the database.",
        tool="get_health",
        read=_health,
        fresh_ms=0,
    ),
    Resource(
        uri=SCHEME + "prices",
        name="prices",
        title="Prices",
        description="USD per million tokens of every model that can be used now, with the source of each price.",
        tool="list_models_catalog",
        read=_prices,
        fresh_ms=60_000,
    ),
    Resource(
        uri=COMBOS + "{id}",
        name="combo",
        title="Combo",
        description="A combo: targets, strategy, state, and what would keep it from working.",
        tool="list_combos",
        read=_combo,
        fresh_ms=0,
    ),
    Resource(
        uri=SCHEME + "receipts/{request_id}",
        name="receipt",
        title="Receipt",
        description="Why one of your requests went where it went: plan, attempts, cost.",
        tool="explain_route",
        read=_receipt,
        fresh_ms=0,
    ),
    Resource(
        uri=SCHEME + "models/{id}",
        name="model",
        title="Model",
        description="A model as connection/model: capabilities, context, price and its source, availability.",
        tool="list_models_catalog",
        read=_model,
        fresh_ms=60_000,
    ),
)


async def list_resources(visit: Visit, params: PaginatedRequestParams) -> Wire:
    """The fixed resources, then the combos: what a person may want to pick from a list. The rest has templates.

    Raises:
        MCPError: the cursor is none of ours; the database cannot be read.
    """
    entries = [_listed(resource, resource.uri) for resource in RESOURCES if _shown(visit, resource, fixed=True)]
    combo = next(resource for resource in RESOURCES if resource.uri.startswith(COMBOS))
    if visit.may(combo.tool):
        try:
            names = await (await visit.open()).combos.by_name()
        except CallError as error:
            raise protocol_error(error) from None
        entries += [_listed(combo, COMBOS + quote(name, safe=""), name) for name in names]
    start, end, following = page_of(params.cursor, len(entries), _PAGE)
    return {"resources": entries[start:end], "resultType": "complete", **_next(following)}


async def list_templates(visit: Visit, params: PaginatedRequestParams) -> Wire:
    """
    Raises:
        MCPError: the cursor is none of ours.
    """
    shown = [resource for resource in RESOURCES if _shown(visit, resource, fixed=False)]
    start, end, following = page_of(params.cursor, len(shown), _PAGE)
    templates = [
        {
            "uriTemplate": resource.uri,
            "name": resource.name,
            "title": resource.title,
            "description": resource.description,
            "mimeType": _KIND,
        }
        for resource in shown[start:end]
    ]
    return {"resourceTemplates": templates, "resultType": "complete", **_next(following)}


async def read_resource(visit: Visit, params: ReadResourceRequestParams) -> Wire:
    """
    Raises:
        MCPError: there is no such resource, or this caller may not read it.
    """
    uri = str(params.uri)
    try:
        resource, variable = found(uri)
        told = await resource.read(visit, variable)
    except NotFound as error:
        code = INVALID_PARAMS if visit.modern else GONE_BEFORE_2026
        raise protocol_error(error, code=code, uri=uri) from None
    except CallError as error:
        raise protocol_error(error, uri=uri) from None
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return {
        "contents": [{"uri": uri, "mimeType": _KIND, "text": text}],
        "ttlMs": resource.fresh_ms,
        "resultType": "complete",
    }


def found(uri: str) -> tuple[Resource, str]:
    """The resource an address names, and the value of its variable.

    Raises:
        NotFound: it names none.
    """
    for resource in RESOURCES:
        if resource.variable is None:
            if uri == resource.uri:
                return resource, ""
        elif uri.startswith(resource.prefix) and len(uri) > len(resource.prefix):
            value = unquote(uri.removeprefix(resource.prefix))
            if len(value) <= _ID_LENGTH:
                return resource, value
    raise not_found("resource", uri, [resource.uri for resource in RESOURCES])


def template(uri: str) -> Resource | None:
    """The resource with that very template."""
    return next((resource for resource in RESOURCES if resource.variable and resource.uri == uri), None)


def _shown(visit: Visit, resource: Resource, *, fixed: bool) -> bool:
    return (resource.variable is None) is fixed and visit.may(resource.tool)


def _listed(resource: Resource, uri: str, name: str | None = None) -> Wire:
    return {
        "uri": uri,
        "name": f"{resource.name} {name}" if name else resource.name,
        "title": f"{resource.title} {name}" if name else resource.title,
        "description": resource.description,
        "mimeType": _KIND,
    }


def _whole(output: ToolOutput) -> dict[str, Any]:
    return output.model_dump(mode="json")


def _next(cursor: str | None) -> Wire:
    return {"nextCursor": cursor} if cursor else {}
