"""Plan, attempt, settle: one request on one page.

`events` is the engine. A whole answer is the fold of its events (`turn.py`), so stream and non-stream cannot drift.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import anyio

from omniroute_agent.engine.admission import Admission, Busy, Crowd, Place
from omniroute_agent.engine.asking import SPEND, WITHOUT_END, must_ask, wish_of
from omniroute_agent.engine.attempt import Try, attempt
from omniroute_agent.engine.breaker import admit, clock
from omniroute_agent.engine.consents import Consents
from omniroute_agent.engine.decision import Choice, Exclusion
from omniroute_agent.engine.eligibility import affordable
from omniroute_agent.engine.events import Discarded, Done, EngineEvent, Routed
from omniroute_agent.engine.extras import affordable_rest
from omniroute_agent.engine.failure import failure_of
from omniroute_agent.engine.faults import Fault
from omniroute_agent.engine.guards import Guards
from omniroute_agent.engine.holding import holds_of
from omniroute_agent.engine.learner import Learner
from omniroute_agent.engine.needs import Needs
from omniroute_agent.engine.plan import Planned
from omniroute_agent.engine.planning import Outlook, Planner, keepsake
from omniroute_agent.engine.records import Records, intent_of
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.resilience import Resilience
from omniroute_agent.engine.retry import RetryBudget
from omniroute_agent.engine.run import Pair, Run
from omniroute_agent.engine.settle import Tried, settle
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.engine.windows import Heard
from omniroute_agent.kernel.bill import Outcome
from omniroute_agent.kernel.chat import ChatEvent, Finished, ReasoningDelta, TextDelta, ToolCallDelta
from omniroute_agent.kernel.ended import Listener
from omniroute_agent.kernel.errors import CallError, LimitReached, StoreUnavailable
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.providers.model import Connection
from omniroute_agent.providers.proxies import Proxies
from omniroute_agent.store.decisions import Decisions
from omniroute_agent.store.ledger import Ledger, NotAdmitted

_log = logging.getLogger(__name__)

PROBE_PATIENCE: Final = 5.0
"""Seconds that a request with nothing else left waits for somebody else's probe."""
PROBE_PAUSE: Final = 0.25

_Content = TextDelta | ReasoningDelta | ToolCallDelta


class Engine:
    def __init__(
        self,
        *,
        ports: Ports,
        planner: Planner,
        ledger: Ledger,
        decisions: Decisions,
        guards: Guards | None = None,
        consents: Consents | None = None,
        proxies: Proxies | None = None,
        resilience: Resilience | None = None,
        learner: Learner | None = None,
        listener: Listener | None = None,
    ) -> None:
        """`listener` is told how attempts and requests ended."""
        self._ports = ports
        self._planner = planner
        self._ledger = ledger
        self._records = Records(decisions, learner, listener)
        self._guards = guards
        self._consents = consents
        self._proxies = proxies or Proxies()
        self._resilience = resilience or Resilience()
        self._admission = Admission(ports, lambda: self._resilience.tuning.concurrency)
        self._retries = RetryBudget()

    def crowds(self) -> dict[str, Crowd]:
        """Who is at each connection now, in this process."""
        return self._admission.crowds()

    async def plan(self, request: Request) -> tuple[Planned, Needs, Situation]:
        """What would be tried, in which order and why; sends and stores nothing.

        Raises:
            NotFound: no model or combo of that name.
            NoRoute: there is no connection at all.
        """
        planned, outlook = await self._planner.foresee(request)
        return planned, outlook.needs, outlook.situation

    async def events(self, request: Request) -> AsyncGenerator[EngineEvent, None]:
        """Serve one request. Ends with `Done`; every failure is a `CallError` whose facts carry `request_id`."""
        planned, outlook = await self._planner.route(request)
        run = Run(request=request, plan=planned.plan, ports=self._ports, outlook=outlook)
        await self._records.open(run)
        try:
            if self._consents is not None and must_ask(planned.plan):
                planned, outlook = await self._agreed(run, self._consents)
            yield Routed(planned.plan)
            async with aclosing(self._serve(run, planned, outlook.needs, outlook.situation)) as pieces:
                async for piece in pieces:
                    yield piece
            if run.missing:
                async with aclosing(self._heirs(run)) as pieces:
                    async for piece in pieces:
                        yield piece
        except CallError as error:
            error.facts.setdefault("request_id", request.id)
            await self._records.close(run, "failed", error)
            raise
        except BaseException:
            # The caller left. A cancelled scope cancels every await, so the record is written under a shield.
            with anyio.CancelScope(shield=True):
                await self._records.close(run, "cancelled")
            raise
        answered = run.answered
        if answered is None:
            failure = failure_of(run)
            await self._records.close(run, "failed", failure)
            raise failure
        # Stored before `Done` leaves: whoever holds a receipt can ask why.
        await self._records.close(run, "answered")
        yield Done(answered.fold.answer(), run.receipt())

    async def _heirs(self, run: Run) -> AsyncGenerator[_Content | Discarded, None]:
        """The provider does not know the model: who follows on it stands in a plan that is made now."""
        planned, outlook = await self._planner.route(run.request)
        tried = {attempt.target for attempt in run.attempts}
        if any(choice.target in tried for choice in planned.plan.choices):
            return
        run.plan, run.outlook = planned.plan, outlook
        async with aclosing(self._serve(run, planned, outlook.needs, outlook.situation)) as pieces:
            async for piece in pieces:
                yield piece

    async def _agreed(self, run: Run, consents: Consents) -> tuple[Planned, Outlook]:
        """The plan with what the owner lets this request cost.

        Raises:
            ConsentRequired: the owner has to be asked.
            NotAllowed: the owner said no.
        """
        unlimited, _ = await self._planner.foresee(replace(run.request, agreed=WITHOUT_END))
        wish = wish_of(run.request, unlimited.plan)
        await consents.require(run.request.caller, SPEND, wish.arguments, wish.question, facts=wish.facts)
        run.request = replace(run.request, agreed=wish.most)
        planned, run.outlook = await self._planner.route(run.request)
        run.plan = planned.plan
        return planned, run.outlook

    async def _serve(
        self, run: Run, planned: Planned, needs: Needs, situation: Situation
    ) -> AsyncGenerator[_Content | Discarded, None]:
        """Every choice in turn, then perhaps one of them once more, until one has answered."""
        choices = list(zip(planned.plan.choices, planned.candidates, strict=True))
        async with aclosing(self._places(run, choices)) as places:
            async for (choice, candidate), place in places:
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
        busy = [pair for pair in passed if not pair[1].connection.last_resort]
        last = [pair for pair in passed if pair[1].connection.last_resort]
        for waiting in (self._queued(run, busy), self._behind_probes(run, choices), self._queued(run, last)):
            async with aclosing(waiting) as places:
                async for pair, place in places:
                    yield pair, place

    async def _queued(self, run: Run, passed: list[Pair]) -> AsyncGenerator[tuple[Pair, Place], None]:
        for pair in passed:
            if run.over:
                return
            if (waited := await self._wait(run, *pair)) is not None:
                yield pair, waited

    async def _behind_probes(self, run: Run, choices: list[Pair]) -> AsyncGenerator[tuple[Pair, Place], None]:
        """A target that recovers lets one call through at a time. With nothing else left, those that were refused for
        it are asked again: how it ends is known in a moment.
        """
        until = self._ports.monotonic() + PROBE_PATIENCE
        while (behind := run.behind_probes(choices)) and self._ports.monotonic() < until:
            await self._ports.sleep(PROBE_PAUSE)
            for pair in behind:
                if not run.over and (free := self._free_place(pair[1].connection)) is not None:
                    run.ask_again(pair[0].target)
                    yield pair, free

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
        cap = _cap_now(run, choice, candidate, needs, situation)
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
        if all(earlier.target != choice.target for earlier in run.tries):
            self._retries.first_call()
        outcome: Outcome = "cancelled"
        plan = Try(
            connection=candidate.connection,
            model=candidate.model,
            chat=replace(run.request.chat, max_tokens=cap, rest=affordable_rest(run.request.chat.rest)),
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
                await self._settle(run, candidate, tried, outcome)
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
            commit = run.request.commit
            if commit == "first" or (commit == "words" and not isinstance(item, ReasoningDelta)):
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
        amount = (
            (choice.worst_cost or 0)
            if price is None or cap is None
            else price.worst(needs.bound(candidate.model), cap, now)
        )
        bounded = price is not None and (cap is not None or amount == 0)
        intent = intent_of(run, choice, candidate, situation, tried, cap=cap, needs=needs, amount=amount)
        try:
            await self._ledger.reserve(
                intent,
                lambda health: admit(health, now.timestamp(), self._resilience.tuning),
                holds_of(self._guards, intent, candidate, request, situation, bounded=bounded)
                if self._guards
                else None,
            )
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

    async def _settle(self, run: Run, candidate: Candidate, tried: Tried, outcome: Outcome) -> None:
        ended, now = self._ports.monotonic(), self._ports.now()
        settled = settle(tried, outcome, now=now, ended=ended, tuning=self._resilience.tuning)
        run.settled(tried, settled.attempt)
        self._records.settled(run, candidate, tried, settled.settlement)
        try:
            keep = keepsake(run.outlook, candidate, now.timestamp()) if outcome == "answered" else None
            await self._ledger.settle(settled.settlement, settled.learn, keep)
            self._planner.settled(tried.target, outcome, now.timestamp() - (ended - tried.started))
        except StoreUnavailable as unwritable:
            # The answer is paid for and is not withheld. The intent stays open with its reservation, which the next
            # start settles; until the ledger can be written again no new attempt passes `_reserve`.
            _log.warning("Attempt %s could not be settled: %s", tried.attempt_id, unwritable.sentence())


def _outcome(tried: Tried) -> Outcome:
    if tried.fault is None:
        return "answered"
    return "abandoned" if tried.produced else "failed"


def _cap_now(run: Run, choice: Choice, candidate: Candidate, needs: Needs, situation: Situation) -> int | None:
    """The output cap for this hop: earlier attempts may have used up a part of the request's budget or handle."""
    price, cap, handle = candidate.facts.price, choice.max_tokens, situation.handle
    limits = [limit for limit in (run.request.budget, handle.left if handle else None) if limit is not None]
    if price is None or not limits or cap is None or needs.max_tokens is not None or not run.attempts:
        return cap
    return affordable(price, needs.bound(candidate.model), max(min(limits) - run.spent, 0), cap, run.ports.now()) or cap
