"""One turn: what every door ends in. The same answer for the same idempotency key, then a kept answer or the engine.

Memory joins here: this is the only room that may know both the engine and what is remembered.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

import anyio
from pydantic import ValidationError

from omniroute_agent.engine.events import Done, EngineEvent, told_again
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.reuse import KeptAnswer, Reuse
from omniroute_agent.engine.sameness import fingerprint
from omniroute_agent.kernel.errors import Conflict, DeadlineExceeded, StoreUnavailable
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.store.answers import Answers, Begun, Lost, Stored

_POLL_SECONDS: Final = 0.25
"""How often a twin of a running request looks for its answer; the other may run in another process."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    reuse: Reuse
    answers: Answers
    ports: Ports
    keep_answers_seconds: float

    async def events(self, request: Request) -> AsyncGenerator[EngineEvent, None]:
        """Serve a request, or give its earlier answer again. Ends with `Done`.

        Raises:
            Conflict: the same idempotency key came with another body, or its answer cannot be given again.
        """
        key = request.idempotency_key
        if key is not None and (kept := await self._begin(request, key)) is not None:
            for piece in told_again(kept.answer):
                yield piece
            yield Done(kept.answer, kept.receipt.model_copy(update={"replayed": True}))
            return
        finished = False
        try:
            async with aclosing(self.reuse.events(request)) as events:
                async for event in events:
                    if key is not None and isinstance(event, Done):
                        # It is billed: whatever becomes of keeping it, the key must not be free for a second bill.
                        finished = True
                        await self._keep(request, key, event)
                    yield event
        finally:
            if key is not None and not finished:
                # A failed or abandoned request gave no answer to repeat: the key is free again.
                with anyio.CancelScope(shield=True), suppress(StoreUnavailable):
                    await self.answers.drop(request.caller.id, key)

    async def take(self, request: Request, watch: Callable[[EngineEvent], Awaitable[None]] | None = None) -> Done:
        """The whole answer with its receipt; `watch` sees every event on the way."""
        done: Done | None = None
        async with aclosing(self.events(request)) as events:
            async for event in events:
                if watch is not None:
                    await watch(event)
                if isinstance(event, Done):
                    done = event
        assert done is not None, "the engine ends with Done or raises"
        return done

    async def _keep(self, request: Request, key: str, done: Done) -> None:
        """An answer that cannot be kept is given all the same."""
        kept = KeptAnswer(answer=done.answer, receipt=done.receipt)
        try:
            await self.answers.finish(request.caller.id, key, request.id, kept.model_dump_json())
        except StoreUnavailable as error:
            _log.warning("The answer to %s could not be kept yet: %s", done.receipt.request_id, error.sentence())

    async def _begin(self, request: Request, key: str) -> KeptAnswer | None:
        """The kept answer; None when this request is the first and now owns the key.

        Raises:
            Conflict: the key came with another body before, or its answer cannot be given again.
            DeadlineExceeded: the first request is still running.
        """
        print_of = fingerprint(request)
        while True:
            now = self.ports.now().timestamp()
            found = await self.answers.begin(
                caller=request.caller.id,
                key=key,
                fingerprint=print_of,
                request_id=request.id,
                at=now,
                keep_until=now + self.keep_answers_seconds,
            )
            if isinstance(found, Begun):
                return None
            if isinstance(found, Stored):
                return _read(found)
            if isinstance(found, Lost):
                raise _answered(found.request_id, "its answer could not be kept")
            if self.ports.monotonic() >= request.deadline:
                raise DeadlineExceeded(
                    f"The same request ({found.request_id}) is still running.",
                    hint="Ask again with the same idempotency key; it will not be billed twice.",
                    facts={"request_id": found.request_id},
                )
            await self.ports.sleep(_POLL_SECONDS)


def _read(stored: Stored) -> KeptAnswer:
    """
    Raises:
        Conflict: another version of this program wrote it in a way this one does not know.
    """
    try:
        return KeptAnswer.model_validate_json(stored.document)
    except ValidationError:
        raise _answered(stored.request_id, "its answer was kept by another version of this program") from None


def _answered(request_id: str, why: str) -> Conflict:
    """Never asked again under the same key: it was billed."""
    return Conflict(
        f"This request was answered by {request_id} and billed, but {why}.",
        hint=f"`explain_route` shows what became of {request_id}; to have it answered and billed anew, use a new key.",
        facts={"request_id": request_id},
    )
