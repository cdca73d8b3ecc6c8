"""Candidates → ordered plan with a reason for every place and every exclusion. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from omniroute_agent.engine.breaker import clock, standing
from omniroute_agent.engine.combos import Combo
from omniroute_agent.engine.decision import Choice, Exclusion, Plan
from omniroute_agent.engine.guards import Room, request_room
from omniroute_agent.engine.needs import Needs, unconfirmed, unmet
from omniroute_agent.engine.quotas import counted_out
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.engine.strategies import STRATEGIES, Option, Ranked
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The plan and, for each of its choices in order, the candidate behind it."""

    plan: Plan
    candidates: tuple[Candidate, ...]


def make_plan(
    request: Request,
    needs: Needs,
    *,
    asked: str,
    combo: Combo | None,
    candidates: Sequence[Candidate],
    unknown_targets: Sequence[Exclusion],
    situation: Situation,
) -> Planned:
    """Eligibility first, then the strategy, then the last resorts at the end."""
    options: list[Option] = []
    excluded = list(unknown_targets)
    for place, candidate in enumerate(candidates):
        verdict = _weigh(candidate, place, request, needs, situation)
        if isinstance(verdict, Exclusion):
            excluded.append(verdict)
        else:
            options.append(verdict)
    strategy = combo.strategy if combo else "priority"
    if combo is not None and not combo.enabled:
        excluded += [
            Exclusion(target=o.candidate.name, reason="combo_disabled", detail=f"The combo `{combo.name}` is disabled.")
            for o in options
        ]
        options = []
    last = [option for option in options if option.candidate.connection.last_resort and len(options) > 1]
    ranked = STRATEGIES[strategy]([option for option in options if option not in last], situation)
    ranked += [Ranked(option=option, because="the small local model is the last resort") for option in last]
    plan = Plan(
        asked=asked,
        combo=combo.name if combo else None,
        strategy=strategy,
        strategy_because=f"the combo `{combo.name}` says so" if combo else "one model was asked for",
        task=request.task,
        input_tokens=needs.input_tokens,
        input_tokens_source=needs.input_source,
        choices=tuple(_choice(r) for r in ranked),
        excluded=tuple(excluded),
        best_cost=ranked[0].option.expected_cost if ranked else None,
        worst_cost=_worst(ranked),
        notes=_notes(needs, ranked, situation),
    )
    return Planned(plan=plan, candidates=tuple(r.option.candidate for r in ranked))


def rooms_of(candidate: Candidate, request: Request, situation: Situation) -> tuple[Room, ...]:
    """Every guard an attempt at this candidate is held against: the connection's own and the request's budget."""
    rooms = [situation.rooms[guard]] if (guard := candidate.connection.guard) and guard in situation.rooms else []
    if request.budget is not None:
        rooms.append(request_room(request.id, request.budget))
    return tuple(rooms)


def _weigh(
    candidate: Candidate, place: int, request: Request, needs: Needs, situation: Situation
) -> Option | Exclusion:
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


def _choice(ranked: Ranked) -> Choice:
    option = ranked.option
    candidate = option.candidate
    return Choice(
        target=candidate.name,
        provider=candidate.connection.provider.id,
        model=candidate.model,
        because=ranked.because,
        expected_cost=option.expected_cost,
        worst_cost=option.worst_cost,
        price_source=candidate.facts.price.source if candidate.facts.price else None,
        max_tokens=option.max_tokens,
        unknown=option.unknown,
        factors=ranked.factors,
    )


def _worst(ranked: Sequence[Ranked]) -> int | None:
    """Every choice tried and billed at its worst; None while one of the prices is unknown."""
    worst = [r.option.worst_cost for r in ranked]
    if not worst or None in worst:
        return None
    return sum(cost for cost in worst if cost is not None)


def _notes(needs: Needs, ranked: Sequence[Ranked], situation: Situation) -> tuple[str, ...]:
    notes: list[str] = []
    if ranked and situation.typical_output is None:
        notes.append(f"Expected costs assume {ASSUMED_OUTPUT} output tokens: there is no history to measure yet.")
    elif ranked:
        notes.append(f"Expected costs assume {situation.typical_output} output tokens, the mean of recent answers.")
    if needs.max_tokens is None and any(r.option.max_tokens is not None for r in ranked):
        notes.append("No max_tokens was given; each choice says the cap it will send.")
    return tuple(notes)
