"""What is told to whoever watches the engine: attempts and requests as they end. Never a word of prompt or answer."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omniroute_agent.kernel.bill import Settlement

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded:
    request_id: str
    session: str
    provider: str
    system: str
    """The provider as OpenTelemetry's conventions name it."""
    connection: str
    model: str
    combo: str | None
    began: float
    """UTC epoch seconds."""
    ended: float
    max_tokens: int | None
    temperature: float | None
    reported_model: str | None
    """As the provider names what answered."""
    finish: str | None
    settlement: Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEnded:
    """A request that reached the engine; what the cache answered did not."""

    request_id: str
    combo: str | None
    state: str
    """`answered`, `failed`, `cancelled`."""
    error: str | None
    """Code of the error it ended with."""
    seconds: float


Ended = AttemptEnded | RequestEnded
Listener = Callable[[Ended], None]


@dataclass(frozen=True, slots=True)
class Listeners:
    """Several in one; what goes wrong in one of them reaches neither the others nor the request."""

    each: Sequence[Listener]

    def __call__(self, ended: Ended) -> None:
        for listener in self.each:
            try:
                listener(ended)
            except Exception as error:  # noqa: BLE001 (whoever only watches must not break what it watches)
                _log.warning("Request %s was not told on: %s", ended.request_id, type(error).__name__)
