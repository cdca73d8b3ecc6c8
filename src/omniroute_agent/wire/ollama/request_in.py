"""An Ollama chat request as a neutral chat."""

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
    ToolResult,
    ToolSpec,
)
from omniroute_agent.wire.calls import Unanswered
from omniroute_agent.wire.members import Members, compact, refuse_request
from omniroute_agent.wire.neutral import Effort
from omniroute_agent.wire.ollama.words import ID, effort_of

_ROLES: Final = ("system", "user", "assistant", "tool")
_IMAGES: Final[Mapping[str, str]] = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
"""How the base64 of each kind begins: the dialect does not name the kind."""


def read_request(body: Mapping[str, JsonValue]) -> Chat:
    """
    Raises:
        InvalidRequest: names the field and what was expected.
    """
    top = Members(body, "", refuse_request)
    model = top.text("model")
    messages = _messages(top)
    if not messages:
        raise top.refused("messages", "a list of at least one message")
    options = top.inside_or_none("options") or Members({}, "options", refuse_request)
    stream = top.flag_or_none("stream")
    effort, think = _effort(top)
    return Chat(
        model=model,
        messages=messages,
        tools=tuple(_tool(node) for node in top.each("tools")),
        max_tokens=_cap(options),
        temperature=options.number_or_none("temperature"),
        top_p=options.number_or_none("top_p"),
        stop=options.texts("stop"),
        response_format=_response_format(top),
        reasoning_effort=effort,
        stream=True if stream is None else stream,
        origin=ID,
        rest=top.rest() | think | ({"options": options.rest()} if options.rest() else {}),
    )


def _cap(options: Members) -> int | None:
    """-1 and -2 ask for no cap, or for as much as the context holds."""
    value = options.take("num_predict")
    if value in (-1, -2):
        return None
    return Members({"num_predict": value}, "options", refuse_request).count_or_none("num_predict")


def _effort(top: Members) -> tuple[Effort | None, dict[str, JsonValue]]:
    """The effort; the word itself stays in the rest, for models that take it as it is."""
    value = top.take("think")
    if value is None:
        return None, {}
    if not isinstance(value, bool | str):
        raise top.refused_value("think", value, "true, false or a level")
    return effort_of(value), {"think": value}


def _response_format(top: Members) -> ResponseFormat | None:
    value = top.take("format")
    match value:
        case None | "":
            return None
        case "json":
            return ResponseFormat()
        case dict():
            return ResponseFormat(schema=value)
        case _:
            raise top.refused("format", "json or a JSON Schema")


def _tool(node: Members) -> ToolSpec:
    if (node.text_or_none("type") or "function") != "function":
        raise node.refused("type", "function: tools of other types cannot be routed")
    function = node.inside("function")
    name, description = function.text("name"), function.text_or_none("description") or ""
    schema = function.object_or_none("parameters")
    rest = node.rest()
    if inner := function.rest():
        rest["function"] = inner
    return ToolSpec(name, description, schema if schema is not None else {"type": "object", "properties": {}}, rest)


# ---- messages


def _messages(top: Members) -> tuple[Message, ...]:
    found: list[Message] = []
    results: list[Part] = []
    calls = Unanswered()
    for node in top.each("messages"):
        role = node.word_or_none("role", _ROLES)
        if role == "tool":
            # The results of one turn of parallel calls belong together.
            results.append(_result(node, calls))
            continue
        if results:
            found.append(Message("user", tuple(results)))
            results = []
        match role:
            case "system" | "user":
                found.append(Message(role, (*_text(node), *_images(node)), node.rest()))
            case "assistant":
                found.append(_assistant(node, calls))
            case _:
                raise node.refused("role", f"one of {', '.join(_ROLES)}")
    if results:
        found.append(Message("user", tuple(results)))
    return tuple(found)


def _text(node: Members) -> tuple[Text, ...]:
    text = node.text_or_none("content")
    return (Text(text),) if text else ()


def _images(node: Members) -> tuple[Image, ...]:
    images = node.texts("images")
    return tuple(_image(node, at, data) for at, data in enumerate(images))


def _image(node: Members, at: int, data: str) -> Image:
    kind = next((kind for beginning, kind in _IMAGES.items() if data.startswith(beginning)), None)
    if kind is None:
        raise node.refused(f"images[{at}]", "a PNG, JPEG, GIF or WebP in base64")
    return Image(media_type=kind, data=data)


def _result(node: Members, calls: Unanswered) -> ToolResult:
    call_id, name = node.text_or_none("tool_call_id"), node.text_or_none("tool_name")
    content: tuple[Text | Image, ...] = (*(_text(node) or (Text(""),)), *_images(node))
    return ToolResult(calls.answered(call_id, name), content, rest=node.rest())


def _assistant(node: Members, calls: Unanswered) -> Message:
    thought = node.text_or_none("thinking")
    parts: list[Part] = [Reasoning(thought)] if thought else []
    parts += _text(node)
    for call in node.each("tool_calls"):
        call_id = call.text_or_none("id")
        call.take("type")
        function = call.inside("function")
        name, arguments = function.text("name"), compact(function.object_or_none("arguments") or {})
        function.take("index")
        rest = call.rest()
        if inner := function.rest():
            rest["function"] = inner
        parts.append(ToolCall(calls.called(call_id, name), name, arguments, rest))
    return Message("assistant", tuple(parts), node.rest())
