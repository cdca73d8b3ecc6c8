"""Everything the program takes from outside its process. Tests own all of it."""

import random  # noqa: TID251 (the type of the port; nobody draws from the module)
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx2

from omniroute_agent.kernel.secret import Secret

PROXY: Final = "omniroute_proxy"
"""Request extension with the proxy that `http` is to go through, as a `Secret`; absent or empty: directly."""


def by_way_of(proxy: Secret | None) -> dict[str, Secret]:
    """The extensions of a request that goes out through a proxy, if there is one."""
    return {PROXY: proxy} if proxy else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    now: Callable[[], datetime]
    """Wall time, timezone-aware UTC: for records and quota windows."""
    monotonic: Callable[[], float]
    """Seconds that never go back: for latency, deadlines and cool-downs inside one process."""
    sleep: Callable[[float], Awaitable[None]]
    """Waits that many seconds."""
    dice: random.Random
    """Every random choice is drawn from here, so a seed replays a route."""
    new_id: Callable[[], str]
    """A fresh id, 26 characters, sortable by time of birth."""
    http: httpx2.AsyncClient
    """The only way out. Its transport refuses forbidden addresses at connect time; tests give it a scripted one.
    A request that carries the extension `PROXY` goes through that proxy."""
