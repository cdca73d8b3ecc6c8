"""Asking a program on a port of this machine whether it is a model server. It gets no prompt and no secret."""

import asyncio
from collections.abc import Mapping
from typing import Final

import httpx2
from pydantic import JsonValue

from omniroute_agent.providers.model import Probe, Provider
from omniroute_agent.providers.reading import CannotRead, get_json

MAX_BODY: Final = 1_048_576
MAX_NAME: Final = 200
"""Characters of a model's name."""


async def identify(http: httpx2.AsyncClient, provider: Provider, *, seconds: float) -> tuple[str, ...] | None:
    """The models of the server at the provider's address; None when there is none or it is something else.

    Never raises: a program we know nothing about may do anything.
    """
    probe = provider.probe
    if probe is None:
        return None
    root = provider.base_url.removesuffix("/v1")
    listing = provider.base_url + provider.list_path
    try:
        async with asyncio.timeout(seconds):
            if probe.path is not None:
                shown = await get_json(http, root + probe.path, seconds=seconds, limit=MAX_BODY)
                if not isinstance(shown, dict) or not all(key in shown for key in probe.keys):
                    return None
            return _models(await get_json(http, listing, seconds=seconds, limit=MAX_BODY), probe)
    except (TimeoutError, CannotRead):
        return None


def _models(listed: JsonValue, probe: Probe) -> tuple[str, ...] | None:
    """Names in a list of models; None unless every entry is what such a list has."""
    if not isinstance(listed, Mapping):
        return None
    data, key = listed.get("data"), "id"
    if "models" in listed and "data" not in listed:
        # Ollama's own list; null is how it writes an empty one.
        data, key = listed["models"] or [], "name"
    if not isinstance(data, list):
        return None
    names: dict[str, None] = {}
    owners: set[JsonValue] = set()
    for entry in data:
        name = entry.get(key) if isinstance(entry, Mapping) else None
        if not isinstance(entry, Mapping) or not isinstance(name, str) or not _is_name(name):
            return None
        names[name] = None
        owner = entry.get("owned_by")
        if isinstance(owner, str):
            owners.add(owner)
    if probe.owned_by is not None and probe.owned_by not in owners:
        return None
    return tuple(names)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME and text.isprintable() and not text.isspace()
