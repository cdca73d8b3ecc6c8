"""Answers `server/discover` that comes before anything else, without deciding the connection's era.

The SDK takes the first request of a stdio connection as the client's choice of era. Clients that probe with
`server/discover` and then open with `initialize` (GitHub Copilot CLI 1.0.81 to 1.0.86, seen 2026-09) would be refused
after that. Here a probe is answered as the SDK would answer it, and the next request decides.
"""

from typing import Any, Final

from mcp.server.caching import apply_cache_hint
from mcp.server.lowlevel import Server
from mcp.shared.inbound import InboundLadderRejection, classify_inbound_request
from mcp_types import (
    INVALID_PARAMS,
    SERVER_INFO_META_KEY,
    DiscoverResult,
    ErrorData,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
)
from mcp_types.methods import serialize_server_result, validate_client_request
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

METHOD: Final = "server/discover"


def answer_probe(server: Server[Any], request: JSONRPCRequest) -> JSONRPCResponse | JSONRPCError:
    """The answer to a `server/discover` request that opens a connection."""
    route = classify_inbound_request({"method": request.method, "params": request.params})
    if isinstance(route, InboundLadderRejection):
        error = ErrorData(code=route.code, message=route.message, data=route.data)
        return JSONRPCError(jsonrpc="2.0", id=request.id, error=error)
    try:
        validate_client_request(METHOD, route.protocol_version, request.params)
    except ValidationError:
        error = ErrorData(code=INVALID_PARAMS, message="Invalid request parameters", data="")
        return JSONRPCError(jsonrpc="2.0", id=request.id, error=error)
    found = DiscoverResult(
        supported_versions=list(MODERN_PROTOCOL_VERSIONS),
        capabilities=server.get_capabilities(protocol_version=route.protocol_version),
        instructions=server.instructions,
    )
    if hint := server.cache_hints.get(METHOD):
        found = apply_cache_hint(found, hint)
    wire = found.model_dump(by_alias=True, mode="json", exclude_none=True)
    result = serialize_server_result(METHOD, route.protocol_version, wire)
    result["_meta"] = {SERVER_INFO_META_KEY: server.server_info_stamp}
    return JSONRPCResponse(jsonrpc="2.0", id=request.id, result=result)
