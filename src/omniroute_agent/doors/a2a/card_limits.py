"""What the extended card says of the money its reader may still spend."""

from collections.abc import Awaitable, Callable, Sequence

from pydantic import JsonValue

from omniroute_agent.engine.guards import Room
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.money import usd
from omniroute_agent.kernel.scopes import covers
from omniroute_agent.tooling.parts import Parts

_SCOPE = "read:health"
"""As for the tool that tells the same."""


def limits_from(parts: Parts) -> Callable[[Caller], Awaitable[Sequence[dict[str, JsonValue]]]]:
    """For `CardBook`: the guards that a request of the caller is held against, in this moment."""

    async def limits(caller: Caller) -> Sequence[dict[str, JsonValue]]:
        if not covers(caller.scopes, _SCOPE):
            return ()
        try:
            situation = await parts.gatherer.situation(caller=caller)
        except StoreUnavailable:
            return ()  # a card without them is still one; whatever is asked next says what is wrong
        return [_limit(room) for room in situation.rooms.values()]

    return limits


def _limit(room: Room) -> dict[str, JsonValue]:
    told: dict[str, JsonValue] = {
        "guard": room.guard,
        "action": room.action,
        "limit_usd": usd(room.limit),
        "left_usd": usd(room.left),
    }
    return told if room.resets is None else {**told, "resets_at": room.resets}
