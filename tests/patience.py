"""Waiting for what another thread does, where no event tells of it."""

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], bool], *, within: float = 10.0) -> None:
    """
    Raises:
        AssertionError: it did not become true.
    """
    for _ in range(round(within / 0.01)):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not become true")
