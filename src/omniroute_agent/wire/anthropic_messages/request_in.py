"""A Messages request as a neutral chat."""

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
from omniroute_agent.wire.anthropic_messages.thinking import effort_of
from omniroute_agent.wire.anthropic_messages.words import ID
from omniroute_agent.wire.members import Members, compact, refuse_request

_ROLES: Final = ("user", "assistant", "system")


def read_request(body: Mapping[str, JsonValue]) -> Chat:
    """
    Raises:
        InvalidRequest: names the field and what was expected.
    """
    top = Members(body, "", refuse_request)
    model = top.text("model")
    system = _content(top, "system", ("text",))
    messages = [Message("system", system)] if system else []
    messages += (_message(node) for node in top.each("messages"))
    if not any(message.role != "system" for message in messages):
        raise top.refused("messages", "a list of at least one message")
    choice, parallel = _tool_choice(top)
    thinking = top.object_or_none("thinking")
    response_format, effort, output_rest = _output_config(top)
    chat_rest: dict[str, JsonValue] = {}
    if thinking is not None:
        chat_rest["thinking"] = thinking
    if output_rest:
        chat_rest["output_config"] = output_rest
    return Chat(
        model=model,
        messages=tuple(messages),
        tools=tuple(_tool(node) for node in top.each("tools")),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        max_tokens=top.count_or_none("max_tokens"),
        temperature=top.number_or_none("temperature"),
        top_p=top.number_or_none("top_p"),
        stop=top.texts("stop_sequences"),
        response_format=response_format,
        reasoning_effort=effort_of(thinking, effort),
        stream=top.flag_or_none("stream") or False,
        origin=ID,
        rest=top.rest() | chat_rest,
    )


def _output_config(top: Members) -> tuple[ResponseFormat | None, str | None, dict[str, JsonValue]]:
    """Format, effort, and the rest; the effort stays in the rest, for the models that take it as it is."""
    node = top.inside_or_none("output_config")
    if node is None:
        return None, None, {}
    wanted: ResponseFormat | None = None
    if (form := node.inside_or_none("format")) is not None:
        if form.text("type") != "json_schema":
            raise form.refused("type", "json_schema")
        wanted = ResponseFormat(schema=form.object_or_none("schema") or {})
    effort = node.text_or_none("effort")
    rest = node.rest()
    if effort is not None:
        rest["effort"] = effort
    return wanted, effort, rest


def _tool(node: Members) -> ToolSpec:
    if (node.text_or_none("type") or "custom") != "custom":
        raise node.refused("type", "custom: the provider's own tools cannot be routed")
    name, description = node.text("name"), node.text_or_none("description") or ""
    schema = node.object_or_none("input_schema")
    if schema is None:
        raise node.refused("input_schema", "an object")
    return ToolSpec(name, description, schema, node.rest())


def _tool_choice(top: Members) -> tuple[ToolChoice | None, bool | None]:
    node = top.inside_or_none("tool_choice")
    if node is None:
        return None, None
    disabled = node.flag_or_none("disable_parallel_tool_use")
    parallel = None if disabled is None else not disabled
    match node.text("type"):
        case "auto":
            return ToolChoice("auto"), parallel
        case "none":
            return ToolChoice("none"), parallel
        case "any":
            return ToolChoice("required"), parallel
        case "tool":
            return ToolChoice("named", node.text("name")), parallel
        case _:
            raise node.refused("type", "auto, any, tool or none")


# ---- messages


def _message(node: Members) -> Message:
    match node.word_or_none("role", _ROLES):
        case "user":
            return Message("user", _content(node, "content", ("text", "image", "tool_result")), node.rest())
        case "assistant":
            kinds = ("text", "tool_use", "thinking", "redacted_thinking")
            return Message("assistant", _content(node, "content", kinds), node.rest())
        case "system":
            return Message("system", _content(node, "content", ("text",)), node.rest())
        case _:
            raise node.refused("role", f"one of {', '.join(_ROLES)}")


def _content(node: Members, key: str, kinds: tuple[str, ...]) -> tuple[Part, ...]:
    value = node.take(key)
    if value is None:
        return ()
    if isinstance(value, str):
        return (Text(value),)
    if not isinstance(value, list):
        raise node.refused_value(key, value, "a text or a list of blocks")
    return tuple(_block(block, kinds) for block in node.members_of(key, value))


def _block(node: Members, kinds: tuple[str, ...]) -> Part:
    kind = node.text("type")
    if kind not in kinds:
        raise node.refused("type", f"{' or '.join(kinds)}: other blocks cannot be routed")
    match kind:
        case "image":
            return _image(node)
        case "tool_use":
            arguments = compact(node.object_or_none("input") or {})
            return ToolCall(node.text("id"), node.text("name"), arguments, node.rest())
        case "tool_result":
            return _result(node)
        case "thinking":
            return Reasoning(node.text("thinking"), node.text_or_none("signature"), rest=node.rest())
        case "redacted_thinking":
            return Reasoning("", redacted=node.text("data"), rest=node.rest())
        case _:
            return Text(node.text("text"), node.rest())


def _image(node: Members) -> Image:
    source = node.inside("source")
    match source.text("type"):
        case "base64":
            image = Image(media_type=source.text("media_type"), data=source.text("data"))
        case "url":
            image = Image(url=source.text("url"))
        case _:
            raise source.refused("type", "base64 or url: uploaded files cannot be routed")
    rest = node.rest()
    if more := source.rest():
        rest["source"] = more
    return Image(image.media_type, image.data, image.url, rest)


def _result(node: Members) -> ToolResult:
    found = _content(node, "content", ("text", "image"))
    return ToolResult(
        call_id=node.text("tool_use_id"),
        content=tuple(part for part in found if isinstance(part, Text | Image)),
        is_error=node.flag_or_none("is_error") or False,
        rest=node.rest(),
    )
