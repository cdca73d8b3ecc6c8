"""Candidates → ordered plan with a reason for every place and every exclusion. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from omniroute_agent.engine.bandit import relearned, yields
from omniroute_agent.engine.combos import Combo
from omniroute_agent.engine.decision import Choice, Exclusion, Plan
from omniroute_agent.engine.eligibility import ASSUMED_OUTPUT, weigh
from omniroute_agent.engine.extras import note_of
from omniroute_agent.engine.needs import Needs
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.engine.strategies import STRATEGIES, Option, Ranked
from omniroute_agent.engine.strategies.override import override
from omniroute_agent.engine.strategies.sources import HEALING
from omniroute_agent.kernel.record import Bench

_PROBED: Final = "one call is out to see whether it recovered; how that ends decides"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The plan and, for each of its choices in order, the candidate behind it."""

    plan: Plan
    candidates: tuple[Candidate, ...]
    benches: Mapping[str, Bench | None] = field(default_factory=dict[str, Bench | None])
    """What following this plan changes of who sits out, by target; None: it plays again."""


def make_plan(
    request: Request,
    needs: Needs,
    *,
    asked: str,
    combo: Combo | None,
    candidates: Sequence[Candidate],
    unknown_targets: Sequence[Exclusion],
    situation: Situation,
    notes: Sequence[str] = (),
) -> Planned:
    """Eligibility first, then the strategy, then the last resorts at the end."""
    options, against = weigh(candidates, request, needs, situation)
    excluded = [*unknown_targets, *against]
    if combo is not None and not combo.enabled:
        detail = f"The combo `{combo.name}` is disabled."
        excluded += [Exclusion(o.candidate.name, "combo_disabled", detail) for o in options]
        options = []
    options, last = _without_last_resorts(options)
    options, waiting = _without_probed(options, situation)
    strategy, because = _strategy(combo, request, needs, options, situation)
    ranked = STRATEGIES[strategy](options, situation)
    benches = _changed(ranked, situation) if strategy in HEALING else {}
    remarks: tuple[str, ...] = ()
    if combo is not None and yields(strategy, combo.strategy):
        ranked, remarks = relearned(ranked, situation)
    ranked += [Ranked(option, _PROBED) for option in waiting]
    ranked += [Ranked(option, "the small local model is the last resort") for option in last]
    choices = _choices(ranked)
    plan = Plan(
        asked=asked,
        combo=combo.name if combo else None,
        strategy=strategy,
        strategy_because=because,
        task=situation.task or request.task,
        input_tokens=needs.input_tokens,
        input_tokens_source=needs.input_source,
        choices=choices,
        excluded=tuple(excluded),
        best_cost=ranked[0].option.expected_cost if ranked else None,
        worst_cost=_worst(choices),
        notes=(*notes, *_notes(request, needs, ranked, situation), *remarks),
    )
    return Planned(plan=plan, candidates=tuple([r.option.candidate for r in ranked]), benches=benches)


def _without_last_resorts(options: list[Option]) -> tuple[list[Option], list[Option]]:
    """What the strategy orders, and what comes behind it; a last resort that is alone is as good as any."""
    last = [option for option in options if option.candidate.connection.last_resort]
    if not last or len(options) == 1:
        return options, []
    return [option for option in options if not option.candidate.connection.last_resort], last


def _without_probed(options: list[Option], situation: Situation) -> tuple[list[Option], list[Option]]:
    """What the strategy orders, and behind it the targets whose connection lets one call through to see whether it
    recovered: with nothing else left a request waits for how that ends.
    """
    probed = {
        name
        for name, health in situation.connections.items()
        if health.breaker == "half_open" and health.probe_until is not None and situation.now < health.probe_until
    }
    if not probed:
        return options, []
    waiting = [option for option in options if option.candidate.connection.id in probed]
    return [option for option in options if option.candidate.connection.id not in probed], waiting


def _strategy(
    combo: Combo | None, request: Request, needs: Needs, options: Sequence[Option], situation: Situation
) -> tuple[str, str]:
    """The strategy to use and who says so."""
    if combo is None:
        return "priority", "one model was asked for"
    instead = override(combo.strategy, situation.combo, request.chat, needs, options)
    if instead is None:
        return combo.strategy, f"the combo `{combo.name}` says so"
    strategy, because = instead
    return strategy, f"{because}; the combo `{combo.name}` says {combo.strategy}, which leaves it to the request"


def _changed(ranked: Sequence[Ranked], situation: Situation) -> dict[str, Bench | None]:
    before = situation.benches
    found = {r.option.candidate.name: r.bench for r in ranked} if before else _benched(ranked)
    return {target: bench for target, bench in found.items() if before.get(target) != bench}


def _benched(ranked: Sequence[Ranked]) -> dict[str, Bench | None]:
    return {r.option.candidate.name: r.bench for r in ranked if r.bench is not None}


def _choices(ranked: Sequence[Ranked]) -> tuple[Choice, ...]:
    # One loop without a call for each: of a plan over 500 targets this is a tenth.
    made: list[Choice] = []
    for option, because, factors, _ in ranked:
        candidate = option.candidate
        price = candidate.facts.price
        choice = Choice(
            candidate.name,
            candidate.connection.provider.id,
            candidate.model,
            because,
            option.expected_cost,
            option.worst_cost,
            None if price is None else price.source,
            option.max_tokens,
            option.unknown,
            factors,
        )
        made.append(choice)
    return tuple(made)


def _worst(choices: Sequence[Choice]) -> int | None:
    """Every choice tried and billed at its worst; None while one of the prices is unknown."""
    worst = [choice.worst_cost for choice in choices if choice.worst_cost is not None]
    return sum(worst) if worst and len(worst) == len(choices) else None


def _notes(request: Request, needs: Needs, ranked: Sequence[Ranked], situation: Situation) -> tuple[str, ...]:
    notes: list[str] = []
    if ranked and situation.typical_output is None:
        notes.append(f"Expected costs assume {ASSUMED_OUTPUT} output tokens: there is no history to measure yet.")
    elif ranked:
        notes.append(f"Expected costs assume {situation.typical_output} output tokens, the mean of recent answers.")
    if needs.max_tokens is None and any(r.option.max_tokens is not None for r in ranked):
        notes.append("No max_tokens was given; each choice says the cap it will send.")
    if situation.task is not None and situation.task_because:
        notes.append(f"The task is taken to be {situation.task}: {situation.task_because}.")
    more = (note_of(request.chat.rest), *(room.note() for room in situation.rooms.values()))
    notes += [note for note in more if note is not None]
    return tuple(notes)
