"""One upstream answer for equal requests of one caller: kept from before, or got right now by a twin."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import anyio
from pydantic import BaseModel, ConfigDict, ValidationError

from omniroute_agent.engine.candidates import Gatherer
from omniroute_agent.engine.decision import Decision, Receipt, Reused
from omniroute_agent.engine.engine import Engine
from omniroute_agent.engine.events import Done, EngineEvent, told_again
from omniroute_agent.engine.handles import Handles
from omniroute_agent.engine.records import put_decision
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.run import State
from omniroute_agent.engine.sameness import answer_key, repeatable
from omniroute_agent.engine.twins import Failed, Flight, Given, Left, Twins
from omniroute_agent.kernel.chat import ChatAnswer
from omniroute_agent.kernel.errors import CallError, DeadlineExceeded, NoRoute, StoreUnavailable
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.store.cached import LARGEST_ENTRY, Bounds, CachedAnswers, CacheSize, Entry
from omniroute_agent.store.decisions import Decisions

_WHOLE: Final = ("stop", "tool_calls")
"""Ends of an answer that says all it wanted to say."""

_log = logging.getLogger(__name__)


class KeptAnswer(BaseModel):
    """An answer as it is stored, with the receipt of the request that got it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: ChatAnswer
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    seconds: float
    bounds: Bounds


@dataclass(slots=True)
class Counts:
    """Repeatable requests since this process started, by what became of them."""

    hits: int = 0
    """Answered by a kept answer."""
    joined: int = 0
    """Answered by a twin that ran at the same time."""
    misses: int = 0
    """Sent to a provider."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    at: datetime
    monotonic: float


class Reuse:
    def __init__(
        self,
        *,
        engine: Engine,
        rows: CachedAnswers,
        decisions: Decisions,
        gatherer: Gatherer,
        ports: Ports,
        keeping: Keeping | None,
        handles: Handles,
    ) -> None:
        """`keeping` None: every request is sent, and nothing is kept."""
        self._engine = engine
        self._decisions = decisions
        self._gatherer = gatherer
        self._ports = ports
        self._keeping = keeping
        self._handles = handles
        self._twins = Twins()
        self.rows: Final = rows
        self.counts: Final = Counts()

    @property
    def enabled(self) -> bool:
        return self._keeping is not None

    async def size(self) -> CacheSize:
        return await self.rows.size(at=self._ports.now().timestamp())

    async def events(self, request: Request) -> AsyncGenerator[EngineEvent, None]:
        """Like the engine's: pieces of the answer, then `Done`. Raises what the engine raises."""
        if self._keeping is None or not repeatable(request):
            async with aclosing(self._engine.events(request)) as events:
                async for event in events:
                    yield event
            return
        arrival = _Arrival(self._ports.now(), self._ports.monotonic())
        if request.handle is not None:
            # What is not good any more opens nothing, not even what costs nothing.
            await self._handles.room(request.handle)
        gathered = await self._gatherer.gather(request.chat.model, request.combo)
        key = answer_key(request, [candidate.name for candidate in gathered.candidates], gathered.combo)
        failures = 0
        while (flight := self._twins.under_way(key)) is not None:
            ended = await self._follow(request, flight, arrival)
            if isinstance(ended, Given):
                async for event in self._again(request, ended, arrival):
                    yield event
                return
            failures += ended
        async with aclosing(self._lead(request, key, self._keeping, failures, arrival)) as events:
            async for event in events:
                yield event

    async def _lead(
        self, request: Request, key: str, keeping: Keeping, failures: int, arrival: _Arrival
    ) -> AsyncGenerator[EngineEvent, None]:
        flight = self._twins.lead(key, request.id, failures=failures)
        try:
            kept = await self._find(request, key)
            if kept is None:
                self.counts.misses += 1
                async with aclosing(self._engine.events(request)) as events:
                    async for event in events:
                        if isinstance(event, Done):
                            if not _cut_by_budget(request, event.answer):
                                flight.end(Given(event.answer, event.receipt, cached=False))
                            await self._keep(request, key, event, keeping)
                        yield event
                return
            flight.end(kept)
        except CallError as error:
            if isinstance(error, NoRoute) and _bounded(request):
                # Its own budget may be what excluded every target: another may have more.
                flight.end(Left())
            flight.failed(error)
            raise
        finally:
            self._twins.land(key, flight)
        self.rows.touch(request.caller.id, key, at=arrival.at.timestamp())
        async for event in self._again(request, kept, arrival):
            yield event

    async def _follow(self, request: Request, flight: Flight, arrival: _Arrival) -> Given | int:
        """The other's answer; or, when this request may ask for itself now, how many failures it saw (0 or 1).

        Raises:
            CallError: what every equal request would get, or this one's time ran out.
        """
        try:
            outcome = await flight.outcome(max(request.deadline - self._ports.monotonic(), 0.0))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._record(request, arrival, "cancelled")
            raise
        if isinstance(outcome, Given):
            return outcome
        if isinstance(outcome, Failed) and not outcome.final:
            return 1
        if outcome is not None and not isinstance(outcome, Failed):
            return 0
        error = _late(request, flight) if outcome is None else _shared(outcome.error, request, flight)
        await self._record(request, arrival, "failed", error=error)
        raise error

    async def _again(self, request: Request, given: Given, arrival: _Arrival) -> AsyncGenerator[EngineEvent, None]:
        """The answer with a receipt of this request's own: it cost nothing."""
        how: Reused = "cached" if given.cached else "joined"
        if given.cached:
            self.counts.hits += 1
        else:
            self.counts.joined += 1
        first = given.receipt
        receipt = Receipt(
            request_id=request.id,
            served_by=first.served_by,
            reported_model=first.reported_model,
            cost=0,
            cost_state="exact",
            latency_ms=round((self._ports.monotonic() - arrival.monotonic) * 1000),
            because=_because(first.request_id, how),
            reused=how,
            answer_of=first.request_id,
        )
        await self._record(request, arrival, "answered", receipt=receipt)
        for piece in told_again(given.answer):
            yield piece
        yield Done(given.answer, receipt)

    async def _find(self, request: Request, key: str) -> Given | None:
        """A cache that cannot be read is an empty one."""
        try:
            document = await self.rows.find(request.caller.id, key, at=self._ports.now().timestamp())
            kept = None if document is None else KeptAnswer.model_validate_json(document)
        except (StoreUnavailable, ValidationError) as error:
            _log.warning("The kept answer to %s could not be read: %s", request.id, error)
            return None
        return None if kept is None else Given(kept.answer, kept.receipt, cached=True)

    async def _keep(self, request: Request, key: str, done: Done, keeping: Keeping) -> None:
        """Keep what is worth it. That it cannot be written must not hide the answer."""
        if done.answer.finish not in _WHOLE:
            return
        document = KeptAnswer(answer=done.answer, receipt=done.receipt).model_dump_json()
        size = len(document.encode())
        if size > min(LARGEST_ENTRY, keeping.bounds.bytes):
            return
        now = self._ports.now().timestamp()
        entry = Entry(
            caller=request.caller.id,
            digest=key,
            request_id=request.id,
            asked=request.combo or request.chat.model,
            served_by=done.receipt.served_by,
            at=now,
            keep_until=now + keeping.seconds,
            used_at=now,
            uses=0,
            bytes=size,
        )
        try:
            await self.rows.put(entry, document, keeping.bounds)
        except StoreUnavailable as unwritable:
            _log.warning("The answer to %s could not be kept: %s", request.id, unwritable.sentence())

    async def _record(
        self,
        request: Request,
        arrival: _Arrival,
        state: State,
        *,
        receipt: Receipt | None = None,
        error: CallError | None = None,
    ) -> None:
        """The decision about a request that was never planned: where its answer came from."""
        decision = Decision(
            request_id=request.id,
            caller=request.caller.id,
            session=request.caller.session,
            door=request.door,
            at=arrival.at.isoformat(timespec="milliseconds"),
            state=state,
            plan=None,
            receipt=receipt,
            error=error.code if error else None,
            error_detail=error.sentence() if error else None,
        )
        try:
            await put_decision(self._decisions, decision, at=arrival.at)
        except StoreUnavailable as unwritable:
            _log.warning("Request %s could not be recorded: %s", request.id, unwritable.sentence())


def _cut_by_budget(request: Request, answer: ChatAnswer) -> bool:
    """Whether its own budget, which an equal request need not have, may have made the answer short."""
    return answer.finish == "length" and _bounded(request) and request.chat.max_tokens is None


def _bounded(request: Request) -> bool:
    """Whether it brings a limit of its own along."""
    return request.budget is not None or request.handle is not None


def _because(first: str, how: Reused) -> str:
    if how == "cached":
        return f"the same was asked before, in request {first}; its answer was kept"
    return f"the same was being asked at that moment, in request {first}; its answer is shared"


def _late(request: Request, flight: Flight) -> CallError:
    return DeadlineExceeded(
        f"The same request ({flight.request_id}) is still running.",
        hint="Allow more with deadline_seconds.",
        facts={"request_id": request.id, "waited_for": flight.request_id},
    )


def _shared(error: CallError, request: Request, flight: Flight) -> CallError:
    """The failure of an equal request as this one's own. Nobody has seen a part of its answer."""
    facts = {name: value for name, value in error.facts.items() if name != "partial"}
    return type(error)(
        error.message,
        hint=error.hint,
        facts={**facts, "request_id": request.id, "waited_for": flight.request_id},
    )
