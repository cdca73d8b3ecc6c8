"""From a request to its plan: what the combo's strategy looks at is read, the plan made, the turn taken."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from omniroute_agent.engine.bandit import ANY_TASK, may_learn
from omniroute_agent.engine.candidates import Gathered, Gatherer
from omniroute_agent.engine.extras import with_surcharge
from omniroute_agent.engine.handles import Handles
from omniroute_agent.engine.needs import Needs, needs_of
from omniroute_agent.engine.plan import Planned, make_plan
from omniroute_agent.engine.prefixes import prefixes_of
from omniroute_agent.engine.request import Request, Task
from omniroute_agent.engine.situation import Candidate, Situation, state_of
from omniroute_agent.engine.strategies.sources import (
    KNOWING_PREFIXES,
    KNOWING_THE_LAST_ANSWER,
    MEASURED,
    REMEMBERING,
    TAKING_TURNS,
)
from omniroute_agent.engine.strategies.turns import routed
from omniroute_agent.engine.tasks import detect
from omniroute_agent.kernel.outcome import Arm
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.record import Affinity, Bench, ComboMemory
from omniroute_agent.providers.tokens import count_chat
from omniroute_agent.store.affinity import write_affinity
from omniroute_agent.store.combo_state import ComboStates, Remembered, note_answer
from omniroute_agent.store.moment import Recall
from omniroute_agent.store.outcomes import Outcomes
from omniroute_agent.store.target_stats import STATS_SECONDS, TargetBook

DRAWS: Final = 4
"""Numbers drawn for one plan; strategies stretch them as far as they need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A plan with what it was made of."""

    request: Request
    gathered: Gathered
    needs: Needs
    situation: Situation
    recall: Recall

    def plan(self) -> Planned:
        return make_plan(
            self.request,
            self.needs,
            asked=self.gathered.asked,
            combo=self.gathered.combo,
            candidates=self.gathered.candidates,
            unknown_targets=self.gathered.excluded,
            situation=self.situation,
            notes=self.gathered.notes,
        )

    def turn(self, memory: ComboMemory, benches: Mapping[str, Bench]) -> tuple[Planned, Remembered]:
        """The plan for what the combo remembers this very moment, and what it is to remember from now on."""
        state = state_of(memory, self.situation.combo.options, self.situation.combo.pool)
        planned = replace(self, situation=replace(self.situation, combo=state, benches=benches)).plan()
        after = None
        if planned.plan.strategy in TAKING_TURNS and planned.plan.choices:
            after = routed(state, [choice.target for choice in planned.plan.choices[:1]])
        return planned, Remembered(after, planned.benches)


class Planner:
    def __init__(
        self,
        *,
        ports: Ports,
        gatherer: Gatherer,
        book: TargetBook,
        states: ComboStates,
        handles: Handles,
        outcomes: Outcomes | None = None,
    ) -> None:
        """`outcomes`: what the learner remembers; None: it is off."""
        self._ports = ports
        self._gatherer = gatherer
        self._book = book
        self._states = states
        self._handles = handles
        self._outcomes = outcomes
        self._drawn: tuple[float, ...] | None = None
        """Shown by `foresee`, not yet used by `route`."""

    async def foresee(self, request: Request) -> tuple[Planned, Outlook]:
        """The plan that `route` would make now. Changes nothing: the next request meets the same draws.

        Raises:
            NotFound: no model or combo of that name, or no such budget handle.
            InvalidRequest: the budget handle is mistyped.
            LimitReached: the budget handle has ended.
            NoRoute: there is no connection at all.
        """
        self._drawn = self._draws()
        outlook = await self._look(request, self._drawn)
        return outlook.plan(), outlook

    async def route(self, request: Request) -> tuple[Planned, Outlook]:
        """The plan to follow; whose turn it is and who sits out is kept before it is followed. Raises as `foresee`."""
        dice, self._drawn = self._draws(), None
        outlook = await self._look(request, dice)
        combo = outlook.gathered.combo
        if combo is None or request.only is not None:
            return outlook.plan(), outlook
        if combo.strategy not in TAKING_TURNS:
            planned = outlook.plan()
            if not planned.benches:
                return planned, outlook
        return await self._states.turn(combo.name, outlook.situation.now, outlook.turn), outlook

    def _draws(self) -> tuple[float, ...]:
        return self._drawn or tuple(self._ports.dice.random() for _ in range(DRAWS))

    async def _look(self, request: Request, dice: tuple[float, ...]) -> Outlook:
        handle = None if request.handle is None else await self._handles.room(request.handle)
        gathered = await self._gatherer.gather(request.chat.model, request.combo)
        if request.only is not None:
            gathered = gathered.narrowed(request.only)
        gathered = replace(gathered, candidates=with_surcharge(gathered.candidates, request.chat))
        strategy = gathered.combo.strategy if gathered.combo else "priority"
        recall = Recall(
            combo=gathered.combo.name if gathered.combo and strategy in REMEMBERING else None,
            prefixes=prefixes_of(request) if strategy in KNOWING_PREFIXES else (),
        )
        situation = await self._gatherer.situation(gathered, recall, caller=request.caller)
        gathered = self._gatherer.with_heirs(gathered, situation)
        detected = None if request.task else detect(request.chat)
        task = detected.task if detected else request.task
        situation = replace(
            situation,
            handle=handle,
            dice=dice,
            stats=await self._book.stats() if strategy in MEASURED else {},
            stats_seconds=STATS_SECONDS,
            task=task,
            task_because=detected.because if detected else "",
            learned=await self._arms(gathered, task),
        )
        counted = count_chat(request.chat, request.chat.model)
        needs = needs_of(request.chat, input_tokens=counted.tokens, input_source=counted.source)
        return Outlook(request=request, gathered=gathered, needs=needs, situation=situation, recall=recall)

    async def _arms(self, gathered: Gathered, task: Task | None) -> Mapping[str, Arm] | None:
        combo = gathered.combo
        if self._outcomes is None or combo is None or not may_learn(combo.strategy, combo.options):
            return None
        return await self._outcomes.arms(task or ANY_TASK)

    def settled(self, target: str, outcome: str, began: float) -> None:
        """An attempt that began then (UTC epoch seconds) was settled: the next plan knows."""
        self._book.note(target, outcome, began)


def keepsake(outlook: Outlook, candidate: Candidate, now: float) -> Callable[[sqlite3.Connection], None] | None:
    """What to keep, with the bill of the answer, of the fact that this target gave it; None: nothing."""
    combo, prefixes, target = outlook.gathered.combo, outlook.recall.prefixes, candidate.name
    if outlook.request.only is not None:
        return None
    if combo is not None and combo.strategy in KNOWING_THE_LAST_ANSWER:
        name = combo.name
        return lambda connection: note_answer(connection, name, target, now)
    if prefixes:
        until = now + candidate.connection.provider.cache_seconds
        held = Affinity(target=target, served_at=now, expires_at=until)
        return lambda connection: write_affinity(connection, prefixes, held)
    return None
