"""As much of JSON-RPC and of the two eras of MCP as it takes to pass messages on.

What a message may be is decided by the gateway: what looks wrong here is sent there all the same, for its own words.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from omniroute_agent.doors.mcp.forward.link import Told

RequestId = int | str

MODERN_VERSION: Final = "2026-07-28"
VERSION_META: Final = "io.modelcontextprotocol/protocolVersion"
PROBE: Final = "server/discover"

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
UNSUPPORTED_VERSION: Final = -32022
GONE: Final = -32000
"""What official clients call a closed connection; the first of the codes that are a server's own."""

_NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Method → the parameter that travels as `Mcp-Name` (transports, 2026-07-28)."""
_KINDS: Final = {"tools/call": "tool", "prompts/get": "prompt", "resources/read": "resource"}
_LONGEST: Final = 4096
"""Characters of a name that travels as a header; several times what any name that exists has."""
_PLAIN: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_WRAPPED: Final = re.compile(r"=\?base64\?.*\?=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    kind: Literal["request", "notification", "answer"]
    line: bytes
    method: str = ""
    id: RequestId | None = None
    params: dict[str, Any]

    @property
    def enveloped(self) -> bool:
        """Of the era since 2026-07-28."""
        meta = self.params.get("_meta")
        return isinstance(meta, dict) and VERSION_META in meta

    def modern_headers(self) -> dict[str, str]:
        """What that era wants to see in the headers, too."""
        meta = self.params.get("_meta")
        version = meta.get(VERSION_META) if isinstance(meta, dict) else None
        # Without a version that can stand in a header the newest one leads to where the message is looked at.
        headers = {
            "MCP-Protocol-Version": version
            if isinstance(version, str) and len(version) <= _LONGEST and _PLAIN.fullmatch(version)
            else MODERN_VERSION,
            "Mcp-Method": _in_header(self.method),
        }
        name = self._name()
        return headers if name is None else {**headers, "Mcp-Name": _in_header(name)}

    def beyond_headers(self) -> tuple[int, str] | None:
        """What a server says to a request whose headers it could not take: of names so long there is none."""
        if len(self.method) > _LONGEST:
            return METHOD_NOT_FOUND, "Method not found"
        name = self._name()
        if name is None or len(name) <= _LONGEST:
            return None
        return INVALID_PARAMS, f"No {_KINDS[self.method]} is called `{name[:200]}`."

    def _name(self) -> str | None:
        name = self.params.get(_NAMED.get(self.method, ""))
        return name if isinstance(name, str) else None


def read(line: bytes) -> Message | None:
    """None for what is not clearly one message."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        return None
    if "method" not in value:
        return Message(kind="answer", line=line, params={}) if value.keys() & {"result", "error"} else None
    method, params, own_id = value["method"], value.get("params"), value.get("id")
    if not isinstance(method, str) or not isinstance(params, dict | None):
        return None
    if "id" in value and (not isinstance(own_id, int | str) or isinstance(own_id, bool)):
        return None
    kind: Literal["request", "notification"] = "request" if "id" in value else "notification"
    return Message(kind=kind, line=line, method=method, id=own_id, params=params or {})


def error(request_id: RequestId | None, code: int, message: str, data: object = None) -> bytes:
    told = {"code": code, "message": message, **({} if data is None else {"data": data})}
    return _compact({"jsonrpc": "2.0", "id": request_id, "error": told})


def result(request_id: RequestId | None, value: object) -> bytes:
    return _compact({"jsonrpc": "2.0", "id": request_id, "result": value})


def of_the_gate(value: dict[str, Any]) -> bool:
    """Whether this refuses what was asked before anybody read it: a code in words, a sentence, a hint."""
    return "jsonrpc" not in value and isinstance(value.get("error"), dict)


def for_request(told: Told, request_id: RequestId | None) -> tuple[bytes, bool]:
    """A message of the gateway as its client should see it, and whether it is the answer to that request.

    A refusal that was given before the message was read as one of the protocol carries no id, or is none at all.
    """
    value = told.value
    if "method" in value:
        return told.line, False
    failure = value.get("error")
    if isinstance(failure, dict) and of_the_gate(value):
        text = f"{failure.get('message', '')} {failure.get('hint', '')}".strip()
        return error(request_id, GONE, text, {"code": failure.get("code")}), True
    if value.get("id") is None and isinstance(failure, dict) and failure.get("code") != PARSE_ERROR:
        return _compact({**value, "id": request_id}), True
    return told.line, value.get("id") in (request_id, None)


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _in_header(text: str) -> str:
    if _PLAIN.fullmatch(text) and not _WRAPPED.fullmatch(text):
        return text
    return f"=?base64?{base64.b64encode(text.encode('utf-8', 'surrogatepass')).decode('ascii')}?="
