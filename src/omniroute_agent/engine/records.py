"""What of a request is written down: its decision as it begins and ends, the intent before each attempt."""

import logging
from datetime import datetime

from omniroute_agent.engine.decision import Choice, Decision
from omniroute_agent.engine.eligibility import rooms_of
from omniroute_agent.engine.learner import Learner
from omniroute_agent.engine.needs import Needs
from omniroute_agent.engine.run import Run, State
from omniroute_agent.engine.settle import Tried
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.kernel.bill import Intent, Settlement
from omniroute_agent.kernel.ended import AttemptEnded, Listener, RequestEnded
from omniroute_agent.kernel.errors import CallError, StoreUnavailable
from omniroute_agent.providers.system_names import system_name
from omniroute_agent.store.decisions import Decisions

_log = logging.getLogger(__name__)


class Records:
    def __init__(self, decisions: Decisions, learner: Learner | None, listener: Listener | None = None) -> None:
        """`listener` is told how attempts and requests ended."""
        self._decisions = decisions
        self._learner = learner
        self._listener = listener

    async def open(self, run: Run) -> None:
        """
        Raises:
            StoreUnavailable: what cannot be recorded is not begun.
        """
        await self._store(run, "running")

    async def close(self, run: Run, state: State, error: CallError | None = None) -> None:
        """Store how it ended. That this cannot be written must not hide the answer or the error itself."""
        try:
            await self._store(run, state, error)
        except StoreUnavailable as unwritable:
            _log.warning("Request %s could not be recorded: %s", run.request.id, unwritable.sentence())
        if self._listener is not None:
            self._listener(_request_ended(run, state, error))
        if self._learner is not None and state != "cancelled":
            await self._learner.note(run)

    def settled(self, run: Run, candidate: Candidate, tried: Tried, settlement: Settlement) -> None:
        """An attempt is over; whether it could be written or not, whoever listens is told."""
        if self._listener is not None:
            self._listener(_attempt_ended(run, candidate, tried, settlement))

    async def _store(self, run: Run, state: State, error: CallError | None = None) -> None:
        await put_decision(self._decisions, run.decision(state, error), at=run.arrived)


async def put_decision(decisions: Decisions, decision: Decision, *, at: datetime) -> None:
    """`at` is when the request arrived."""
    await decisions.put(
        request_id=decision.request_id,
        caller=decision.caller,
        session=decision.session,
        door=decision.door,
        at=at.timestamp(),
        state=decision.state,
        document=decision.model_dump_json(),
    )


def _request_ended(run: Run, state: str, error: CallError | None) -> RequestEnded:
    ended = run.ports.monotonic() if run.ended is None else run.ended
    return RequestEnded(
        request_id=run.request.id,
        combo=run.plan.combo,
        state=state,
        error=error.code if error else None,
        seconds=ended - run.started,
    )


def _attempt_ended(run: Run, candidate: Candidate, tried: Tried, settlement: Settlement) -> AttemptEnded:
    chat = run.request.chat
    return AttemptEnded(
        request_id=run.request.id,
        session=run.request.caller.session,
        provider=candidate.connection.provider.id,
        system=system_name(candidate.connection.provider.id),
        connection=candidate.connection.id,
        model=candidate.model,
        combo=run.plan.combo,
        began=settlement.at - settlement.latency_ms / 1000,
        ended=settlement.at,
        max_tokens=chat.max_tokens,
        temperature=chat.temperature,
        reported_model=tried.fold.model,
        finish=tried.fold.finish,
        settlement=settlement,
    )


def intent_of(
    run: Run,
    choice: Choice,
    candidate: Candidate,
    situation: Situation,
    tried: Tried,
    *,
    cap: int | None,
    needs: Needs,
    amount: int,
) -> Intent:
    """The intent of an attempt that is about to begin, with `amount` nano-dollars reserved."""
    request = run.request
    return Intent(
        attempt_id=tried.attempt_id,
        request_id=request.id,
        caller=request.caller.id,
        session=request.caller.session,
        door=request.door,
        at=run.ports.now().timestamp(),
        connection=candidate.connection.id,
        provider=choice.provider,
        model=candidate.model,
        combo=run.plan.combo,
        task=run.plan.task,
        reserved=amount,
        price_source=choice.price_source,
        holds=tuple(room.hold(amount) for room in rooms_of(candidate, request, situation)),
        tokens=needs.bound(candidate.model) + (cap or 0),
        limits=situation.limits.get(candidate.connection.id, ()),
    )
