"""Whether a candidate can serve a request and what that may cost: an option with its price, or why not. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from math import inf
from typing import Final, NamedTuple

from omniroute_agent.engine.breaker import PROBE_IN_FLIGHT, clock
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
from omniroute_agent.providers.lines import MILLION
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
    """Every guard an attempt at this candidate is held against: the standing ones, the request's budget and its budget
    handle, and what the owner allowed it beyond the guards that ask.
    """
    return _rooms_under(candidate.connection.guard, request, situation)


def _rooms_under(own: str | None, request: Request, situation: Situation) -> tuple[Room, ...]:
    """The same by the guard of the candidate's connection."""
    if not situation.rooms and request.budget is None and situation.handle is None:
        return ()
    rooms = [room for name, room in situation.rooms.items() if name != ENVIRONMENT_GUARD or own == name]
    if request.agreed is not None and any(room.action == "ask" for room in rooms):
        rooms = [replace(room, agreed=True) if room.action == "ask" else room for room in rooms]
        rooms.append(consent_room(request.id, request.agreed))
    if request.budget is not None:
        rooms.append(request_room(request.id, request.budget))
    if situation.handle is not None:
        rooms.append(situation.handle)
    return tuple(rooms)


def weigh(
    candidates: Sequence[Candidate], request: Request, needs: Needs, situation: Situation
) -> tuple[list[Option], list[Exclusion]]:
    """Each candidate as an option with its price, or with the first reason that speaks against it.

    A plan asks this of hundreds. So what is the same for all of them is looked up once, and of each one a single
    question tells whether anything could speak against it; only then the reasons are gone through.
    """
    options: list[Option] = []
    excluded: list[Exclusion] = []
    vision, tools, json_schema, tokens, wanted = _asked(needs)
    troubled = _troubled(situation)
    priced = _pricing(request, needs, situation)
    for place, candidate in enumerate(candidates):
        facts, connection = candidate.facts, candidate.connection
        unknown: tuple[str, ...] = ()
        if (
            (facts.context_tokens is None or tokens >= facts.context_tokens)
            or (vision and not facts.vision)
            or (tools and not facts.tools)
            or (json_schema and not facts.json_schema)
            or (wanted and facts.max_output_tokens is not None and wanted > facts.max_output_tokens)
            or connection.unavailable
            or connection.id in troubled
        ):
            if against := _against(candidate, needs, situation):
                excluded.append(against)
                continue
            unknown = unconfirmed(needs, facts)
        verdict = priced(candidate, place, unknown)
        if isinstance(verdict, Option):
            options.append(verdict)
        else:
            excluded.append(verdict)
    return options, excluded


def _asked(needs: Needs) -> tuple[bool, bool, bool, int, int | None]:
    return needs.vision, needs.tools, needs.json_schema, needs.input_tokens, needs.max_tokens


def _troubled(situation: Situation) -> set[str]:
    """Connections of which anything is known that may speak against their targets."""
    ill = {name for name, health in situation.connections.items() if health.breaker != "closed" or health.lock}
    return ill.union([connection for connection, _ in situation.locks], situation.limits)


def _against(candidate: Candidate, needs: Needs, situation: Situation) -> Exclusion | None:
    """The first reason against a candidate, money apart."""
    if candidate.connection.unavailable:
        return _no(candidate, "unavailable", candidate.connection.unavailable)
    if reason := unmet(needs, candidate.facts):
        return _no(candidate, *reason)
    refusal = situation.refusal(candidate)
    if refusal is not None and refusal.reason == PROBE_IN_FLIGHT:
        # How that ends is known in a moment: the plan lets it stand behind the others.
        refusal = None
    if refusal is None and candidate.connection.id in situation.limits:
        refusal = counted_out(situation.windows(candidate))
    return None if refusal is None else _no(candidate, refusal.reason, refusal.detail, refusal.until)


class _Held(NamedTuple):
    """What the attempts on a connection are held against."""

    rooms: Sequence[Room]
    """Those that are enforced."""
    left: float
    """Whatever costs no more fits into all of them, in nano-dollars: nothing, where one is degraded."""
    tightest: Sequence[tuple[str, Room, int]]
    """What it is called not to fit, the room with the least left of those that say so, and how much that is."""


_FREE: Final = _Held((), inf, ())


def _held(rooms: Sequence[Room]) -> _Held:
    asking = [room for room in rooms if room.action == "ask"]
    # First those that refuse: nobody is asked about what another guard forbids anyway.
    groups = (("over_budget", [room for room in rooms if room.action != "ask"]), (NEEDS_CONSENT, asking))
    tightest = [(reason, min(group, key=lambda room: room.left)) for reason, group in groups if group]
    return _Held(
        rooms,
        min((0 if room.degraded else room.left for room in rooms), default=inf),
        [(reason, room, room.left) for reason, room in tightest],
    )


def _holding(request: Request, situation: Situation) -> Callable[[str | None], _Held] | None:
    """By the guard of a connection, of which only two kinds differ; None: nothing holds anyone."""
    if not situation.rooms and request.budget is None and situation.handle is None:
        return None
    kinds: dict[bool, _Held] = {}

    def holding(guard: str | None) -> _Held:
        kind = guard == ENVIRONMENT_GUARD
        if kind not in kinds:
            kinds[kind] = _held([room for room in _rooms_under(guard, request, situation) if room.enforced])
        return kinds[kind]

    return holding


def _pricing(
    request: Request, needs: Needs, situation: Situation
) -> Callable[[Candidate, int, tuple[str, ...]], Option | Exclusion]:
    """The last question to a candidate at its place, of whose needed capabilities some may be unknown: what it may
    cost, and whether that fits.
    """
    at = datetime.fromtimestamp(situation.now, UTC)
    wanted, read, images = needs.max_tokens, needs.input_tokens, needs.images
    typical = situation.typical_output or ASSUMED_OUTPUT
    held_by = _holding(request, situation)

    def priced(candidate: Candidate, place: int, unknown: tuple[str, ...]) -> Option | Exclusion:
        connection, facts = candidate.connection, candidate.facts
        held = held_by(connection.guard) if held_by else _FREE
        price, cap = facts.price, wanted
        if price is None:
            cap = cap or _own_cap(candidate, guarded=False)
            return _refused_unpriced(candidate, held.rooms) or Option(candidate, place, None, None, cap, unknown)
        if not cap and (held.rooms or connection.last_resort or connection.provider.needs_max_tokens):
            cap = _own_cap(candidate, guarded=bool(held.rooms))
        bound = needs.bound(candidate.model) if images else needs.input_bound
        longest = cap or facts.max_output_tokens or DEFAULT_OUTPUT_CAP
        lines = price.tariff(read, bound, at)
        if lines is None:
            worst = price.worst(bound, longest, at)
        else:
            # As `Line.at`, without the calls: a plan over 500 targets asks for 1,000 amounts.
            _, _, _, worst_fee, worst_read, worst_written = lines
            worst = worst_fee - -(bound * worst_read + longest * worst_written) // MILLION
        if worst > held.left:
            fitted = _fitted(candidate, needs, price, held, cap, at)
            if isinstance(fitted, Exclusion):
                return fitted
            cap, worst = fitted, _worst(price, bound, fitted, at)
        written = cap if cap and cap < typical else typical
        if lines is None:
            expected = price.cost(_usage(read, written), at)
        else:
            fee, each_read, each_written, _, _, _ = lines
            expected = fee - -(read * each_read + written * each_written) // MILLION
        return Option(candidate, place, expected, worst, cap, unknown)

    return priced


def _refused_unpriced(candidate: Candidate, rooms: Sequence[Room]) -> Exclusion | None:
    # What the owner allowed an unpriced target is that call, not an amount.
    held = [room for room in rooms if room.guard != CONSENT_GUARD]
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
    return None


def _fitted(
    candidate: Candidate, needs: Needs, price: Price, held: _Held, cap: int | None, at: datetime
) -> int | Exclusion:
    """The output cap with which a target that costs something fits into every room, or why it does not."""
    if degraded := next((room for room in held.rooms if not room.admits(candidate.connection.tier)), None):
        detail = f"Its tier is {candidate.connection.tier}. {degraded.note()}"
        return _no(candidate, "degraded", detail, degraded.resets_at)
    bound = needs.bound(candidate.model)
    for reason, room, left in held.tightest:
        fits = affordable(price, bound, left, cap, at) if needs.max_tokens is None and cap else cap
        needed = _worst(price, bound, fits or MIN_OUTPUT, at)
        if fits is None or needed > left:
            detail = f"It may cost {usd(needed)} USD at worst; the guard `{room.guard}` has {usd(left)} left."
            return _no(candidate, reason, detail, room.resets_at)
        cap = fits
    assert cap is not None, "a guarded target has a cap"
    return cap


def _worst(price: Price, bound: int, output: int, at: datetime) -> int:
    lines = price.tariff(bound, bound, at)
    return price.worst(bound, output, at) if lines is None else lines.worst(bound, output)


# The candidates of a plan share these; to make one anew costs more than its price.
@lru_cache(maxsize=64)
def _usage(input_tokens: int, output_tokens: int) -> Usage:
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens)


def affordable(price: Price, input_bound: int, left: int, cap: int, at: datetime) -> int | None:
    """The most output tokens, at most `cap`, whose worst case still fits into `left` nano-dollars; None: too few."""
    low, high = min(MIN_OUTPUT, cap), cap
    if (lines := price.tariff(input_bound, input_bound, at)) is not None:
        most = lines.most_output(input_bound, left)
        return cap if most is None or most >= cap else most if most >= low else None
    if price.worst(input_bound, low, at) > left:
        return None
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


def _no(candidate: Candidate, reason: str, detail: str, until: float | None = None) -> Exclusion:
    return Exclusion(candidate.name, reason, detail, _clock(until) if until else None)


# Many wait for the same window.
_clock = lru_cache(maxsize=64)(clock)
