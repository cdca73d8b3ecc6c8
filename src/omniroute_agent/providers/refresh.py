"""One thing that expires, shared by all who need it: fetched by one of them while the others wait.

Without this a hundred calls that find a token expired would fetch a hundred tokens, and ask again a hundred times when
the server that gives them is down.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from omniroute_agent.kernel.errors import CallError

T = TypeVar("T")

EARLY_SECONDS: Final = 120.0
"""So long before its end a thing is fetched anew: calls that start with it can take a while."""
REST_SECONDS: Final = 10.0
"""So long after a failed fetch nobody tries another."""


@dataclass(frozen=True, slots=True)
class Fresh(Generic[T]):
    value: T
    seconds: float
    """How long it is good from now on."""


class Refresher(Generic[T]):
    def __init__(
        self,
        fetch: Callable[[], Awaitable[Fresh[T]]],
        monotonic: Callable[[], float],
        *,
        early_seconds: float = EARLY_SECONDS,
        rest_seconds: float = REST_SECONDS,
    ) -> None:
        """`fetch` raises `CallError` when there is nothing to be had now."""
        self._fetch = fetch
        self._monotonic = monotonic
        self._early = early_seconds
        self._rest = rest_seconds
        self._held: Fresh[T] | None = None
        self._renew_at = float("-inf")
        self._ends_at = float("-inf")
        self._failed: CallError | None = None
        self._try_at = float("-inf")
        self._fetching = asyncio.Lock()
        self._renewing = False

    async def get(self) -> T:
        """
        Raises:
            CallError: the last fetch failed and what was held has expired.
        """
        if (held := self._good()) is not None:
            return held.value
        async with self._fetching:
            # Whoever held the lock may have fetched it, or found out that there is none. A waiter whose fetcher was
            # cancelled fetches itself.
            if (held := self._good()) is not None:
                return held.value
            if self._monotonic() < self._try_at and self._failed is not None:
                raise self._failed.with_traceback(None)
            self._renewing = True
            try:
                held = await self._fetch()
            except CallError as error:
                self._failed, self._try_at = error, self._monotonic() + self._rest
                if self._held is not None and self._monotonic() < self._ends_at:
                    return self._held.value
                raise
            finally:
                self._renewing = False
            self._keep(held)
            return held.value

    def _good(self) -> Fresh[T] | None:
        """What is held, while it is good; towards its end only while somebody fetches a new one or none can be had."""
        now = self._monotonic()
        if self._held is None or now >= self._ends_at:
            return None
        renewing = now >= self._renew_at and now >= self._try_at
        return None if renewing and not self._renewing else self._held

    def _keep(self, held: Fresh[T]) -> None:
        now = self._monotonic()
        self._held, self._failed, self._try_at = held, None, float("-inf")
        self._ends_at = now + held.seconds
        # A thing that is good for less than twice the early time is used for half of its life.
        self._renew_at = now + max(held.seconds - self._early, held.seconds / 2)
