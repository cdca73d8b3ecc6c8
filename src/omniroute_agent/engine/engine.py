"""Plan, attempt, settle: one request on one page.

`events` is the engine. A whole answer is the fold of its events (`turn.py`), so stream and non-stream cannot drift.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import anyio

from omniroute_agent.engine.attempt import Try, attempt
from omniroute_agent.engine.breaker import admit
from omniroute_agent.engine.candidates import Gatherer
from omniroute_agent.engine.decision import Choice, Exclusion
from omniroute_agent.engine.events import Discarded, Done, EngineEvent, Routed
from omniroute_agent.engine.failure import failure_of
from omniroute_agent.engine.faults import Fault
from omniroute_agent.engine.needs import Needs, needs_of
from omniroute_agent.engine.plan import Planned, affordable, make_plan, rooms_of
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.retry import RetryBudget
from omniroute_agent.engine.run import Run
from omniroute_agent.engine.settle import Tried, settle
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.kernel.bill import Intent, Outcome
from omniroute_agent.kernel.chat import Finished, ReasoningDelta, TextDelta, ToolCallDelta
from omniroute_agent.kernel.errors import CallError, LimitReached, StoreUnavailable
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.providers.tokens import count_chat, upper_bound
from omniroute_agent.store.decisions import Decisions
from omniroute_agent.store.ledger import Ledger, NotAdmitted

_log = logging.getLogger(__name__)

_Content = TextDelta | ReasoningDelta | ToolCallDelta


class Engine:
    def __init__(self, *, ports: Ports, gatherer: Gatherer, ledger: Ledger, decisions: Decisions) -> None:
        self._ports = ports
        self._gatherer = gatherer
        self._ledger = ledger
        self._decisions = decisions
        self._retries = RetryBudget()

    async def plan(self, request: Request) -> tuple[Planned, Needs, Situation]:
        """What would be tried, in which order and why; sends and stores nothing.

        Raises:
            NotFound: no model or combo of that name.
            NoRoute: there is no connection at all.
        """
        gathered = await self._gatherer.gather(request.chat.model, request.combo)
        situation = await self._gatherer.situation()
        counted = count_chat(request.chat, request.chat.model)
        needs = needs_of(
            request.chat,
            input_tokens=counted.tokens,
            input_source=counted.source,
            input_bound=upper_bound(request.chat),
        )
        planned = make_plan(
            request,
            needs,
            asked=gathered.asked,
            combo=gathered.combo,
            candidates=gathered.candidates,
            unknown_targets=gathered.excluded,
            situation=situation,
        )
        return planned, needs, situation

    async def events(self, request: Request) -> AsyncGenerator[EngineEvent, None]:
        """Serve one request. Ends with `Done`; every failure is a `CallError` whose facts carry `request_id`."""
        planned, needs, situation = await self.plan(request)
        run = Run(request=request, plan=planned.plan, ports=self._ports)
        await self._store(run, "running")
        try:
            yield Routed(planned.plan)
            async with aclosing(self._serve(run, planned, needs, situation)) as pieces:
                async for piece in pieces:
                    yield piece
        except CallError as error:
            error.facts.setdefault("request_id", request.id)
            await self._close(run, "failed", error)
            raise
        except BaseException:
            # The caller left. A cancelled scope cancels every await, so the record is written under a shield.
            with anyio.CancelScope(shield=True):
                await self._close(run, "cancelled")
            raise
        answered = run.answered
        if answered is None:
            failure = failure_of(run)
            await self._close(run, "failed", failure)
            raise failure
        # Stored before `Done` leaves: whoever holds a receipt can ask why.
        await self._close(run, "answered")
        yield Done(answered.fold.answer(), run.receipt())

    async def _serve(
        self, run: Run, planned: Planned, needs: Needs, situation: Situation
    ) -> AsyncGenerator[_Content | Discarded, None]:
        """Every choice in turn, then perhaps one of them once more, until one has answered."""
        choices = list(zip(planned.plan.choices, planned.candidates, strict=True))
        for choice, candidate in choices:
            if run.over:
                return
            self._retries.first_call()
            async with aclosing(self._try(run, choice, candidate, needs, situation)) as pieces:
                async for piece in pieces:
                    yield piece
        # Only now, with nothing else left, the same target again, if it said when or the budget allows it.
        again = run.retry(choices, self._retries)
        if again is None:
            return
        (choice, candidate), wait = again
        await self._ports.sleep(wait)
        async with aclosing(self._try(run, choice, candidate, needs, situation)) as pieces:
            async for piece in pieces:
                yield piece

    async def _try(
        self, run: Run, choice: Choice, candidate: Candidate, needs: Needs, situation: Situation
    ) -> AsyncGenerator[_Content | Discarded, None]:
        """Reserve, attempt, settle. Whatever happens after the reservation, the attempt is settled."""
        cap = _cap_now(run, choice, candidate, needs)
        tried = Tried(
            attempt_id=self._ports.new_id(),
            target=choice.target,
            model=candidate.model,
            price=candidate.facts.price,
            input_tokens=needs.input_tokens,
            started=self._ports.monotonic(),
        )
        if not await self._reserve(run, choice, candidate, situation, tried, cap, needs):
            return
        outcome: Outcome = "cancelled"
        plan = Try(
            connection=candidate.connection,
            model=candidate.model,
            chat=replace(run.request.chat, max_tokens=cap),
            limits=run.request.limits,
            seconds_left=run.seconds_left,
        )
        try:
            async with aclosing(attempt(plan, self._ports)) as items:
                async for item in items:
                    if isinstance(item, Fault):
                        tried.fault = item
                        break
                    tried.fold.add(item)
                    if isinstance(item, TextDelta | ReasoningDelta | ToolCallDelta):
                        if tried.first_token is None:
                            tried.first_token = self._ports.monotonic()
                        if run.request.commit == "first":
                            run.committed = True  # the commit point: no fallback after this line
                        yield item
                    elif isinstance(item, Finished) and not tried.produced and item.reason == "stop":
                        tried.fault = Fault(kind="empty", detail="It answered with nothing.")
            outcome = _outcome(tried)
        finally:
            with anyio.CancelScope(shield=True):
                await self._settle(run, tried, outcome)
        if tried.fault is not None and tried.produced and not run.committed:
            yield Discarded(tried.fault)

    async def _reserve(
        self,
        run: Run,
        choice: Choice,
        candidate: Candidate,
        situation: Situation,
        tried: Tried,
        cap: int | None,
        needs: Needs,
    ) -> bool:
        """Write the intent with its reservation; False when breaker or guard refused it, which the trail then says."""
        request, now = run.request, self._ports.now()
        price = candidate.facts.price
        # Without a cap nothing is guarded, and the plan's worst case is the record.
        amount = (choice.worst_cost or 0) if price is None or cap is None else price.worst(needs.input_bound, cap, now)
        intent = Intent(
            attempt_id=tried.attempt_id,
            request_id=request.id,
            caller=request.caller.id,
            session=request.caller.session,
            door=request.door,
            at=now.timestamp(),
            connection=candidate.connection.id,
            provider=choice.provider,
            model=candidate.model,
            combo=run.plan.combo,
            task=request.task,
            reserved=amount,
            price_source=choice.price_source,
            holds=tuple(room.hold(amount) for room in rooms_of(candidate, request, situation)),
        )
        try:
            await self._ledger.reserve(intent, lambda health: admit(health, now.timestamp()))
        except NotAdmitted as refused:
            run.excluded.append(
                Exclusion(target=choice.target, reason=refused.refusal.reason, detail=refused.refusal.detail)
            )
            return False
        except LimitReached as reached:
            run.limit = reached
            run.excluded.append(Exclusion(target=choice.target, reason="over_budget", detail=reached.sentence()))
            return False
        return True

    async def _settle(self, run: Run, tried: Tried, outcome: Outcome) -> None:
        settled = settle(tried, outcome, now=self._ports.now(), ended=self._ports.monotonic())
        run.settled(tried, settled.attempt)
        try:
            await self._ledger.settle(settled.settlement, settled.learn)
        except StoreUnavailable as unwritable:
            # The answer is paid for and is not withheld. The intent stays open with its reservation, which the next
            # start settles; until the ledger can be written again no new attempt passes `_reserve`.
            _log.warning("Attempt %s could not be settled: %s", tried.attempt_id, unwritable.sentence())

    async def _close(self, run: Run, state: str, error: CallError | None = None) -> None:
        """Store how it ended. That this cannot be written must not hide the answer or the error itself."""
        try:
            await self._store(run, state, error)
        except StoreUnavailable as unwritable:
            _log.warning("Request %s could not be recorded: %s", run.request.id, unwritable.sentence())

    async def _store(self, run: Run, state: str, error: CallError | None = None) -> None:
        decision = run.decision(state, error)
        await self._decisions.put(
            request_id=decision.request_id,
            caller=decision.caller,
            session=decision.session,
            door=decision.door,
            at=run.arrived.timestamp(),
            state=state,
            document=decision.model_dump_json(),
        )


def _outcome(tried: Tried) -> Outcome:
    if tried.fault is None:
        return "answered"
    return "abandoned" if tried.produced else "failed"


def _cap_now(run: Run, choice: Choice, candidate: Candidate, needs: Needs) -> int | None:
    """The output cap for this hop: earlier attempts may have used up a part of the request's budget."""
    price, budget = candidate.facts.price, run.request.budget
    cap = choice.max_tokens
    if price is None or budget is None or cap is None or needs.max_tokens is not None or not run.attempts:
        return cap
    return affordable(price, needs.input_bound, max(budget - run.spent, 0), cap, run.ports.now()) or cap
