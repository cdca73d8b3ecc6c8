"""Which combo suits a task: the plan of each for a request like those of that task, weighed by what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from omniroute_agent.engine.combos import Combo, ComboBook
from omniroute_agent.engine.decision import Choice
from omniroute_agent.engine.engine import Engine
from omniroute_agent.engine.fitness import fitness
from omniroute_agent.engine.plan import Planned
from omniroute_agent.engine.request import Request, Task
from omniroute_agent.engine.scoring import PACKS, Score, Signals, score, unknown
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.chat import Chat, Message, Text
from omniroute_agent.kernel.errors import CallError
from omniroute_agent.kernel.money import usd
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.record import ENOUGH_ANSWERS, TargetStats
from omniroute_agent.store.database import Database
from omniroute_agent.store.track_record import Size, track_record

PACK: Final = "quality-first"
"""The weights of the strategy `auto` that look at the task most."""

COUNTS_FROM: Final = 0.01
"""A target that would answer more rarely than this does not colour the figures of its combo."""

ASSUMED_INPUT: Final = 1_000
"""Stands in for the mean input of a request until there was one; whoever shows the advice says so."""
MOST_INPUT: Final = 50_000
"""Longer ones would take long to count and change no order."""

UNSEEN: Final = TargetStats()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    budget: int | None = None
    """Nano-dollars for one request."""
    latency_ms: int | None = None


class Step(NamedTuple):
    """One choice of a plan."""

    choice: Choice
    candidate: Candidate
    record: TargetStats
    chance: float
    """That this target gives the answer: those before it failed, and it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What a request for the task may expect of one combo; None: not known."""

    combo: str
    first: str
    cost: int | None
    """Nano-dollars, the mean over its targets by the chance that they answer, as the other figures."""
    latency_ms: float | None
    """Of slow answers: 19 of 20 are faster."""
    success: float | None
    """Chance that any of its targets answers."""
    fit: float | None
    free: bool
    """None of its targets costs anything."""
    signals: Signals
    score: Score

    def keeps(self, limits: Limits) -> bool | None:
        """None: a figure that would tell is not known."""
        answers = [_within(self.cost, limits.budget), _within(self.latency_ms, limits.latency_ms)]
        return False if False in answers else None if None in answers else True

    def because(self) -> str:
        strongest = sorted(self.score.factors, key=lambda factor: -factor.contribution)[:3]
        said = ", ".join(f"{factor.name} {factor.contribution:.2f}" for factor in strongest)
        missing = unknown(self.signals)
        return f"score {self.score.total:.2f}: {said}" + (f"; unknown: {', '.join(missing)}" if missing else "")

    def beside(self, best: "Prospect") -> str:
        """What changes for who takes this one."""
        parts = (
            _compared("costs", _money(self.cost), _money(best.cost)),
            _compared("slow answers take", _time(self.latency_ms), _time(best.latency_ms)),
            _compared("answers", _share(self.success), _share(best.success)),
            _compared("fits the task", _fit(self.fit), _fit(best.fit)),
        )
        return "; ".join(part for part in parts if part) or "no known difference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    input_tokens: int
    """Of the request that was planned."""
    size: Size | None
    """What that was read from; None: it is `ASSUMED_INPUT`."""
    limits: Limits
    prospects: tuple[Prospect, ...]
    """The best first: those within the limits, then those of which nobody knows, then those beyond them."""
    unable: tuple[str, ...]
    """Combos that cannot serve such a request now, each with the reason."""


class Adviser:
    def __init__(self, engine: Engine, combos: ComboBook, database: Database, ports: Ports) -> None:
        self._engine = engine
        self._combos = combos
        self._database = database
        self._ports = ports

    async def advise(
        self, task: Task, *, caller: Caller, door: str, budget: int | None = None, latency_ms: int | None = None
    ) -> Advice:
        """`budget` in nano-dollars for one request, `latency_ms` for a slow answer. Nothing is sent."""
        record = await track_record(self._database, task, now=self._ports.now().timestamp())
        request = self._typical(task, record.size, caller, door)
        limits = Limits(budget=budget, latency_ms=latency_ms)
        seen: list[tuple[Combo, list[Step], Situation]] = []
        unable: list[str] = []
        for combo in await self._combos.all():
            try:
                planned, _, situation = await self._engine.plan(replace(request, combo=combo.name))
            except CallError as error:
                unable.append(f"{combo.name}: {error.message}")
                continue
            if planned.candidates:
                seen.append((combo, _steps(planned, record.targets), situation))
            else:
                excluded = planned.plan.excluded
                unable.append(f"{combo.name}: {excluded[0].detail if excluded else 'It has no target.'}")
        signals = [_signals(steps, situation, task) for _, steps, situation in seen]
        prospects = [
            _prospect(combo, steps, known, scored)
            for (combo, steps, _), known, scored in zip(seen, signals, score(signals, PACKS[PACK]), strict=True)
        ]
        rank = {True: 0, None: 1, False: 2}
        prospects.sort(key=lambda prospect: (rank[prospect.keeps(limits)], -prospect.score.total))
        return Advice(
            input_tokens=_length(record.size),
            size=record.size,
            limits=limits,
            prospects=tuple(prospects),
            unable=tuple(unable),
        )

    def _typical(self, task: Task, size: Size | None, caller: Caller, door: str) -> Request:
        """A request as long as those of the task usually are. Each word of it is one token."""
        text = " word" * _length(size)
        return Request(
            id=self._ports.new_id(),
            caller=caller,
            door=door,
            chat=Chat(model="", messages=(Message("user", (Text(text),)),)),
            task=task,
            deadline=self._ports.monotonic() + 1.0,
            cache=False,
        )


def _length(size: Size | None) -> int:
    return ASSUMED_INPUT if size is None else max(1, min(size.tokens, MOST_INPUT))


def _steps(planned: Planned, records: Mapping[str, TargetStats]) -> list[Step]:
    steps: list[Step] = []
    left = 1.0
    for choice, candidate in zip(planned.plan.choices, planned.candidates, strict=True):
        record = records.get(candidate.name, UNSEEN)
        steps.append(Step(choice, candidate, record, left * record.success))
        left *= 1 - record.success
    return steps


def _signals(steps: Sequence[Step], situation: Situation, task: Task) -> Signals:
    spreads = [
        None if step.record.successes < ENOUGH_ANSWERS else (step.record.stddev_ms or 0.0) / (step.record.p50_ms or 1.0)
        for step in steps
    ]
    return Signals(
        quota=_mean(steps, [situation.quota_left(step.candidate) for step in steps]),
        health=_mean(steps, [situation.breaker(step.candidate) for step in steps]) or 0.0,
        cost=_mean(steps, [step.choice.expected_cost for step in steps]),
        latency=_mean(steps, [_latency(step) for step in steps]),
        task=_mean(steps, [fitness(step.candidate.model, task) for step in steps]),
        spread=_mean(steps, spreads),
        success=_any(steps),
    )


def _prospect(combo: Combo, steps: Sequence[Step], known: Signals, scored: Score) -> Prospect:
    measured = all(step.record.attempts for step in steps if step.chance >= COUNTS_FROM)
    return Prospect(
        combo=combo.name,
        first=steps[0].choice.target,
        cost=None if known.cost is None else round(known.cost),
        latency_ms=known.latency,
        success=known.success if measured else None,
        fit=known.task,
        free=all(step.choice.expected_cost == 0 for step in steps),
        signals=known,
        score=scored,
    )


def _latency(step: Step) -> float | None:
    return step.record.p95_ms if step.record.successes >= ENOUGH_ANSWERS else None


def _any(steps: Sequence[Step]) -> float:
    return min(sum(step.chance for step in steps), 1.0)


def _mean(steps: Sequence[Step], values: Sequence[float | None]) -> float | None:
    """By chance; unknown as soon as one that counts is."""
    total = weight = 0.0
    for step, value in zip(steps, values, strict=True):
        if value is not None:
            total += step.chance * value
            weight += step.chance
        elif step.chance >= COUNTS_FROM:
            return None
    return total / weight if weight else None


def _within(figure: float | None, limit: int | None) -> bool | None:
    if limit is None:
        return True
    return None if figure is None else figure <= limit


def _compared(what: str, other: str, best: str) -> str:
    return "" if other == best else f"{what} {other} instead of {best}"


def _money(nano: int | None) -> str:
    return "an unknown amount" if nano is None else f"{usd(nano)} USD"


def _time(milliseconds: float | None) -> str:
    return "an unknown time" if milliseconds is None else f"{milliseconds:.0f} ms"


def _share(success: float | None) -> str:
    return "unknown" if success is None else f"{success:.0%} of the time"


def _fit(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
