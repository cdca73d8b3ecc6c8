"""Which beginnings two prompts have in common, told by digests: what a provider's prompt cache may still hold.

A prompt cache holds beginnings, and a conversation only grows at its end: its tools, its system prompt and the first
words of the user are the same from its first request to its last. Other conversations of the same caller mostly share
the tools and the system prompt, for agents by far the larger part. So a prompt has two beginnings, the longer first.
The digest starts with the caller: nobody learns from a route what others asked.
"""

import hashlib
from itertools import takewhile
from typing import Final

from pydantic import TypeAdapter

from omniroute_agent.engine.request import Request
from omniroute_agent.kernel.chat import Message, ToolSpec

_BEGINNING: Final = TypeAdapter(tuple[tuple[ToolSpec, ...], tuple[Message, ...]])


def prefixes_of(request: Request) -> tuple[str, ...]:
    """Digests of tools, system prompt and the first message behind it, then of tools and system prompt alone."""
    chat = request.chat
    system = tuple(takewhile(lambda message: message.role == "system", chat.messages))
    digest = hashlib.sha256(f"{request.caller.id}\n".encode())
    digest.update(_BEGINNING.dump_json((chat.tools, system)))
    shared = (digest.hexdigest(),) if chat.tools or system else ()
    if len(chat.messages) == len(system):
        return shared
    digest.update(_BEGINNING.dump_json(((), (chat.messages[len(system)],))))
    return (digest.hexdigest(), *shared)
