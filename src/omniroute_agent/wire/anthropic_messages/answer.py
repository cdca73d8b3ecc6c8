"""Messages answers and errors, read and written."""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import ChatAnswer, Image, Part, Reasoning, Text, ToolCall, ToolResult
from omniroute_agent.wire.anthropic_messages.words import (
    ID,
    STOP_WORD,
    Counts,
    call_id,
    finish_of,
    write_usage,
)
from omniroute_agent.wire.errors import ErrorReport, WireError
from omniroute_agent.wire.members import Members, compact, refuse_answer, shown, with_rest
from omniroute_agent.wire.neutral import input_of

_ERROR_TYPE: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def read_answer(body: Mapping[str, JsonValue]) -> ChatAnswer:
    """
    Raises:
        WireError: not an answer of this dialect.
    """
    top = Members(body, "", refuse_answer)
    if top.take("type") != "message":
        raise WireError("Its answer is not a message.", excerpt=shown(dict(body)))
    parts = tuple(part for node in top.each("content") if (part := _part(node)) is not None)
    counts = Counts()
    counts.add(top.inside_or_none("usage"))
    word = top.text_or_none("stop_reason") or "end_turn"
    model = top.text_or_none("model")
    for known in ("id", "role", "stop_sequence"):
        top.take(known)
    return ChatAnswer(
        parts=parts,
        finish=finish_of(word, called=any(isinstance(part, ToolCall) for part in parts)),
        usage=counts.usage,
        model=model,
        origin=ID,
        rest=top.rest(),
    )


def _part(node: Members) -> Part | None:
    """A block of the answer; blocks of the provider's own tools are skipped."""
    match node.text("type"):
        case "text":
            text = node.text("text")
            return Text(text, node.rest()) if text else None
        case "thinking":
            return Reasoning(node.text("thinking"), node.text_or_none("signature"), rest=node.rest())
        case "redacted_thinking":
            return Reasoning("", redacted=node.text("data"), rest=node.rest())
        case "tool_use":
            arguments = compact(node.object_or_none("input") or {})
            return ToolCall(node.text("id"), node.text("name"), arguments, node.rest())
        case _:
            return None


def write_answer(answer: ChatAnswer, *, id: str, model: str, created: int) -> dict[str, JsonValue]:  # noqa: A002, ARG001 (the dialects' own word; this one has no date)
    own = answer.origin == ID
    body: dict[str, JsonValue] = {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [block for part in answer.parts if (block := _block(part, own=own)) is not None],
        "stop_reason": STOP_WORD[answer.finish],
        "stop_sequence": None,
        "usage": write_usage(answer.usage),
    }
    return with_rest(body, answer.rest) if own else body


def _block(part: Part, *, own: bool) -> JsonValue:
    block: dict[str, JsonValue]
    match part:
        case Text(text):
            block = {"type": "text", "text": text}
        case Reasoning(redacted=str(redacted)):
            block = {"type": "redacted_thinking", "data": redacted}
        case Reasoning(text, signature):
            # The dialect requires a signature; an empty one says that nobody signed.
            block = {"type": "thinking", "thinking": text, "signature": signature or ""}
        case ToolCall(foreign, name, arguments):
            block = {"type": "tool_use", "id": call_id(foreign), "name": name, "input": input_of(arguments)}
        case Image() | ToolResult():
            return None
    return with_rest(block, part.rest) if own else block


def write_error(report: ErrorReport, status: int) -> dict[str, JsonValue]:
    """The set of types is closed here, so a foreign one gives way to that of the status."""
    known = report.type if report.type in _ERROR_TYPE.values() else None
    fallback = _ERROR_TYPE.get(status, "invalid_request_error" if status < 500 else "api_error")  # noqa: PLR2004 (RFC 9110 §15)
    return {"type": "error", "error": {"type": known or fallback, "message": report.message}}
