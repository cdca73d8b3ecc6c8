"""How an answer was come by, in the form that goes under `metadata[EXTENSION]`.

Amounts, times and ids are text: what passes through protobuf metadata turns every number into a float.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from omniroute_agent.doors.a2a.skills.skill import Ask
from omniroute_agent.engine.decision import Choice, Decision, Plan, Receipt
from omniroute_agent.engine.events import Done
from omniroute_agent.engine.request import Request
from omniroute_agent.kernel.errors import (
    CallError,
    ConsentRequired,
    LimitReached,
    NotAllowed,
    StoreUnavailable,
)
from omniroute_agent.kernel.money import usd

if TYPE_CHECKING:  # a card is made before the rooms behind the skills are loaded
    from omniroute_agent.tooling.parts import Parts

Envelope = dict[str, JsonValue]

_CURRENCY: Final = "USD"
_DENIALS: Final = (LimitReached, NotAllowed, ConsentRequired)
_MOST_SKIPPED: Final = 10
_OF_A_GUARD: Final = "The guard "
"""How a plan's note about one begins."""
_OF_LIMITS: Final = frozenset(("over_budget", "degraded", "needs_consent", "price_unknown"))
"""Why a target is excluded for money's sake."""


def free_envelope(ask: Ask, skill: str, tools: tuple[str, ...]) -> Envelope:
    """Of an answer that no model was asked for."""
    source = f"from {' and '.join(f'`{tool}`' for tool in tools)}" if tools else "from what it knows of itself"
    return {
        "routing_explanation": f"`{skill}` answered {source}; no model was asked.",
        "cost_envelope": {"estimated": "0", "worst": "0", "actual": "0", "currency": _CURRENCY, "state": "exact"},
        "resilience_trace": [],
        "policy_verdict": {"allowed": True, "reason": "The caller's scopes cover it, and it spends nothing."},
        "request_id": None,
        "skill": {"id": skill, "because": ask.because},
    }


@dataclass(frozen=True, slots=True)
class Route:
    """What was planned for a request, and when."""

    plan: Plan | None
    at: datetime


async def served_envelope(
    done: Done, parts: "Parts", *, ask: Ask, skill: str, route: Route | None, request: Request
) -> Envelope:
    """Of a prompt that was answered. Without a route an earlier answer was given again, and its route is looked up."""
    receipt = done.receipt
    if route is None or receipt.replayed:
        route = _route(await _decision(receipt.request_id, ask, parts), parts)
    return {
        "routing_explanation": _told(receipt, route.plan),
        "cost_envelope": _cost(receipt, route.plan),
        "resilience_trace": _trace(receipt, route),
        "policy_verdict": {"allowed": True, "reason": _allowed(route.plan, request)},
        "request_id": receipt.request_id,
        "finish": done.answer.finish,
        "skill": {"id": skill, "because": ask.because},
    }


async def failed_envelope(error: CallError, parts: "Parts", *, ask: Ask, skill: str) -> Envelope:
    """Of a task that has no answer: what was tried, what it cost all the same, and whether a limit forbade it."""
    request_id = error.facts.get("request_id")
    decision = await _decision(request_id, ask, parts) if isinstance(request_id, str) else None
    denied = isinstance(error, _DENIALS)
    route = _route(decision, parts)
    verdict = error.sentence() if denied else _allowed(route.plan)
    envelope = _unanswered(decision, route, said=error.sentence(), allowed=not denied, verdict=verdict)
    return {**envelope, "error": error.code, "skill": {"id": skill, "because": ask.because}}


async def stopped_envelope(said: str, parts: "Parts", *, ask: Ask, skill: str) -> Envelope:
    """Of a task that was ended from outside, by its caller or by its own time; `said` tells by whom."""
    decision = await _decision(ask.task_id, ask, parts)
    route = _route(decision, parts)
    envelope = _unanswered(decision, route, said=said, allowed=True, verdict=_allowed(route.plan))
    return {**envelope, "skill": {"id": skill, "because": ask.because}}


async def unanswered_receipt(parts: "Parts", ask: Ask) -> dict[str, JsonValue] | None:
    """The bill of a task that has no answer; None: it sent nothing."""
    decision = await _decision(ask.task_id, ask, parts)
    return decision.receipt.model_dump(mode="json") if decision and decision.receipt else None


def _unanswered(decision: Decision | None, route: Route, *, said: str, allowed: bool, verdict: str) -> Envelope:
    receipt = decision.receipt if decision else None
    return {
        "routing_explanation": said,
        "cost_envelope": _cost(receipt, route.plan),
        "resilience_trace": [*_skipped(route), *(_trace(receipt, route) if receipt else ())],
        "policy_verdict": {"allowed": allowed, "reason": verdict},
        "request_id": decision.request_id if decision else None,
    }


async def _decision(request_id: str, ask: Ask, parts: "Parts") -> Decision | None:
    """The stored one. That it cannot be read hides no answer."""
    try:
        document = await parts.decisions.get(request_id, ask.caller.id)
    except StoreUnavailable:
        return None
    return None if document is None else Decision.model_validate_json(document)


def _route(decision: Decision | None, parts: "Parts") -> Route:
    if decision is None:
        return Route(None, parts.ports.now())
    return Route(decision.plan, datetime.fromisoformat(decision.at))


def _told(receipt: Receipt, plan: Plan | None) -> str:
    """`alpha at one (custom-openai) answered in 812 ms for 0.00002 USD (exact): …`"""
    choice = _choice(plan, receipt.served_by)
    if choice is not None:
        who = f"{choice.model} at {choice.target.removesuffix(f'/{choice.model}')} ({choice.provider})"
    else:
        who = receipt.served_by or "no model"
    cost = "an unknown price" if receipt.cost is None else f"{usd(receipt.cost)} USD ({receipt.cost_state})"
    again = " from an earlier answer" if receipt.replayed else ""
    return f"{who} answered{again} in {receipt.latency_ms} ms for {cost}: {receipt.because}."


def _choice(plan: Plan | None, target: str | None) -> Choice | None:
    return next((choice for choice in plan.choices if choice.target == target), None) if plan else None


def _cost(receipt: Receipt | None, plan: Plan | None) -> dict[str, JsonValue]:
    """`estimated`: if the first target answers as long as answers usually are. `worst`: what was reserved at most."""
    actual = receipt.cost if receipt else 0
    return {
        "estimated": _amount(plan.best_cost if plan else None),
        "worst": _amount(plan.worst_cost if plan else None),
        "actual": _amount(actual),
        "currency": _CURRENCY,
        "state": receipt.cost_state if receipt else "exact",
    }


def _amount(nano: int | None) -> str | None:
    return None if nano is None else usd(nano)


def _allowed(plan: Plan | None, request: Request | None = None) -> str:
    """The limits that were at work, and what they left out."""
    said: list[str] = []
    if request is not None and request.budget is not None:
        said.append(f"Within the budget of {usd(request.budget)} USD for this request.")
    if request is not None and request.handle is not None:
        said.append("A budget handle pays for it.")
    if plan is not None:
        said += [note for note in plan.notes if note.startswith(_OF_A_GUARD)]
        held = [each for each in plan.excluded if each.reason in _OF_LIMITS]
        said += [f"{each.target} was left out: {each.detail}" for each in held[:_MOST_SKIPPED]]
    return " ".join(said) or "No limit stood in its way."


def _trace(receipt: Receipt, route: Route) -> list[JsonValue]:
    """What happened, in order. The attempts follow one another, so each began when those before it had ended."""
    events: list[JsonValue] = []
    at = route.at
    for place, attempt in enumerate(receipt.tried):
        events.append(_event("fallback_selected" if place else "primary_selected", attempt.target, route, at))
        at += timedelta(milliseconds=attempt.latency_ms)
        if attempt.outcome == "answered":
            events.append(_event("answered", attempt.target, route, at))
            continue
        fault = attempt.fault or attempt.outcome
        events.append(_event("attempt_failed", attempt.target, route, at, fault))
        if place + 1 < len(receipt.tried):
            events.append(_event("fallback_needed", attempt.target, route, at, fault))
    if not receipt.tried and receipt.reused and receipt.served_by:
        events.append(_event("answer_reused", receipt.served_by, route, at))
    return events


def _skipped(route: Route) -> list[JsonValue]:
    """Targets that were not even tried."""
    excluded = route.plan.excluded[:_MOST_SKIPPED] if route.plan else ()
    return [_event("target_skipped", each.target, route, route.at, each.reason) for each in excluded]


def _event(event: str, target: str, route: Route, at: datetime, fault: str | None = None) -> JsonValue:
    choice = _choice(route.plan, target)
    told: dict[str, JsonValue] = {
        "event": event,
        "provider": choice.provider if choice else target.partition("/")[0],
        "target": target,
        "timestamp": at.isoformat(timespec="milliseconds"),
    }
    return told if fault is None else {**told, "fault": fault}
