"""The outcome learner: what an answer was worth, and whether the learner is worth having.

Off unless the owner switches it on. `bandit` draws from what is remembered here; this room judges what came of it, and
holds the learner against the simplest thing one could do instead: always the best target, or always the cheapest.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from omniroute_agent.engine.bandit import ANY_TASK, FACTOR, learned, revised
from omniroute_agent.engine.conformance import conforms, parses
from omniroute_agent.engine.decision import Attempt, Choice
from omniroute_agent.engine.run import Run
from omniroute_agent.engine.settle import Tried
from omniroute_agent.kernel.chat import Chat, ChatAnswer
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.outcome import Arm, Judged
from omniroute_agent.store.outcomes import Outcomes

_log = logging.getLogger(__name__)

COST_WEIGHT: Final = 0.25
"""What a plan's whole price is worth in quality: a free answer may be a quarter worse than one of the dearest."""

TRUNCATED: Final = 0.5
MISSHAPEN: Final = 0.2

FEW: Final = 20
"""First choices of a target, and half as many once weighed, below which nothing is said of it."""

_Z: Final = 1.96
"""Standard errors in half a 95 % interval."""


def reward(judged: Judged) -> float:
    """Quality minus the cost's share, 0 to 1: the one number everything is learned from.

    Quality is what a person said, else what was measured. The cost's share is `COST_WEIGHT` × what the attempt cost
    over what the dearest choice of the plan was expected to; it is 0 where a price is unknown, and never above
    `COST_WEIGHT`.
    """
    quality = judged.quality if judged.feedback is None else judged.feedback
    share = min(judged.cost / judged.dearest, 1.0) if judged.cost and judged.dearest else 0.0
    return min(max(quality - COST_WEIGHT * share, 0.0), 1.0)


def quality(chat: Chat, answer: ChatAnswer) -> tuple[float, str]:
    """What can be measured of an answer, 0 to 1, and the reason. One without a visible flaw counts 1."""
    if answer.finish in ("refusal", "content_filter"):
        return 0.0, "refused"
    if any(not parses(call.arguments or "{}") for call in answer.tool_calls):
        return MISSHAPEN, "arguments of a tool call do not parse"
    wanted = chat.response_format
    if wanted is not None and not answer.tool_calls and not conforms(answer.text, wanted.schema):
        return MISSHAPEN, "not the JSON that was asked for"
    if answer.finish == "length":
        return TRUNCATED, "cut off by its length limit"
    return 1.0, "answered"


@dataclass(frozen=True, slots=True)
class Learner:
    outcomes: Outcomes

    async def note(self, run: Run) -> None:
        """Judge every target that took part in a request. That this cannot be written must not hide the answer."""
        if judged := judge(run):
            try:
                await self.outcomes.add(judged, _learn)
            except StoreUnavailable as unwritable:
                _log.warning("The outcome of %s could not be learned: %s", run.request.id, unwritable.sentence())


async def say(outcomes: Outcomes, request_id: str, feedback: float) -> tuple[Judged, Judged] | None:
    """A person's word on an answer, 0 (useless) to 1 (right). The outcome before and after; None: nothing is known of
    that request.
    """
    return await outcomes.say(request_id, feedback, _revise)


def judge(run: Run) -> tuple[Judged, ...]:
    """The outcome of each target that was tried, its last try counting; what says nothing of a target is left out."""
    choices = {choice.target: (place, choice) for place, choice in enumerate(run.plan.choices)}
    prices = [choice.expected_cost for choice in run.plan.choices if choice.expected_cost]
    found: dict[str, Judged] = {}
    for tried, attempt in zip(run.tries, run.attempts, strict=True):
        measured = _measured(run.request.chat, tried, attempt)
        place, choice = choices.get(tried.target, (None, None))
        if measured is None or choice is None:
            continue
        found[tried.target] = Judged(
            request_id=run.request.id,
            caller=run.request.caller.id,
            target=tried.target,
            task=run.plan.task or ANY_TASK,
            at=run.arrived.timestamp(),
            first=place == 0,
            propensity=_propensity(choice) if place == 0 else None,
            answered=tried.fault is None,
            quality=measured[0],
            signs=measured[1],
            cost=attempt.cost,
            dearest=max(prices, default=None),
        )
    return tuple(found.values())


def _measured(chat: Chat, tried: Tried, attempt: Attempt) -> tuple[float, str] | None:
    fault = tried.fault
    if fault is not None:
        # Where the request itself or nobody is at fault, the target has not failed.
        return None if fault.effect.ends_loop or fault.effect.silent else (0.0, fault.kind)
    return quality(chat, tried.fold.answer()) if attempt.outcome == "answered" else None


def _propensity(choice: Choice) -> float | None:
    return next((factor.weight for factor in choice.factors if factor.name == FACTOR), None)


def _learn(arm: Arm, judged: Judged) -> Arm:
    return learned(arm, reward(judged), judged.at)


def _revise(arm: Arm, before: Judged, after: Judged) -> Arm:
    return revised(arm, at=before.at, was=reward(before), now_is=reward(after))


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a way to choose first targets was worth, or would have been."""

    target: str | None
    """None: the learner's own choices."""
    requests: int
    """First choices it rests on."""
    reward: float
    low: float
    """95 % interval of the reward."""
    high: float
    cost: float | None
    """Mean nano-dollars of the first attempt; None: no price was known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    task: str
    requests: int
    """First choices that the learner drew."""
    learner: Estimate | None
    best: Estimate | None
    """Always the target of the highest estimated reward; None: too few outcomes to say."""
    cheapest: Estimate | None
    """Always the target of the lowest estimated cost."""
    targets: tuple[Estimate, ...]
    """Every target with enough outcomes, the highest reward first."""


def report(judged: Sequence[Judged]) -> tuple[TaskReport, ...]:
    """By task: the learner against always the best and always the cheapest target.

    The learner's figures are plain means over its own first choices. What one target would have given is estimated from
    the same requests by self-normalised inverse propensity: each of its outcomes is weighed by 1 over the chance with
    which it was drawn, which undoes that it was drawn more often where it looked better. The interval is the estimate
    ± 1.96 standard errors of that weighted mean; the learner adapts while it draws, so take it as a guide. The best of
    several estimates looks a little better than it is, which never flatters the learner. Only first choices count:
    what a fallback added is in neither figure.
    """
    by_task: dict[str, list[Judged]] = {}
    for one in judged:
        if one.propensity:
            by_task.setdefault(one.task, []).append(one)
    return tuple(_report(task, rows) for task, rows in sorted(by_task.items()))


def _report(task: str, rows: Sequence[Judged]) -> TaskReport:
    by_target: dict[str, list[Judged]] = {}
    for row in rows:
        by_target.setdefault(row.target, []).append(row)
    known = [found for target, own in by_target.items() if (found := _single(target, own)) is not None]
    known.sort(key=lambda estimate: -estimate.reward)
    priced = [estimate for estimate in known if estimate.cost is not None]
    return TaskReport(
        task=task,
        requests=len(rows),
        learner=_weighed(None, rows, [1.0] * len(rows)) if len(rows) >= FEW else None,
        best=known[0] if known else None,
        cheapest=min(priced, key=lambda estimate: estimate.cost or 0.0, default=None),
        targets=tuple(known),
    )


def _single(target: str, rows: Sequence[Judged]) -> Estimate | None:
    weights = [1.0 / (row.propensity or 1.0) for row in rows]
    # Few heavy weights tell as little as few rows (Kish's effective size).
    effective = sum(weights) ** 2 / sum(weight * weight for weight in weights)
    if len(rows) < FEW or effective < FEW / 2:
        return None
    return _weighed(target, rows, weights)


def _weighed(target: str | None, rows: Sequence[Judged], weights: Sequence[float]) -> Estimate:
    whole = sum(weights)
    rewards = [reward(row) for row in rows]
    mean = sum(weight * value for weight, value in zip(weights, rewards, strict=True)) / whole
    spread = sum((weight * (value - mean)) ** 2 for weight, value in zip(weights, rewards, strict=True))
    error = _Z * sqrt(spread) / whole
    priced = [(weight, row.cost) for weight, row in zip(weights, rows, strict=True) if row.cost is not None]
    cost = sum(w * c for w, c in priced) / sum(w for w, _ in priced) if priced else None
    return Estimate(
        target=target,
        requests=len(rows),
        reward=mean,
        low=max(mean - error, 0.0),
        high=min(mean + error, 1.0),
        cost=cost,
    )
