"""Periodic work, as a table: who does what how often. Each job can be run by hand and from a test."""

import logging
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.ports import Ports

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caretaker:
    name: str
    first: float
    """Seconds after the start; the start itself stays quick."""
    every: float
    """Seconds between the end of one round and the begin of the next."""
    job: Callable[[], Awaitable[object]]


async def keep_house(caretakers: Sequence[Caretaker], ports: Ports) -> None:
    """Run every caretaker until cancelled."""
    async with anyio.create_task_group() as group:
        for caretaker in caretakers:
            group.start_soon(_keep, caretaker, ports)


async def _keep(caretaker: Caretaker, ports: Ports) -> None:
    pause = caretaker.first
    while True:
        await ports.sleep(pause)
        try:
            await caretaker.job()
        except StoreUnavailable as error:
            # The next round may find the disk in better health; the requests themselves say it to their callers.
            _log.warning("%s could not run: %s", caretaker.name, error.sentence())
        except Exception as error:  # noqa: BLE001 (a defect in one of them must not end all the others)
            # Type and place only: the exception's text may hold a secret.
            frames = "".join(traceback.format_tb(error.__traceback__))
            _log.error("%s failed with %s and goes on.\n%s", caretaker.name, type(error).__qualname__, frames)
        pause = caretaker.every
