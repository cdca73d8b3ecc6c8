"""Plan, attempt, settle: one request on one page.

`events` is the engine. A whole answer is the fold of its events (`turn.py`), so stream and non-stream cannot drift.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import anyio

from omniroute_agent.engine.admission import Admission, Busy, Place
from omniroute_agent.engine.attempt import Try, attempt
from omniroute_agent.engine.breaker import admit, clock
from omniroute_agent.engine.candidates import Gathered, Gatherer
from omniroute_agent.engine.decision import Choice, Exclusion
from omniroute_agent.engine.eligibility import affordable, rooms_of
from omniroute_agent.engine.events import Discarded, Done, EngineEvent, Routed
from omniroute_agent.engine.failure import failure_of
from omniroute_agent.engine.faults import Fault
from omniroute_agent.engine.needs import Needs, needs_of
from omniroute_agent.engine.plan import Planned, make_plan
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.retry import RetryBudget
from omniroute_agent.engine.run import Pair, Run
from omniroute_agent.engine.settle import Tried, settle
from omniroute_agent.engine.situation import Candidate, ComboState, Situation
from omniroute_agent.engine.tuning import BALANCED, Tuning
from omniroute_agent.engine.windows import Heard
from omniroute_agent.kernel.bill import Intent, Outcome
from omniroute_agent.kernel.chat import ChatEvent, Finished, ReasoningDelta, TextDelta, ToolCallDelta
from omniroute_agent.kernel.errors import CallError, LimitReached, StoreUnavailable
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.providers.model import Connection
from omniroute_agent.providers.proxies import Proxies
from omniroute_agent.providers.tokens import count_chat, upper_bound
from omniroute_agent.store.decisions import Decisions
from omniroute_agent.store.ledger import Ledger, NotAdmitted

_log = logging.getLogger(__name__)

_Content = TextDelta | ReasoningDelta | ToolCallDelta


class Engine:
    def __init__(
        self,
        *,
        ports: Ports,
        gatherer: Gatherer,
        ledger: Ledger,
        decisions: Decisions,
        proxies: Proxies | None = None,
        tuning: Tuning = BALANCED,
    ) -> None:
        self._ports = ports
        self._gatherer = gatherer
        self._ledger = ledger
        self._decisions = decisions
        self._proxies = proxies or Proxies()
        self._tuning = tuning
        self._admission = Admission(ports, tuning.concurrency)
        self._retries = RetryBudget()

    async def plan(self, request: Request) -> tuple[Planned, Needs, Situation]:
        """What would be tried, in which order and why; sends and stores nothing.

        Raises:
            NotFound: no model or combo of that name.
            NoRoute: there is no connection at all.
        """
        gathered = await self._gatherer.gather(request.chat.model, request.combo)
        situation = _for_combo(gathered, await self._gatherer.situation())
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
        async with aclosing(self._places(run, choices)) as places:
            async for (choice, candidate), place in places:
                self._retries.first_call()
                with place:
                    async with aclosing(self._try(run, choice, candidate, needs, situation, place)) as pieces:
                        async for piece in pieces:
                            yield piece
        # Only now, with nothing else left, the same target again, if it said when or the budget allows it.
        again = run.retry(choices, self._retries)
        if again is None:
            return
        (choice, candidate), wait = again
        await self._ports.sleep(wait)
        waited = await self._wait(run, choice, candidate)
        if waited is None:
            return
        with waited:
            async with aclosing(self._try(run, choice, candidate, needs, situation, waited)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _places(self, run: Run, choices: list[Pair]) -> AsyncGenerator[tuple[Pair, Place], None]:
        """Each choice with a place at its connection. Where none is free the next choice comes first; those passed over
        are waited for when nothing else has answered, but before any last resort.
        """
        passed: list[Pair] = []
        for pair in choices:
            if run.over:
                return
            if (free := self._free_place(pair[1].connection)) is None:
                passed.append(pair)
            else:
                yield pair, free
        for pair in passed:
            if run.over:
                return
            if (waited := await self._wait(run, *pair)) is not None:
                yield pair, waited

    def _free_place(self, connection: Connection) -> Place | None:
        try:
            return None if connection.last_resort else self._admission.take(connection.id)
        except Busy:
            return None

    async def _wait(self, run: Run, choice: Choice, candidate: Candidate) -> Place | None:
        try:
            return await self._admission.wait(candidate.connection.id, run.seconds_left)
        except Busy as busy:
            until = clock(self._ports.now().timestamp() + busy.retry_after)
            run.excluded.append(Exclusion(target=choice.target, reason="busy", detail=str(busy), until=until))
            return None

    async def _try(
        self, run: Run, choice: Choice, candidate: Candidate, needs: Needs, situation: Situation, place: Place
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
            proxy=self._proxies.around(candidate.connection, run.plan.combo),
        )
        try:
            async with aclosing(attempt(plan, self._ports)) as items:
                async for item in items:
                    if (content := self._taken(run, tried, item)) is not None:
                        yield content
            outcome = _outcome(tried)
        finally:
            place.leave(tried.fault.kind if tried.fault else None, answered=outcome == "answered")
            with anyio.CancelScope(shield=True):
                await self._settle(run, tried, outcome)
        if tried.fault is not None and tried.produced and not run.committed:
            yield Discarded(tried.fault)

    def _taken(self, run: Run, tried: Tried, item: ChatEvent | Heard | Fault) -> _Content | None:
        """Note what came; what of it the caller may see is given back."""
        if isinstance(item, Fault):
            tried.fault = item
            return None
        if isinstance(item, Heard):
            tried.readings = item.readings
            return None
        tried.fold.add(item)
        if isinstance(item, TextDelta | ReasoningDelta | ToolCallDelta):
            if tried.first_token is None:
                tried.first_token = self._ports.monotonic()
            if run.request.commit == "first":
                run.committed = True  # the commit point: no fallback after this line
            return item
        if isinstance(item, Finished) and not tried.produced and item.reason == "stop":
            tried.fault = Fault(kind="empty", detail="It answered with nothing.")
        return None

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
            tokens=needs.input_bound + (cap or 0),
            limits=situation.limits.get(candidate.connection.id, ()),
        )
        try:
            await self._ledger.reserve(intent, lambda health: admit(health, now.timestamp(), self._tuning))
        except NotAdmitted as refused:
            refusal = refused.refusal
            until = clock(refusal.until) if refusal.until else None
            run.excluded.append(
                Exclusion(target=choice.target, reason=refusal.reason, detail=refusal.detail, until=until)
            )
            return False
        except LimitReached as reached:
            run.limit = reached
            run.excluded.append(Exclusion(target=choice.target, reason="over_budget", detail=reached.sentence()))
            return False
        return True

    async def _settle(self, run: Run, tried: Tried, outcome: Outcome) -> None:
        ended = self._ports.monotonic()
        settled = settle(tried, outcome, now=self._ports.now(), ended=ended, tuning=self._tuning)
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


def _for_combo(gathered: Gathered, situation: Situation) -> Situation:
    """The moment with what the combo's strategy may look at."""
    if gathered.combo is None:
        return situation
    pool = tuple(candidate.name for candidate in gathered.candidates)
    return replace(situation, combo=ComboState(options=gathered.combo.options, pool=pool))
