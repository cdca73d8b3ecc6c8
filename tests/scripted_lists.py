"""Providers' lists of models, scripted by host and path; chats are answered with one word."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from fakes import openai_error, openai_stream

Answer = Callable[[httpx2.Request], httpx2.Response]


def of_names(*names: str) -> dict[str, Any]:
    """A list as OpenAI writes it."""
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


@dataclass
class Lists(httpx2.AsyncBaseTransport):
    """`pages` maps an address (without its query) to what is found there: a JSON value, an answer, or a function."""

    pages: dict[str, Any] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    """Models that chats are refused for, with 404."""
    seen: list[httpx2.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.seen.append(request)
        if request.method == "POST":
            model = json.loads(request.content)["model"]
            if model in self.missing:
                return openai_error(404, f"The model `{model}` does not exist", code="model_not_found")
            return openai_stream("Hi", model=model)
        found = self.pages.get(str(request.url.copy_with(query=None)).rstrip("?"))
        if found is None:
            return openai_error(404, "no such page")
        if callable(found):
            found = found(request)
        return found if isinstance(found, httpx2.Response) else httpx2.Response(200, json=found)

    @property
    def chats(self) -> list[str]:
        return [json.loads(request.content)["model"] for request in self.seen if request.method == "POST"]
