"""Budget handles are secrets: what is stored of a task and shown again does not have them, wherever they stood."""

import re
from typing import Any, Final, cast

from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pydantic import JsonValue

NOT_KEPT: Final = "(not kept)"
"""In the place of a handle."""

_PREFIX: Final = b"orbh_"
_HANDLE: Final = re.compile(r"orbh_[0-9A-Za-z_-]{10,}")


def withheld(value: JsonValue) -> JsonValue:
    match value:
        case str():
            return NOT_KEPT if _HANDLE.search(value) else value
        case dict():
            return {name: withheld(member) for name, member in value.items()}
        case list():
            return [withheld(item) for item in value]
        case _:
            return value


def kept(message: pb.Message) -> pb.Message:
    """A copy as it is stored and shown again."""
    found = pb.Message()
    found.CopyFrom(message)
    holders: tuple[pb.Message | pb.Part, ...] = (found, *found.parts)
    for holder in holders:
        if holder.HasField("metadata") and _PREFIX in holder.metadata.SerializeToString():
            told = Struct()
            told.update(cast("dict[str, Any]", withheld(MessageToDict(holder.metadata))))
            holder.metadata.CopyFrom(told)
    return found
