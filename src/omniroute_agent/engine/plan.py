"""Candidates → ordered plan with a reason for every place and every exclusion. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from omniroute_agent.engine.combos import Combo
from omniroute_agent.engine.decision import Choice, Exclusion, Plan
from omniroute_agent.engine.eligibility import ASSUMED_OUTPUT, weigh
from omniroute_agent.engine.needs import Needs
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.engine.strategies import STRATEGIES, Option, Ranked


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
        verdict = weigh(candidate, place, request, needs, situation)
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
