"""When two requests are the same, for giving one answer to both."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import JsonValue, TypeAdapter

from omniroute_agent.engine.combos import Combo
from omniroute_agent.engine.request import Request
from omniroute_agent.kernel.chat import Chat, Image, Part, ToolResult

_VERSION: Final = "answer/1"
"""Changes whenever the same digest would stand for something else than before."""

_CHAT: Final = TypeAdapter(Chat)

_ELSEWHERE: Final = frozenset(("previous_response_id", "conversation", "cachedContent", "cached_content", "background"))
"""Fields of a request that point to something the provider keeps: the request does not hold all that it says."""


def repeatable(request: Request) -> bool:
    """Whether its caller wants the same answer to the same words, and the request holds all of them.

    Temperature 0 is how a caller says so. What an address of an image shows may change while the address stays.
    """
    chat = request.chat
    return (
        request.cache
        and chat.temperature == 0
        and not _ELSEWHERE.intersection(chat.rest)
        and not any(isinstance(part, Image) and part.url is not None for part in _parts(chat))
    )


def _parts(chat: Chat) -> Iterator[Part]:
    for message in chat.messages:
        for part in message.parts:
            yield part
            if isinstance(part, ToolResult):
                yield from part.content


def answer_key(request: Request, targets: Sequence[str], combo: Combo | None) -> str:
    """Digest of the caller and of everything that shapes the answer.

    Not in it: the session, the request's id, its deadline, budget and handle, and whether it is to be streamed.
    `targets` and `combo` are what the name that was asked for stands for now, so an edited combo or alias answers anew.
    """
    order = None if combo is None else (combo.name, combo.strategy, dict(combo.options), combo.tier)
    return _digest(
        [_VERSION, request.caller.id, request.combo, request.task, list(targets), order, _words(request.chat)]
    )


def fingerprint(request: Request) -> str:
    """What an idempotency key stands for: the answer's shape as above, the most it may cost and which handle pays."""
    paying = [] if request.handle is None else [_digest(request.handle)]
    return _digest([_VERSION, request.combo, request.task, request.budget, _words(request.chat), *paying])


def _words(chat: Chat) -> JsonValue:
    words: dict[str, JsonValue] = _CHAT.dump_python(chat, mode="json")
    # A stream is the same answer in pieces.
    del words["stream"]
    return words


def _digest(value: object) -> str:
    """One text for equal JSON values, however their objects are ordered; texts are taken as they are."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
