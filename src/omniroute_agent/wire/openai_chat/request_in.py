"""A Chat Completions request as a neutral chat."""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import (
    Chat,
    Image,
    Message,
    Part,
    Reasoning,
    ResponseFormat,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from omniroute_agent.wire.members import Members, refuse_request
from omniroute_agent.wire.neutral import effort_in, image_of_url
from omniroute_agent.wire.openai_chat.request_out import ID

_ROLES: Final = ("system", "developer", "user", "assistant", "tool")


def read_request(body: Mapping[str, JsonValue]) -> Chat:
    """
    Raises:
        InvalidRequest: names the field and what was expected.
    """
    top = Members(body, "", refuse_request)
    model = top.text("model")
    _refuse_what_cannot_be_routed(top)
    max_completion, max_tokens = top.count_or_none("max_completion_tokens"), top.count_or_none("max_tokens")
    response_format, format_rest = _response_format(top)
    messages = _messages(top)
    if not messages:
        raise top.refused("messages", "a list of at least one message")
    return Chat(
        model=model,
        messages=messages,
        tools=tuple(_tool(node) for node in top.each("tools")),
        tool_choice=_tool_choice(top),
        parallel_tool_calls=top.flag_or_none("parallel_tool_calls"),
        max_tokens=max_completion if max_completion is not None else max_tokens,
        temperature=top.number_or_none("temperature"),
        top_p=top.number_or_none("top_p"),
        stop=top.texts("stop"),
        response_format=response_format,
        reasoning_effort=effort_in(top, "reasoning_effort"),
        stream=top.flag_or_none("stream") or False,
        origin=ID,
        rest=top.rest() | format_rest,
    )


def _refuse_what_cannot_be_routed(top: Members) -> None:
    if (top.count_or_none("n") or 1) != 1:
        raise top.refused("n", "1: one request gives one answer, ask again for another")
    for old, new in (("functions", "tools"), ("function_call", "tool_choice")):
        if top.take(old) is not None:
            raise top.refused(old, f"replaced by `{new}`, its successor")


def _response_format(top: Members) -> tuple[ResponseFormat | None, dict[str, JsonValue]]:
    """The format, and what of it must travel in the request's rest."""
    node = top.inside_or_none("response_format")
    if node is None:
        return None, {}
    match node.text("type"):
        case "text":
            return None, {}
        case "json_object":
            return ResponseFormat(), {}
        case "json_schema":
            inner = node.inside("json_schema")
            strict = inner.flag_or_none("strict")
            found = ResponseFormat(
                schema=inner.object_or_none("schema") or {},
                name=inner.text("name"),
                strict=strict if strict is not None else False,
            )
            return found, {"response_format": {"json_schema": inner.rest()}} if inner.rest() else {}
        case _:
            raise node.refused("type", "text, json_object or json_schema")


def _tool(node: Members) -> ToolSpec:
    if node.text("type") != "function":
        raise node.refused("type", "function: tools of other types cannot be routed")
    function = node.inside("function")
    schema = function.object_or_none("parameters")
    tool = ToolSpec(
        name=function.text("name"),
        description=function.text_or_none("description") or "",
        schema=schema if schema is not None else {"type": "object", "properties": {}},
    )
    rest = node.rest()
    if inner := function.rest():
        rest["function"] = inner
    return ToolSpec(tool.name, tool.description, tool.schema, rest)


def _tool_choice(top: Members) -> ToolChoice | None:
    value = top.take("tool_choice")
    match value:
        case None:
            return None
        case "auto" | "none" | "required":
            return ToolChoice(value)
        case {"type": "function", "function": {"name": str(name)}}:
            return ToolChoice("named", name)
        case _:
            raise top.refused("tool_choice", "auto, none, required or a function by name")


# ---- messages


def _messages(top: Members) -> tuple[Message, ...]:
    found: list[Message] = []
    results: list[Part] = []
    for node in top.each("messages"):
        role = node.word_or_none("role", _ROLES)
        if role == "tool":
            # The results of one turn of parallel calls belong together.
            results.append(_result(node))
            continue
        if results:
            found.append(Message("user", tuple(results)))
            results = []
        match role:
            case "system" | "developer":
                found.append(Message("system", _content(node, texts_only=True), node.rest()))
            case "user":
                found.append(Message("user", _content(node), node.rest()))
            case "assistant":
                found.append(_assistant(node))
            case _:
                raise node.refused("role", f"one of {', '.join(_ROLES)}")
    if results:
        found.append(Message("user", tuple(results)))
    return tuple(found)


def _result(node: Members) -> ToolResult:
    call_id = node.text("tool_call_id")
    content = _content(node)
    return ToolResult(call_id, content, rest=node.rest())


def _assistant(node: Members) -> Message:
    parts: list[Part] = []
    thought = node.text_or_none("reasoning_content")
    alias = node.text_or_none("reasoning")
    if thought or alias:
        parts.append(Reasoning(thought or alias or ""))
    parts += _content(node, texts_only=True)
    if refusal := node.text_or_none("refusal"):
        parts.append(Text(refusal))
    parts += (_call(call) for call in node.each("tool_calls"))
    return Message("assistant", tuple(parts), node.rest())


def _call(node: Members) -> ToolCall:
    call_id = node.text("id")
    if (node.text_or_none("type") or "function") != "function":
        raise node.refused("type", "function: calls of other types cannot be routed")
    function = node.inside("function")
    name, arguments = function.text("name"), function.text_or_none("arguments") or ""
    rest = node.rest()
    if inner := function.rest():
        rest["function"] = inner
    return ToolCall(call_id, name, arguments, rest)


def _content(node: Members, *, texts_only: bool = False) -> tuple[Text | Image, ...]:
    value = node.take("content")
    if value is None:
        return ()
    if isinstance(value, str):
        return (Text(value),)
    if not isinstance(value, list):
        raise node.refused_value("content", value, "a text or a list of parts")
    return tuple(_part(part, texts_only=texts_only) for part in node.members_of("content", value))


def _part(node: Members, *, texts_only: bool) -> Text | Image:
    kind = node.text("type")
    if kind == "text":
        return Text(node.text("text"), node.rest())
    if kind == "refusal" and texts_only:
        return Text(node.text("refusal"), node.rest())
    if kind == "image_url" and not texts_only:
        inner = node.inside("image_url")
        url = inner.text("url")
        rest = node.rest()
        if more := inner.rest():
            rest["image_url"] = more
        return image_of_url(url, inner, "url", rest)
    raise node.refused("type", "text" if texts_only else "text or image_url: other parts cannot be routed")
