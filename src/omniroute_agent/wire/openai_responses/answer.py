"""Responses answers, read and written."""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import (
    ChatAnswer,
    FinishReason,
    Image,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from omniroute_agent.wire.errors import StreamedError, WireError
from omniroute_agent.wire.members import Members, refuse_answer, shown, with_rest
from omniroute_agent.wire.neutral import error_report
from omniroute_agent.wire.openai_responses.words import (
    ID,
    INCOMPLETE_WORD,
    finish_of,
    read_reasoning,
    read_usage,
    summary_of,
    write_usage,
)
from omniroute_agent.wire.proof import passed_on

_SAID_ANEW: Final = (
    "id",
    "object",
    "created_at",
    "completed_at",
    "status",
    "error",
    "parallel_tool_calls",
    "tool_choice",
    "tools",
)
"""Members that `response_object` writes itself."""


def read_answer(body: Mapping[str, JsonValue]) -> ChatAnswer:
    """
    Raises:
        StreamedError: the answer says that it failed.
        WireError: not an answer of this dialect.
    """
    top = Members(body, "", refuse_answer)
    if body.get("object") != "response":
        raise WireError("Its answer is not a response.", excerpt=shown(dict(body)))
    if body.get("status") in ("failed", "cancelled"):
        raise StreamedError(error_report(body.get("error")))
    parts, refused = read_output(top)
    called = any(isinstance(part, ToolCall) for part in parts)
    finish = finish_of(top, called=called, refused=refused)
    usage, model = read_usage(top.inside_or_none("usage")), top.text_or_none("model")
    for known in _SAID_ANEW:
        top.take(known)
    return ChatAnswer(parts=parts, finish=finish, usage=usage, model=model, origin=ID, rest=top.rest())


def read_output(response: Members) -> tuple[tuple[Part, ...], bool]:
    """The parts of a response's output, and whether one of them is a refusal."""
    parts: list[Part] = []
    refused = False
    for at, item in enumerate(response.each("output")):
        match item.text_or_none("type"):
            case "message":
                for node in item.each("content"):
                    refusal = node.text_or_none("refusal")
                    refused = refused or bool(refusal)
                    if text := refusal or node.text_or_none("text"):
                        parts.append(Text(text))
            case "reasoning":
                reasoning = read_reasoning(item)
                if reasoning.text or reasoning.signature or reasoning.redacted:
                    parts.append(Reasoning(reasoning.text, reasoning.signature, reasoning.redacted))
            case "function_call":
                call_id = item.text_or_none("call_id") or f"call_{at}"
                parts.append(ToolCall(call_id, item.text("name"), item.text_or_none("arguments") or "{}"))
            case _:
                pass  # the provider's own tools
    return tuple(parts), refused


def write_answer(answer: ChatAnswer, *, id: str, model: str, created: int) -> dict[str, JsonValue]:  # noqa: A002 (the dialects' own word)
    refused = answer.finish == "refusal"
    items = [item for at, part in enumerate(answer.parts) if (item := _item(part, f"{id}_{at}", refused=refused))]
    if refused and not any(item["type"] == "message" for item in items):
        items.append(message_item(f"msg_{id}", [refusal_part("The model refused to answer.")]))
    body = response_object(
        id, model, created, finish="stop" if refused else answer.finish, output=list(items), usage=answer.usage
    )
    return with_rest(body, answer.rest) if answer.origin == ID else body


def _item(part: Part, suffix: str, *, refused: bool) -> dict[str, JsonValue] | None:
    match part:
        case Text(text):
            return message_item(f"msg_{suffix}", [refusal_part(text) if refused else text_part(text)])
        case Reasoning():
            return reasoning_item(f"rs_{suffix}", part.text, passed_on(part.signature, part.redacted))
        case ToolCall():
            return call_item(f"fc_{suffix}", part.id, part.name, part.arguments)
        case Image() | ToolResult():
            return None


# ---- objects that the stream shows as well


def text_part(text: str) -> dict[str, JsonValue]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def refusal_part(text: str) -> dict[str, JsonValue]:
    return {"type": "refusal", "refusal": text}


def message_item(item_id: str, content: list[JsonValue], status: str = "completed") -> dict[str, JsonValue]:
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": content}


def reasoning_item(item_id: str, text: str, encrypted: str | None, status: str = "completed") -> dict[str, JsonValue]:
    item: dict[str, JsonValue] = {"id": item_id, "type": "reasoning", "status": status, "summary": summary_of(text)}
    if encrypted is not None:
        item["encrypted_content"] = encrypted
    return item


def call_item(item_id: str, call_id: str, name: str, arguments: str, status: str = "completed") -> dict[str, JsonValue]:
    call: dict[str, JsonValue] = {"call_id": call_id, "name": name, "arguments": arguments, "status": status}
    return {"id": item_id, "type": "function_call", **call}


def response_object(
    id: str,  # noqa: A002 (the dialects' own word)
    model: str,
    created: int,
    *,
    finish: FinishReason | None,
    output: list[JsonValue],
    usage: Usage | None = None,
    error: JsonValue = None,
) -> dict[str, JsonValue]:
    """A response in any state; `finish` None is one still in progress, or failed when there is an error."""
    # In a stream a refusal's text has gone out as text by now; `completed` would let it pass for an answer.
    word = INCOMPLETE_WORD.get("content_filter" if finish == "refusal" else finish or "stop")
    if finish is None:
        status = "failed" if error is not None else "in_progress"
    else:
        status = "incomplete" if word else "completed"
    return {
        "id": id,
        "object": "response",
        "created_at": created,
        "status": status,
        "error": error,
        "incomplete_details": {"reason": word} if word else None,
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None if usage is None else write_usage(usage),
    }
