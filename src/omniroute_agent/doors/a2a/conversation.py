"""A message of the protocol as a message to a model."""

import base64
import json
from collections.abc import Iterable
from typing import Final, cast

from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import ContentTypeNotSupportedError, InvalidParamsError
from google.protobuf.json_format import MessageToDict
from pydantic import JsonValue

from omniroute_agent.doors.a2a.render import whole_numbers
from omniroute_agent.kernel.chat import Image, Message, Part, Text

MOST_PARTS: Final = 256

_KINDS: Final = "Parts may be text, JSON data, and images as bytes or by URL."


def spoken(message: pb.Message) -> Message:
    """
    Raises:
        ContentTypeNotSupportedError: a part is of a kind that no skill takes.
        InvalidParamsError: there are too many parts, or nothing in them.
    """
    if len(message.parts) > MOST_PARTS:
        raise InvalidParamsError(f"A message may have {MOST_PARTS} parts; this one has {len(message.parts)}.")
    parts = tuple(_part(part) for part in message.parts)
    if not any(not isinstance(part, Text) or part.text.strip() for part in parts):
        raise InvalidParamsError("The message says nothing.")
    return Message("assistant" if message.role == pb.ROLE_AGENT else "user", parts)


def metadata_of(*members: pb.Message | pb.SendMessageRequest) -> dict[str, JsonValue]:
    """Their metadata in one; what the first says goes before what the others say."""
    found: dict[str, JsonValue] = {}
    for member in reversed(members):
        if member.HasField("metadata"):
            found |= cast("dict[str, JsonValue]", whole_numbers(MessageToDict(member.metadata)))
    return found


def said_in(parts: Iterable[Part]) -> str:
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def _part(part: pb.Part) -> Part:
    """
    Raises:
        ContentTypeNotSupportedError: no skill takes it.
    """
    kind = part.media_type.partition(";")[0].strip().lower()
    match part.WhichOneof("content"):
        case "text":
            return Text(part.text)
        case "data":
            data = whole_numbers(MessageToDict(part.data))
            return Text(json.dumps(data, ensure_ascii=False))
        case "raw" if kind.startswith("image/"):
            return Image(media_type=kind, data=base64.b64encode(part.raw).decode())
        case "raw" if kind.startswith("text/") or kind == "application/json":
            return Text(_text(part.raw))
        case "url" if kind.startswith("image/") or not kind:
            return Image(media_type=kind or None, url=_web_address(part.url))
        case None:
            raise InvalidParamsError(f"A part has no content. {_KINDS}")
        case _:
            raise ContentTypeNotSupportedError(f"No skill takes a part of type `{kind[:100] or 'unknown'}`. {_KINDS}")


def _text(raw: bytes) -> str:
    """
    Raises:
        InvalidParamsError: it is none.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidParamsError(f"A text file is not UTF-8 (byte {error.start}).") from None


def _web_address(url: str) -> str:
    """Passed on to the provider as it is; nothing here fetches it.

    Raises:
        InvalidParamsError: it is no address of the web.
    """
    if not url.startswith(("https://", "http://")):
        raise InvalidParamsError("A file's `url` must begin with https:// or http://.")
    return url
