"""What a notification says: the task as it is now, in the words of the version its hook came in with.

Loads the SDK, so whoever wants it imports it late.
"""

import json
from typing import Final

from a2a.compat.v0_3.conversions import to_compat_task
from a2a.types import a2a_pb2 as pb

from omniroute_agent.doors.a2a.push.configs import Protocol
from omniroute_agent.doors.a2a.push.sender import Payload
from omniroute_agent.doors.a2a.render import whole_numbers, wire
from omniroute_agent.doors.a2a.stored import task_of
from omniroute_agent.store.tasks import Found

_TYPES: Final[dict[Protocol, str]] = {"0.3": "application/json", "1.0": "application/a2a+json"}


def payload_of(found: Found, protocol: Protocol) -> Payload:
    task = task_of(found)
    if protocol == "0.3":
        told = whole_numbers(to_compat_task(task).model_dump(mode="json", by_alias=True, exclude_none=True))
    else:
        told = wire(pb.StreamResponse(task=task))
    # Compact, as receivers that hash the parsed body again do it.
    body = json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Payload(body.encode(), _TYPES[protocol])
