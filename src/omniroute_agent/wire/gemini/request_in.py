"""A Gemini request as a neutral chat."""

from collections.abc import Iterator, Mapping
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
from omniroute_agent.wire.calls import Unanswered
from omniroute_agent.wire.gemini.schema import as_json_schema
from omniroute_agent.wire.gemini.thinking import effort_of
from omniroute_agent.wire.gemini.words import ID, in_camel_case, signature_in
from omniroute_agent.wire.members import Members, compact, refuse_request
from omniroute_agent.wire.neutral import Effort
from omniroute_agent.wire.proof import own_proof

_JSON: Final = "application/json"
_ROLES: Final = ("user", "model", "function")
_MODES: Final[Mapping[str, ToolChoice]] = {
    "AUTO": ToolChoice("auto"),
    "NONE": ToolChoice("none"),
    "ANY": ToolChoice("required"),
}


def read_request(body: Mapping[str, JsonValue]) -> Chat:
    """
    Raises:
        InvalidRequest: names the field and what was expected.
    """
    try:
        return _read(Members(in_camel_case(dict(body)), "", refuse_request))
    except RecursionError:
        raise refuse_request("The request is nested too deep.") from None


def _read(top: Members) -> Chat:
    model = top.text("model").removeprefix("models/")
    if top.take("cachedContent") is not None:
        raise top.refused("cachedContent", "left out: nothing is kept between requests, send the whole contents")
    messages = _messages(top)
    if not any(message.role != "system" for message in messages):
        raise top.refused("contents", "a list of at least one content")
    stream = top.flag_or_none("stream") or False
    tools = tuple(tool for node in top.each("tools") for tool in _tools(node))
    choice, tool_rest = _tool_choice(top)
    config = top.inside_or_none("generationConfig") or Members({}, "generationConfig", refuse_request)
    if (config.count_or_none("candidateCount") or 1) != 1:
        raise config.refused("candidateCount", "1: one request gives one answer, ask again for another")
    response_format = _response_format(config)
    effort, thinking_rest = _thinking(config)
    return Chat(
        model=model,
        messages=messages,
        tools=tools,
        tool_choice=choice,
        max_tokens=config.count_or_none("maxOutputTokens"),
        temperature=config.number_or_none("temperature"),
        top_p=config.number_or_none("topP"),
        stop=config.texts("stopSequences"),
        response_format=response_format,
        reasoning_effort=effort,
        stream=stream,
        origin=ID,
        rest=top.rest()
        | tool_rest
        | ({"generationConfig": config.rest() | thinking_rest} if config.rest() or thinking_rest else {}),
    )


def _response_format(config: Members) -> ResponseFormat | None:
    """JSON is asked for by its media type; other types and their schemas stay in the rest."""
    kind = config.text_or_none("responseMimeType")
    if kind != _JSON:
        if kind is not None and kind != "text/plain":
            config.rest()["responseMimeType"] = kind
        return None
    schema = config.object_or_none("responseJsonSchema")
    if schema is None:
        converted = as_json_schema(config.object_or_none("responseSchema"))
        schema = converted if isinstance(converted, dict) else None
    return ResponseFormat(schema=schema)


def _thinking(config: Members) -> tuple[Effort | None, dict[str, JsonValue]]:
    """The effort; the words themselves stay in the rest, for the models that take them as they are."""
    thinking = config.object_or_none("thinkingConfig")
    if thinking is None:
        return None, {}
    return effort_of(thinking), {"thinkingConfig": thinking}


def _tools(node: Members) -> Iterator[ToolSpec]:
    declared = node.each("functionDeclarations")
    if any(value is not None for value in node.rest().values()):
        raise node.refused("functionDeclarations", "alone: the provider's own tools cannot be routed")
    for function in declared:
        name, description = function.text("name"), function.text_or_none("description") or ""
        schema: JsonValue = function.object_or_none("parametersJsonSchema")
        if schema is None:
            schema = as_json_schema(function.object_or_none("parameters"))
        found: dict[str, JsonValue] = schema if isinstance(schema, dict) else {"type": "object", "properties": {}}
        yield ToolSpec(name, description, found, function.rest())


def _tool_choice(top: Members) -> tuple[ToolChoice | None, dict[str, JsonValue]]:
    """The choice, and what of `toolConfig` must travel in the request's rest."""
    node = top.inside_or_none("toolConfig")
    if node is None:
        return None, {}
    choice: ToolChoice | None = None
    rest = node.rest()
    if (calling := node.inside_or_none("functionCallingConfig")) is not None:
        mode, names = (calling.text_or_none("mode") or "AUTO").upper(), calling.texts("allowedFunctionNames")
        choice = _MODES.get(mode)
        more = calling.rest()
        if choice is None:
            more["mode"] = mode
        if mode == "ANY" and len(names) == 1:
            choice = ToolChoice("named", names[0])
        elif names:
            more["allowedFunctionNames"] = list(names)
        if more:
            rest["functionCallingConfig"] = more
    return choice, {"toolConfig": rest} if rest else {}


# ---- contents


def _messages(top: Members) -> tuple[Message, ...]:
    found: list[Message] = []
    calls = Unanswered()
    system = top.take("systemInstruction")
    if isinstance(system, str):
        found.append(Message("system", (Text(system),)))
    elif system is not None:
        content = Members(system, "systemInstruction", refuse_request)
        content.take("role")
        parts = tuple(part for node in content.each("parts") for part in _part(node, calls, texts_only=True))
        found.append(Message("system", parts, content.rest()))
    for node in _contents(top):
        role = node.word_or_none("role", _ROLES) or "user"
        parts = tuple(part for inner in node.each("parts") for part in _part(inner, calls))
        found.append(Message("assistant" if role == "model" else "user", parts, node.rest()))
    return tuple(found)


def _contents(top: Members) -> list[Members]:
    """A single content may stand without its list."""
    value = top.take("contents")
    if value is None:
        return []
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        raise top.refused_value("contents", value, "a list of contents")
    return top.members_of("contents", value)


def _part(node: Members, calls: Unanswered, *, texts_only: bool = False) -> Iterator[Part]:
    thought = node.flag_or_none("thought") or False
    given = node.text_or_none("thoughtSignature")
    signature, redacted = signature_in(given) if given else (None, None)
    if thought:
        yield Reasoning(node.text_or_none("text") or "", signature, redacted, node.rest())
        return
    if given and own_proof(ID, signature) is None:
        yield Reasoning("", signature, redacted)
    told = _told(node, calls, texts_only=texts_only)
    # The provider's own signature goes back in the very part it came in.
    part = _kept(told, given) if given and own_proof(ID, signature) is not None else told
    if not (isinstance(part, Text) and not part.text and not part.rest):
        yield part


def _kept(part: Text | Image | ToolCall | ToolResult, signature: str) -> Part:
    rest = {**part.rest, "thoughtSignature": signature}
    match part:
        case Text(text):
            return Text(text, rest)
        case Image(media_type, data, url):
            return Image(media_type, data, url, rest)
        case ToolCall(call_id, name, arguments):
            return ToolCall(call_id, name, arguments, rest)
        case ToolResult(call_id, content, is_error):
            return ToolResult(call_id, content, is_error, rest)


def _told(node: Members, calls: Unanswered, *, texts_only: bool) -> Text | Image | ToolCall | ToolResult:
    text = node.text_or_none("text")
    if text is not None:
        return Text(text, node.rest())
    if not texts_only:
        if (inner := node.inside_or_none("inlineData")) is not None:
            return _inline(node, inner)
        if (inner := node.inside_or_none("fileData")) is not None:
            return _file(node, inner)
        if (inner := node.inside_or_none("functionCall")) is not None:
            return _call(node, inner, calls)
        if (inner := node.inside_or_none("functionResponse")) is not None:
            return _result(node, inner, calls)
    kinds = "text" if texts_only else "text, inlineData, fileData, functionCall or functionResponse"
    raise node.refused("text", f"a text; parts may hold {kinds}, others cannot be routed")


def _with_inner(node: Members, name: str, inner: Members) -> dict[str, JsonValue]:
    return {**node.rest(), name: inner.rest()} if inner.rest() else node.rest()


def _inline(node: Members, inner: Members) -> Image:
    kind = inner.text("mimeType")
    if not kind.startswith("image/"):
        raise inner.refused("mimeType", "that of an image: other media cannot be routed")
    data = inner.text("data")
    return Image(media_type=kind, data=data, rest=_with_inner(node, "inlineData", inner))


def _file(node: Members, inner: Members) -> Image:
    uri, kind = inner.text("fileUri"), inner.text_or_none("mimeType")
    if kind is not None and not kind.startswith("image/"):
        raise inner.refused("mimeType", "that of an image: other media cannot be routed")
    if not uri.startswith(("https://", "http://")) or "/v1beta/files/" in uri:
        raise inner.refused("fileUri", "the https URL of an image: uploaded files cannot be routed")
    if kind is not None:
        inner.rest()["mimeType"] = kind
    return Image(url=uri, rest=_with_inner(node, "fileData", inner))


def _call(node: Members, inner: Members, calls: Unanswered) -> ToolCall:
    name = inner.text("name")
    call_id = calls.called(inner.text_or_none("id"), name)
    arguments = compact(inner.object_or_none("args") or {})
    return ToolCall(call_id, name, arguments, _with_inner(node, "functionCall", inner))


def _result(node: Members, inner: Members, calls: Unanswered) -> ToolResult:
    call_id = calls.answered(inner.text_or_none("id"), inner.text("name"))
    response = inner.object_or_none("response") or {}
    images = tuple(_inline(part, blob) for part in inner.each("parts") for blob in (part.inside("inlineData"),))
    match response:
        case {"output": str(text), **more} if not more:
            is_error = False
        case {"error": str(text), **more} if not more:
            is_error = True
        case _:
            text, is_error = compact(response), False
            # An object of the caller's own goes back as it came.
            inner.rest()["response"] = response
    content: tuple[Text | Image, ...] = (*([Text(text)] if text or not images else []), *images)
    return ToolResult(call_id, content, is_error, _with_inner(node, "functionResponse", inner))
