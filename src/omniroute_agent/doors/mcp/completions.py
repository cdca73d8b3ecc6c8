"""Completions: names of models, combos, providers and requests, for arguments of prompts and addresses of resources."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, get_args

from mcp_types import INVALID_PARAMS, CompleteRequestParams, PromptReference

from omniroute_agent.doors.mcp.prompts import PROMPTS, named
from omniroute_agent.doors.mcp.resources import RESOURCES, template
from omniroute_agent.doors.mcp.visit import Visit, Wire, protocol_error
from omniroute_agent.engine.request import Task
from omniroute_agent.kernel.errors import CallError, NotFound, not_found

MOST: Final = 100
"""Values in one answer; the specification allows no more."""
_RECENT: Final = 100


@dataclass(frozen=True, slots=True)
class Names:
    tool: str
    """Who may call that tool may know them."""
    all: Callable[[Visit], Awaitable[Iterable[str]]]


async def _models(visit: Visit) -> Iterable[str]:
    """As `connection/model`, which says where; bare names mean several."""
    return [entry.target for entry in await (await visit.open()).catalogue.list()]


async def _combos(visit: Visit) -> Iterable[str]:
    return await (await visit.open()).combos.by_name()


async def _providers(visit: Visit) -> Iterable[str]:
    """Those that something is connected to."""
    connections = await (await visit.open()).connections.all()
    return sorted({connection.provider.id for connection in connections})


async def _requests(visit: Visit) -> Iterable[str]:
    """The caller's own, newest first."""
    decisions = (await visit.open()).decisions
    return [row.request_id for row in await decisions.recent(visit.caller.id, limit=_RECENT)]


async def _tasks(_: Visit) -> Iterable[str]:
    return get_args(Task)


_KINDS: Final[Mapping[str, Names]] = {
    "model": Names("list_models_catalog", _models),
    "combo": Names("list_combos", _combos),
    "provider": Names("get_health", _providers),
    "request": Names("explain_route", _requests),
    "task": Names("list_combos", _tasks),
}
_VARIABLES: Final = {"combo": "combo", "receipt": "request", "model": "model"}
"""By the name of a resource: what its variable is one of."""


async def complete(visit: Visit, params: CompleteRequestParams) -> Wire:
    """
    Raises:
        MCPError: there is no such prompt, template or argument (-32602); the database cannot be read.
    """
    try:
        kind = _kind(params)
        names = await _known(visit, kind)
    except NotFound as error:
        raise protocol_error(error, code=INVALID_PARAMS) from None
    except CallError as error:
        raise protocol_error(error) from None
    matching = _matching(names, params.argument.value)
    shown = matching[:MOST]
    completion = {"values": shown, "total": len(matching), "hasMore": len(matching) > len(shown)}
    return {"completion": completion, "resultType": "complete"}


def _kind(params: CompleteRequestParams) -> str:
    """
    Raises:
        NotFound: the reference or the argument is unknown.
    """
    asked, ref = params.argument.name, params.ref
    if isinstance(ref, PromptReference):
        prompt = named(ref.name)
        if prompt is None:
            raise not_found("prompt", ref.name, [each.name for each in PROMPTS])
        kinds = {argument.name: argument.completes for argument in prompt.arguments}
    else:
        resource = template(ref.uri)
        if resource is None or resource.variable is None:
            raise not_found("template", ref.uri, [each.uri for each in RESOURCES if each.variable])
        kinds = {resource.variable: _VARIABLES[resource.name]}
    if asked not in kinds:
        raise not_found("argument", asked, list(kinds))
    return kinds[asked]


async def _known(visit: Visit, kind: str) -> Iterable[str]:
    names = _KINDS.get(kind)
    if names is None:
        return kind.split("|") if kind else ()
    return await names.all(visit) if visit.may(names.tool) else ()


def _matching(names: Iterable[str], begun: str) -> list[str]:
    """Names that begin so, then those that hold it elsewhere; each in the order they came."""
    part = begun.casefold()
    found = [name for name in names if part in name.casefold()]
    return sorted(found, key=lambda name: not name.casefold().startswith(part))
