"""What an HTTP request brings along, as both bindings read it."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import anyio.to_thread
from a2a.utils.errors import ContentTypeNotSupportedError, InvalidParamsError
from starlette.types import Scope

from omniroute_agent.doors.a2a.failures import version_failure
from omniroute_agent.doors.a2a.visit import Version
from omniroute_agent.doors.challenge import Header, Issuer, challenge
from omniroute_agent.doors.gate import CALLER, PEER
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import NotAllowed
from omniroute_agent.kernel.strict_json import decode

JSON: Final = "application/json"
A2A_JSON: Final = "application/a2a+json"

_OFF_LOOP: Final = 1024 * 1024
"""Bodies longer than this are decoded in a thread."""

_DEEPEST: Final = 28
"""Levels of objects and lists. The types behind free-form members take three levels of their own for each, and are read
again only up to a hundred, with everything that is wrapped around them in a list of tasks.
"""

Headers = Mapping[str, str]
"""By lower-case name; what is sent twice is joined as HTTP allows."""


def headers_in(scope: Scope) -> Headers:
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1").strip()
        found[key] = f"{found[key]},{text}" if key in found else text
    return found


def expect_json(headers: Headers) -> None:
    """
    Raises:
        ContentTypeNotSupportedError: the body is something else.
    """
    if media_type(headers.get("content-type", "")) not in (JSON, A2A_JSON):
        raise ContentTypeNotSupportedError(f"The body must be {JSON}.")


def media_type(text: str) -> str:
    """Without its parameters."""
    return text.partition(";")[0].strip().lower()


async def decoded(body: bytes) -> Any:
    """
    Raises:
        BadJson: it is not JSON that two parsers read alike.
    """
    return await anyio.to_thread.run_sync(decode, body) if len(body) > _OFF_LOOP else decode(body)


def expect_shallow(params: Mapping[str, Any]) -> None:
    """What nests too deep could be stored, and never be read again.

    Raises:
        InvalidParamsError: they nest too deep.
    """
    level: list[Any] = [params]
    for _ in range(_DEEPEST):
        members = (member for each in level for member in (each.values() if isinstance(each, Mapping) else each))
        level = [member for member in members if isinstance(member, dict | list)]
        if not level:
            return
    raise InvalidParamsError(f"The parameters nest deeper than {_DEEPEST} levels.")


def expect_version(headers: Headers, scope: Scope, method: str, wanted: Version, *, lenient: bool) -> None:
    """The version stands in a header or in the query; without it a request is of 0.3. Patch numbers do not matter.

    Raises:
        VersionNotSupportedError: it is not the one that the method belongs to.
    """
    asked = headers.get("a2a-version", "")
    if not asked:
        named = parse_qs(scope["query_string"].decode("latin-1"))
        asked = next((values[0] for name, values in named.items() if name.lower() == "a2a-version"), "")
    version = ".".join(asked.strip().split(".")[:2]) or ("1.0" if lenient and wanted == "1.0" else "0.3")
    if version != wanted:
        raise version_failure(asked, method, wanted)


def forbidden(scope: Scope, issuer: Issuer | None, error: NotAllowed) -> Header:
    """The challenge that every door of the house answers with: the scopes the caller holds beside those it lacks."""
    caller: Caller = scope[CALLER]
    lacking = error.facts.get("missing")
    more = {str(scope) for scope in lacking} if isinstance(lacking, list) else set[str]()  # pyright: ignore[reportUnknownVariableType]
    return challenge(scope[PEER], issuer, error="insufficient_scope", scopes=sorted(caller.scopes | more))
