"""What a request in the original's dialect asks, in the types of 1.0."""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import InvalidParamsError
from pydantic import JsonValue

from omniroute_agent.doors.a2a.render import struct
from omniroute_agent.doors.a2a.words import EXTENSION

Params = Mapping[str, Any]

SKILL: Final = "smart-routing"
"""The one that is meant where none is named."""

_ROLES: Final[Mapping[str, Any]] = {"user": pb.ROLE_USER, "assistant": pb.ROLE_AGENT, "agent": pb.ROLE_AGENT}
_SYSTEM: Final = frozenset(("system", "developer"))
_DATA_URL: Final = re.compile(r"data:(?P<type>image/[\w.+-]+);base64,", re.ASCII)
_MESSAGES: Final = frozenset(("message/send", "message/stream"))
_TASKS: Final = frozenset(("tasks/get", "tasks/cancel"))


def speaks(method: str, params: Params) -> bool:
    """Whether this is the original's dialect: one of its methods, with parameters that 0.3 does not have."""
    if method in _TASKS:
        return "taskId" in params and "id" not in params
    message = params.get("message")
    is_standard = isinstance(message, dict) and "messageId" in message
    return method in _MESSAGES and ("skill" in params or "messages" in params) and not is_standard


def task_id_in(params: Params) -> str:
    """
    Raises:
        InvalidParamsError: it is no text, or empty.
    """
    found = params.get("taskId")
    if not isinstance(found, str) or not found:
        raise InvalidParamsError("`taskId` must be the id of a task.")
    return found


@dataclass(frozen=True, slots=True)
class Question:
    request: pb.SendMessageRequest
    """With the newest message and all that is asked beside the words."""
    earlier: tuple[pb.Message, ...]
    """What was said before it."""


def question_in(params: Params, new_id: Callable[[], str]) -> Question:
    """
    Raises:
        InvalidParamsError: a member is missing or of another type.
    """
    system: list[str] = []
    messages: list[pb.Message] = []
    for place, told in enumerate(_told(params)):
        role, parts = _said(told, f"messages[{place}]")
        if role in _SYSTEM:
            system += [part.text for part in parts if part.text]
        elif parts:
            messages.append(pb.Message(message_id=new_id(), role=_ROLES[role], parts=parts))
    if not messages:
        raise InvalidParamsError(
            '`messages` must hold at least one message of the user, like [{"role": "user", "content": "Hello"}].'
        )
    # On the message, which is kept: a task that waits goes on with them.
    messages[-1].metadata.CopyFrom(struct(_metadata(params, system)))
    return Question(pb.SendMessageRequest(message=messages[-1]), tuple(messages[:-1]))


def _told(params: Params) -> Sequence[Any]:
    """
    Raises:
        InvalidParamsError: there is nothing that could be a list of messages.
    """
    told = params.get("messages")
    if told is None and isinstance(params.get("message"), dict):
        return [params["message"]]
    if not isinstance(told, list):
        raise InvalidParamsError("`messages` must be a list of messages with `role` and `content`.")
    return told


def _said(told: Any, where: str) -> tuple[str, list[pb.Part]]:
    """
    Raises:
        InvalidParamsError: it is no message.
    """
    if not isinstance(told, dict):
        raise InvalidParamsError(f"`{where}` must be an object with `role` and `content`.")
    message = cast("dict[str, Any]", told)
    role = message.get("role", "user")
    if not isinstance(role, str) or role not in (*_ROLES, *_SYSTEM):
        raise InvalidParamsError(f"`{where}.role` must be user, assistant or system.")
    content = message.get("content", message.get("parts"))
    if isinstance(content, str):
        return role, [pb.Part(text=content)] if content.strip() else []
    if isinstance(content, list):
        return role, [_part(part, f"{where}.content[{place}]") for place, part in enumerate(content)]
    raise InvalidParamsError(f"`{where}.content` must be text.")


def _part(told: Any, where: str) -> pb.Part:
    """Text, or an image by its address, as the chat dialects have them.

    Raises:
        InvalidParamsError: it is neither.
    """
    if isinstance(told, str):
        return pb.Part(text=told)
    part = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    for name in ("text", "content"):
        if isinstance(part.get(name), str):
            return pb.Part(text=part[name])
    image = part.get("image_url")
    address = cast("dict[str, Any]", image).get("url") if isinstance(image, dict) else image
    if isinstance(address, str):
        return _image(address, where)
    raise InvalidParamsError(f'`{where}` must be {{"type": "text", "text": "…"}} or {{"type": "image_url", …}}.')


def _image(address: str, where: str) -> pb.Part:
    """
    Raises:
        InvalidParamsError: it is a data URL that cannot be read.
    """
    found = _DATA_URL.match(address)
    if found is None:
        return pb.Part(url=address)
    try:
        return pb.Part(raw=b64decode(address[found.end() :], validate=True), media_type=found["type"])
    except ValueError:
        raise InvalidParamsError(f"`{where}.image_url` is no base64.") from None


def _metadata(params: Params, system: Sequence[str]) -> dict[str, JsonValue]:
    """What is said in the parameters goes before what the metadata says of the same.

    Raises:
        InvalidParamsError: a member is of another type.
    """
    skill, metadata = params.get("skill"), params.get("metadata")
    if skill is not None and not isinstance(skill, str):
        raise InvalidParamsError("`skill` must be the id of a skill.")
    if metadata is not None and not isinstance(metadata, dict):
        raise InvalidParamsError("`metadata` must be an object.")
    given = cast("dict[str, JsonValue]", metadata or {})
    own = given.get(EXTENSION, {})
    if not isinstance(own, dict):
        raise InvalidParamsError(f"`metadata[{EXTENSION}]` must be an object.")
    said: dict[str, JsonValue] = {"skill": skill or SKILL}
    if system:
        said["system"] = "\n\n".join(system)
    return {**given, EXTENSION: {**own, **said}}
