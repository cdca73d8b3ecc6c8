"""Whether a candidate can serve a request and what that may cost: an option with its price, or why not. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from omniroute_agent.engine.breaker import clock, standing
from omniroute_agent.engine.decision import Exclusion
from omniroute_agent.engine.guards import Room, request_room
from omniroute_agent.engine.needs import Needs, unconfirmed, unmet
from omniroute_agent.engine.quotas import counted_out
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.engine.strategies import Option
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.money import usd
from omniroute_agent.providers.model import Price

DEFAULT_OUTPUT_CAP: Final = 8192
"""Output cap that stands in when the caller set none, a cap is needed and the model's own is larger or unknown."""

LAST_RESORT_OUTPUT_CAP: Final = 512
"""The tiny local model rambles; without the caller's cap it gets this one."""

MIN_OUTPUT: Final = 16
"""Fewer affordable output tokens than this are not worth a call."""

ASSUMED_OUTPUT: Final = 256
"""Stands in for the mean output of recent answers until there are some; the plan says so."""


def rooms_of(candidate: Candidate, request: Request, situation: Situation) -> tuple[Room, ...]:
    """Every guard an attempt at this candidate is held against: the connection's own and the request's budget."""
    rooms = [situation.rooms[guard]] if (guard := candidate.connection.guard) and guard in situation.rooms else []
    if request.budget is not None:
        rooms.append(request_room(request.id, request.budget))
    return tuple(rooms)


def weigh(candidate: Candidate, place: int, request: Request, needs: Needs, situation: Situation) -> Option | Exclusion:
    """One candidate: an option with its price, or the first reason that speaks against it."""
    if candidate.connection.unavailable:
        return _no(candidate, "unavailable", candidate.connection.unavailable)
    if reason := unmet(needs, candidate.facts):
        return _no(candidate, *reason)
    refusal = standing(situation.health(candidate), situation.now) or counted_out(situation.windows(candidate))
    if refusal is not None:
        return _no(candidate, refusal.reason, refusal.detail, refusal.until)
    price = candidate.facts.price
    rooms = rooms_of(candidate, request, situation)
    if price is None:
        if rooms:
            return _no(
                candidate,
                "price_unknown",
                f"Its price is unknown and the guard `{rooms[0].guard}` limits spending. Give it a price under "
                f'[prices."{candidate.name}"] in the settings file.',
            )
        cap = needs.max_tokens or _own_cap(candidate, guarded=False)
        return _option(candidate, place, needs, None, None, cap)
    return _priced(candidate, place, needs, situation, price, rooms)


def _priced(
    candidate: Candidate, place: int, needs: Needs, situation: Situation, price: Price, rooms: Sequence[Room]
) -> Option | Exclusion:
    at = datetime.fromtimestamp(situation.now, UTC)
    cap = needs.max_tokens or _own_cap(candidate, guarded=bool(rooms))
    tightest = min(rooms, key=lambda room: room.left, default=None)
    if tightest is not None:
        if needs.max_tokens is None and cap is not None:
            cap = affordable(price, needs.input_bound, tightest.left, cap, at)
        needed = price.worst(needs.input_bound, cap or MIN_OUTPUT, at)
        if cap is None or needed > tightest.left:
            return _no(
                candidate,
                "over_budget",
                f"It may cost {usd(needed)} USD at worst; the guard `{tightest.guard}` has {usd(tightest.left)} left.",
                tightest.resets_at,
            )
    typical = situation.typical_output or ASSUMED_OUTPUT
    expected = price.cost(Usage(input_tokens=needs.input_tokens, output_tokens=min(typical, cap or typical)), at)
    worst_output = cap or candidate.facts.max_output_tokens or DEFAULT_OUTPUT_CAP
    return _option(candidate, place, needs, expected, price.worst(needs.input_bound, worst_output, at), cap)


def affordable(price: Price, input_bound: int, left: int, cap: int, at: datetime) -> int | None:
    """The most output tokens, at most `cap`, whose worst case still fits into `left` nano-dollars; None: too few."""
    if price.worst(input_bound, min(MIN_OUTPUT, cap), at) > left:
        return None
    low, high = min(MIN_OUTPUT, cap), cap
    while low < high:
        middle = (low + high + 1) // 2
        if price.worst(input_bound, middle, at) <= left:
            low = middle
        else:
            high = middle - 1
    return low


def _own_cap(candidate: Candidate, *, guarded: bool) -> int | None:
    """The output cap to send when the caller set none; None where the provider's own default may stand.

    One is needed where spending is guarded, where the dialect demands it, and for the last resort.
    """
    known = candidate.facts.max_output_tokens
    if candidate.connection.last_resort:
        return min(known or LAST_RESORT_OUTPUT_CAP, LAST_RESORT_OUTPUT_CAP)
    if guarded or candidate.connection.provider.needs_max_tokens:
        return min(known or DEFAULT_OUTPUT_CAP, DEFAULT_OUTPUT_CAP)
    return None


def _option(
    candidate: Candidate, place: int, needs: Needs, expected: int | None, worst: int | None, cap: int | None
) -> Option:
    return Option(
        candidate=candidate,
        place=place,
        expected_cost=expected,
        worst_cost=worst,
        max_tokens=cap,
        unknown=unconfirmed(needs, candidate.facts),
    )


def _no(candidate: Candidate, reason: str, detail: str, until: float | None = None) -> Exclusion:
    return Exclusion(target=candidate.name, reason=reason, detail=detail, until=clock(until) if until else None)
