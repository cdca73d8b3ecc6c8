"""One JSON-RPC message out of bytes, strictly, and the refusal of what is none."""

import json
from typing import Any, Final

from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from pydantic import ValidationError

from omniroute_agent.kernel.strict_json import BadJson, decode

MAX_MESSAGE: Final = 16 * 1024 * 1024
"""Bytes of one message, on every transport."""

RequestId = int | str


class BadMessage(Exception):
    """Bytes that are not one JSON-RPC message."""

    def __init__(self, code: int, message: str, request_id: RequestId | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.request_id = request_id

    def reply(self) -> bytes:
        """The JSON-RPC error to answer with; its id is null when none could be read."""
        error = {"code": self.code, "message": self.message}
        return json.dumps({"jsonrpc": "2.0", "id": self.request_id, "error": error}, separators=(",", ":")).encode()


def too_long() -> BadMessage:
    return BadMessage(PARSE_ERROR, f"Parse error: the message is longer than {MAX_MESSAGE // 1024 // 1024} MiB.")


def read_message(body: bytes) -> JSONRPCMessage:
    """
    Raises:
        BadMessage: -32700 for what is not JSON as `kernel.strict_json` accepts it, -32600 for batches and for
            JSON that is not a message.
    """
    try:
        value = decode(body)
    except BadJson as error:
        raise BadMessage(PARSE_ERROR, f"Parse error: {error}.") from None
    if isinstance(value, list):
        raise BadMessage(INVALID_REQUEST, "Invalid request: batches are not served; send one message at a time.")
    if not isinstance(value, dict):
        raise BadMessage(INVALID_REQUEST, "Invalid request: a message is a JSON object.")
    known_id = value.get("id")
    request_id = known_id if isinstance(known_id, int | str) and not isinstance(known_id, bool) else None
    try:
        return _message(value)
    except ValidationError:
        raise BadMessage(INVALID_REQUEST, f"Invalid request: {_fault(value)}.", request_id) from None


def _message(value: dict[str, Any]) -> JSONRPCMessage:
    # Presence of a member picks the kind, so that a request with a bad id is not taken for a notification.
    if "method" in value:
        kind = JSONRPCRequest if "id" in value else JSONRPCNotification
        return kind.model_validate(value, by_name=False)
    if "error" in value:
        return JSONRPCError.model_validate(value, by_name=False)
    return JSONRPCResponse.model_validate(value, by_name=False)


def _fault(value: dict[str, Any]) -> str:
    if value.get("jsonrpc") != "2.0":
        return '`jsonrpc` must be "2.0"'
    if "method" not in value:
        return "`method` is missing" if "result" not in value and "error" not in value else "it is no answer either"
    if not isinstance(value["method"], str):
        return "`method` must be text"
    if not isinstance(value.get("params", {}), dict):
        return "`params` must be an object"
    return "`id` must be text or an integer"
