"""What dialects share when they meet the neutral form: data URLs, effort, tool results, JSON by instruction, errors."""

import re
from collections.abc import Mapping
from typing import Final, Literal, cast

from pydantic import JsonValue

from omniroute_agent.kernel.chat import Image, Message, Part, ResponseFormat, Rest, Text, ToolResult
from omniroute_agent.wire.errors import ErrorReport
from omniroute_agent.wire.members import Members, compact, json_object, shown

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]

_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def effort_in(node: Members, key: str) -> Effort | None:
    """The effort in OpenAI's words. `max` is above our scale; its top stands for it."""
    word = node.word_or_none(key, _EFFORTS)
    return cast("Effort | None", "xhigh" if word == "max" else word)


_DATA_URL: Final = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)(?:;[\w.+-]+=[^;,]*)*;base64,", re.ASCII)


def image_of_url(url: str, node: Members, key: str, rest: Rest) -> Image:
    """An https URL or a base64 data URL as an image; `node` and `key` name the field in the error."""
    if not url.startswith("data:"):
        return Image(url=url, rest=rest)
    if (head := _DATA_URL.match(url)) is None:
        raise node.refused(key, "an https URL or a base64 data URL (data:image/png;base64,…)")
    return Image(media_type=head["type"], data=url[head.end() :], rest=rest)


def url_of_image(image: Image) -> str:
    return image.url if image.url is not None else f"data:{image.media_type};base64,{image.data}"


def texts_of(parts: tuple[Part, ...], joint: str = "") -> str:
    return joint.join(part.text for part in parts if isinstance(part, Text))


def input_of(arguments: str) -> dict[str, JsonValue]:
    """A call's arguments as an object, where a dialect wants one. Malformed text is not repaired but shown as it is."""
    if not arguments.strip():
        return {}
    parsed = json_object(arguments)
    return parsed if parsed is not None else {"malformed_arguments": arguments}


def text_of_result(result: ToolResult) -> str:
    """A tool's result where it can be only one text: images follow elsewhere, and a failure is said in words."""
    text = texts_of(result.content, "\n")
    if images := sum(isinstance(part, Image) for part in result.content):
        note = "[1 image follows]" if images == 1 else f"[{images} images follow]"
        text = f"{text}\n{note}" if text else note
    return f"Error: {text}" if result.is_error else text


def owner_of_images(result: ToolResult) -> str:
    """What stands before the images of a result that had to leave it."""
    return f"From the result of tool call {result.call_id}:"


def json_instruction(wanted: ResponseFormat) -> Message:
    """The wish for a JSON answer in words, for a provider whose dialect has no field for it."""
    if wanted.schema is None:
        return Message("system", (Text("Answer with one JSON object and nothing else."),))
    return Message(
        "system",
        (
            Text(
                "Answer with one JSON value and nothing else. It must be valid against this JSON Schema:\n"
                + compact(dict(wanted.schema))
            ),
        ),
    )


def error_report(body: JsonValue) -> ErrorReport:
    """An error body of any dialect, or of a web framework in front of it, as far as it can be read. Never raises."""
    if isinstance(body, list) and body:
        # Some servers wrap the error object in a list.
        body = body[0]
    if isinstance(body, Mapping):
        inner = body.get("error")
        if isinstance(inner, Mapping):
            return _report_of(inner)
        if isinstance(inner, str) and inner:
            return ErrorReport(message=_message(body) or inner, code=inner if _message(body) else None)
        if _message(body):
            return _report_of(body)
    if isinstance(body, str) and body.strip():
        return ErrorReport(message=body.strip()[:300])
    return ErrorReport(message=f"It reported an error that could not be read: {shown(body)}")


def _report_of(found: Mapping[str, JsonValue]) -> ErrorReport:
    return ErrorReport(
        message=_message(found) or f"It reported an error without a message: {shown(dict(found))}",
        type=_word(found.get("type")),
        code=_word(found.get("code")),
        param=_word(found.get("param")),
    )


def _message(found: Mapping[str, JsonValue]) -> str:
    for key in ("message", "detail", "msg"):
        if value := found.get(key):
            return value if isinstance(value, str) else shown(value)
    return ""


def _word(value: JsonValue) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
