"""Whether a candidate can serve a request and what that may cost: an option with its price, or why not. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from omniroute_agent.engine.breaker import clock
from omniroute_agent.engine.decision import Exclusion
from omniroute_agent.engine.guards import CONSENT_GUARD, Room, consent_room, request_room
from omniroute_agent.engine.needs import Needs, unconfirmed, unmet
from omniroute_agent.engine.quotas import counted_out
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.engine.strategies import Option
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.money import usd
from omniroute_agent.providers.discovery import ENVIRONMENT_GUARD
from omniroute_agent.providers.model import Price

NEEDS_CONSENT: Final = "needs_consent"
"""Why a target is excluded that only guards which ask the owner keep from being tried."""

DEFAULT_OUTPUT_CAP: Final = 8192
"""Output cap that stands in when the caller set none, a cap is needed and the model's own is larger or unknown."""

LAST_RESORT_OUTPUT_CAP: Final = 512
"""The tiny local model rambles; without the caller's cap it gets this one."""

MIN_OUTPUT: Final = 16
"""Fewer affordable output tokens than this are not worth a call."""

ASSUMED_OUTPUT: Final = 256
"""Stands in for the mean output of recent answers until there are some; the plan says so."""


def rooms_of(candidate: Candidate, request: Request, situation: Situation) -> tuple[Room, ...]:
    """Every guard an attempt at this candidate is held against: the standing ones, the request's budget, and what the
    owner allowed it beyond the guards that ask.
    """
    if not situation.rooms and request.budget is None:
        return ()
    own = candidate.connection.guard
    rooms = [room for name, room in situation.rooms.items() if name != ENVIRONMENT_GUARD or own == name]
    if request.agreed is not None and any(room.action == "ask" for room in rooms):
        rooms = [replace(room, agreed=True) if room.action == "ask" else room for room in rooms]
        rooms.append(consent_room(request.id, request.agreed))
    if request.budget is not None:
        rooms.append(request_room(request.id, request.budget))
    return tuple(rooms)


def weigh(candidate: Candidate, place: int, request: Request, needs: Needs, situation: Situation) -> Option | Exclusion:
    """One candidate: an option with its price, or the first reason that speaks against it."""
    if candidate.connection.unavailable:
        return _no(candidate, "unavailable", candidate.connection.unavailable)
    if reason := unmet(needs, candidate.facts):
        return _no(candidate, *reason)
    refusal = situation.refusal(candidate)
    if refusal is None and candidate.connection.id in situation.limits:
        refusal = counted_out(situation.windows(candidate))
    if refusal is not None:
        return _no(candidate, refusal.reason, refusal.detail, refusal.until)
    rooms = rooms_of(candidate, request, situation)
    if candidate.facts.price is None:
        return _unpriced(candidate, place, needs, rooms)
    return _priced(candidate, place, needs, situation, candidate.facts.price, rooms)


def _unpriced(candidate: Candidate, place: int, needs: Needs, rooms: Sequence[Room]) -> Option | Exclusion:
    # What the owner allowed an unpriced target is that call, not an amount.
    held = [room for room in rooms if room.enforced and room.guard != CONSENT_GUARD]
    if blocking := next((room for room in held if room.action != "ask"), None):
        return _no(
            candidate,
            "price_unknown",
            f"Its price is unknown and the guard `{blocking.guard}` limits spending. Give it a price under "
            f'[prices."{candidate.name}"] in the settings file.',
        )
    if held:
        detail = f"Its price is unknown and the guard `{held[0].guard}` asks the owner about that."
        return _no(candidate, NEEDS_CONSENT, detail, held[0].resets_at)
    return _option(candidate, place, needs, None, None, needs.max_tokens or _own_cap(candidate, guarded=False))


def _priced(
    candidate: Candidate, place: int, needs: Needs, situation: Situation, price: Price, rooms: Sequence[Room]
) -> Option | Exclusion:
    at = _utc(situation.now)
    bound = needs.bound(candidate.model)
    held = [room for room in rooms if room.enforced] if rooms else []
    cap = needs.max_tokens or _own_cap(candidate, guarded=bool(held))
    worst = price.worst(bound, cap or candidate.facts.max_output_tokens or DEFAULT_OUTPUT_CAP, at)
    # What costs nothing fits everywhere.
    if worst and any(worst > room.left or room.degraded for room in held):
        fitted = _fitted(candidate, needs, price, held, cap, at)
        if isinstance(fitted, Exclusion):
            return fitted
        cap, worst = fitted, price.worst(bound, fitted, at)
    typical = situation.typical_output or ASSUMED_OUTPUT
    expected = price.cost(_usage(needs.input_tokens, min(typical, cap) if cap else typical), at)
    return Option(candidate, place, expected, worst, cap, unconfirmed(needs, candidate.facts))


def _fitted(
    candidate: Candidate, needs: Needs, price: Price, rooms: Sequence[Room], cap: int | None, at: datetime
) -> int | Exclusion:
    """The output cap with which a target that costs something fits into every room, or why it does not."""
    if degraded := next((room for room in rooms if not room.admits(candidate.connection.tier)), None):
        detail = f"Its tier is {candidate.connection.tier}. {degraded.note()}"
        return _no(candidate, "degraded", detail, degraded.resets_at)
    bound = needs.bound(candidate.model)
    asking = [room for room in rooms if room.action == "ask"]
    # First those that refuse: nobody is asked about what another guard forbids anyway.
    for reason, group in (("over_budget", [room for room in rooms if room not in asking]), (NEEDS_CONSENT, asking)):
        tightest = min(group, key=lambda room: room.left, default=None)
        if tightest is None:
            continue
        fits = affordable(price, bound, tightest.left, cap, at) if needs.max_tokens is None and cap else cap
        needed = price.worst(bound, fits or MIN_OUTPUT, at)
        if fits is None or needed > tightest.left:
            return _no(
                candidate,
                reason,
                f"It may cost {usd(needed)} USD at worst; the guard `{tightest.guard}` has {usd(tightest.left)} left.",
                tightest.resets_at,
            )
        cap = fits
    assert cap is not None, "a guarded target has a cap"
    return cap


# All candidates of a plan share these; to make them anew for each would cost more than its price.
@lru_cache(maxsize=64)
def _usage(input_tokens: int, output_tokens: int) -> Usage:
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens)


@lru_cache(maxsize=8)
def _utc(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def affordable(price: Price, input_bound: int, left: int, cap: int, at: datetime) -> int | None:
    """The most output tokens, at most `cap`, whose worst case still fits into `left` nano-dollars; None: too few."""
    low, high = min(MIN_OUTPUT, cap), cap
    least, most = price.worst(input_bound, low, at), price.worst(input_bound, high, at)
    if least > left:
        return None
    if most <= left:
        return cap
    # Where every output token costs the same, this is it.
    guess = low + (left - least) * (high - low) // (most - least)
    if price.worst(input_bound, guess, at) <= left < price.worst(input_bound, guess + 1, at):
        return guess
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
    return Option(candidate, place, expected, worst, cap, unconfirmed(needs, candidate.facts))


def _no(candidate: Candidate, reason: str, detail: str, until: float | None = None) -> Exclusion:
    return Exclusion(candidate.name, reason, detail, clock(until) if until else None)
