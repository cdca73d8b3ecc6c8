"""A Responses request as a neutral chat."""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import (
    Chat,
    Image,
    Message,
    Part,
    ResponseFormat,
    Rest,
    Role,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from omniroute_agent.wire.members import Members, refuse_request
from omniroute_agent.wire.neutral import Effort, effort_in, image_of_url
from omniroute_agent.wire.openai_responses.words import ID, read_reasoning

_ROLES: Final = ("system", "developer", "user", "assistant")
_KEPT_ELSEWHERE: Final = ("previous_response_id", "conversation", "prompt")


def read_request(body: Mapping[str, JsonValue]) -> Chat:
    """
    Raises:
        InvalidRequest: names the field and what was expected.
    """
    top = Members(body, "", refuse_request)
    model = top.text("model")
    for field in _KEPT_ELSEWHERE:
        if top.take(field) is not None:
            raise top.refused(field, "left out: nothing is kept between requests, send the whole input")
    if top.flag_or_none("background"):
        raise top.refused("background", "false: an answer is given while the caller waits")
    instructions = top.text_or_none("instructions")
    messages = _messages(top)
    if not messages:
        raise top.refused("input", "a text or a list of at least one item")
    response_format, text_rest = _text(top)
    effort, reasoning_rest = _reasoning(top)
    return Chat(
        model=model,
        messages=(*([Message("system", (Text(instructions),))] if instructions else []), *messages),
        tools=tuple(_tool(node) for node in top.each("tools")),
        tool_choice=_tool_choice(top),
        parallel_tool_calls=top.flag_or_none("parallel_tool_calls"),
        max_tokens=top.count_or_none("max_output_tokens"),
        temperature=top.number_or_none("temperature"),
        top_p=top.number_or_none("top_p"),
        response_format=response_format,
        reasoning_effort=effort,
        stream=top.flag_or_none("stream") or False,
        origin=ID,
        rest=top.rest() | text_rest | reasoning_rest,
    )


def _text(top: Members) -> tuple[ResponseFormat | None, dict[str, JsonValue]]:
    """The format, and what of `text` must travel in the request's rest."""
    node = top.inside_or_none("text")
    if node is None:
        return None, {}
    form = node.inside_or_none("format")
    wanted: ResponseFormat | None = None
    rest = node.rest()
    match form.text("type") if form is not None else None:
        case None | "text":
            pass
        case "json_object":
            wanted = ResponseFormat()
        case "json_schema" if form is not None:
            strict = form.flag_or_none("strict")
            wanted = ResponseFormat(
                schema=form.object_or_none("schema") or {},
                name=form.text("name"),
                strict=strict if strict is not None else False,
            )
            if more := form.rest():
                rest["format"] = more
        case _:
            raise node.refused("format.type", "text, json_object or json_schema")
    return wanted, {"text": rest} if rest else {}


def _reasoning(top: Members) -> tuple[Effort | None, dict[str, JsonValue]]:
    node = top.inside_or_none("reasoning")
    if node is None:
        return None, {}
    effort = effort_in(node, "effort")
    return effort, {"reasoning": node.rest()} if node.rest() else {}


def _tool(node: Members) -> ToolSpec:
    if node.text("type") != "function":
        raise node.refused("type", "function: tools of other types cannot be routed")
    schema = node.object_or_none("parameters")
    return ToolSpec(
        name=node.text("name"),
        description=node.text_or_none("description") or "",
        schema=schema if schema is not None else {"type": "object", "properties": {}},
        rest=node.rest(),
    )


def _tool_choice(top: Members) -> ToolChoice | None:
    value = top.take("tool_choice")
    match value:
        case None:
            return None
        case "auto" | "none" | "required":
            return ToolChoice(value)
        case {"type": "function", "name": str(name)}:
            return ToolChoice("named", name)
        case _:
            raise top.refused("tool_choice", "auto, none, required or a function by name")


# ---- items


def _messages(top: Members) -> tuple[Message, ...]:
    value = top.take("input")
    if isinstance(value, str):
        return (Message("user", (Text(value),)),)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise top.refused_value("input", value, "a text or a list of items")
    found = _Turns()
    for node in top.members_of("input", value):
        _item(node, found)
    return found.messages


class _Turns:
    """Items of one side that follow each other are one message, as long as none carries a rest of its own."""

    def __init__(self) -> None:
        self._found: list[tuple[Role, list[Part], Rest]] = []

    def add(self, role: Role, parts: tuple[Part, ...], rest: Rest) -> None:
        last = self._found[-1] if self._found else None
        if last is not None and role == last[0] and role != "system" and not rest and _joins(last, parts):
            last[1].extend(parts)
        else:
            self._found.append((role, list(parts), rest))

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(Message(role, tuple(parts), rest) for role, parts, rest in self._found)


def _joins(last: tuple[Role, list[Part], Rest], parts: tuple[Part, ...]) -> bool:
    """Results join results; an assistant's text begins no second message after its calls."""
    role, before, rest = last
    if rest:
        return False
    if role == "user":
        return all(isinstance(part, ToolResult) for part in (*before, *parts))
    return not (any(isinstance(p, ToolCall) for p in before) and any(isinstance(p, Text) for p in parts))


def _item(node: Members, found: _Turns) -> None:
    # What the server calls its items means nothing to another server; encrypted reasoning alone keeps its id.
    match node.text_or_none("type") or "message":
        case "message":
            _drop(node, "id", "status")
            role = node.word_or_none("role", _ROLES)
            if role is None:
                raise node.refused("role", f"one of {', '.join(_ROLES)}")
            content = _content(node, "content", role)
            neutral: Role = "system" if role in ("system", "developer") else "user" if role == "user" else "assistant"
            found.add(neutral, content, node.rest())
        case "function_call":
            _drop(node, "id", "status")
            call_id, name, arguments = node.text("call_id"), node.text("name"), node.text_or_none("arguments") or ""
            found.add("assistant", (ToolCall(call_id, name, arguments, node.rest()),), {})
        case "function_call_output":
            _drop(node, "id", "status")
            call_id, content = node.text("call_id"), _content(node, "output", "user")
            found.add("user", (ToolResult(call_id, content, rest=node.rest()),), {})
        case "reasoning":
            found.add("assistant", (read_reasoning(node),), {})
        case _:
            raise node.refused(
                "type", "message, function_call, function_call_output or reasoning: other items cannot be routed"
            )


def _drop(node: Members, *keys: str) -> None:
    for key in keys:
        node.take(key)


def _content(node: Members, key: str, role: str) -> tuple[Text | Image, ...]:
    value = node.take(key)
    if value is None:
        return ()
    if isinstance(value, str):
        return (Text(value),)
    if not isinstance(value, list):
        raise node.refused_value(key, value, "a text or a list of parts")
    return tuple(_part(part, role) for part in node.members_of(key, value))


def _part(node: Members, role: str) -> Text | Image:
    match node.text("type"):
        case "input_text" | "output_text" | "text":
            _drop(node, "annotations", "logprobs")
            return Text(node.text("text"), node.rest())
        case "refusal" if role == "assistant":
            return Text(node.text("refusal"), node.rest())
        case "input_image" if role == "user":
            if node.take("file_id") is not None:
                raise node.refused("file_id", "left out: uploaded files cannot be routed, send `image_url`")
            url = node.text("image_url")
            return image_of_url(url, node, "image_url", node.rest())
        case _:
            kinds = "input_text or input_image" if role == "user" else "input_text or output_text"
            raise node.refused("type", f"{kinds}: other parts cannot be routed")
