"""What the engine's ends add up to, for the curves of whoever runs this.

Labels are providers, connections and combos, which only the owner can add; a model's name, which a caller can invent,
is none of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from omniroute_agent.kernel.bill import Settlement
from omniroute_agent.kernel.ended import AttemptEnded, Ended, RequestEnded
from omniroute_agent.kernel.meter import Family, Meter
from omniroute_agent.kernel.money import NANO_PER_USD

_AT: Final = ("provider", "connection")
REQUESTS: Final = Family(
    "omniroute_requests_total", "counter", "Requests the engine served, by how they ended.", ("combo", "state")
)
REQUEST_SECONDS: Final = Family(
    "omniroute_request_seconds", "histogram", "Time of whole requests with all their attempts.", ("combo",)
)
REQUEST_ERRORS: Final = Family(
    "omniroute_request_errors_total", "counter", "Requests that failed, by error code.", ("code",)
)
ATTEMPTS: Final = Family("omniroute_attempts_total", "counter", "Upstream calls, by outcome.", (*_AT, "outcome"))
FAULTS: Final = Family("omniroute_faults_total", "counter", "Upstream calls that broke, by fault.", (*_AT, "fault"))
ATTEMPT_SECONDS: Final = Family("omniroute_attempt_seconds", "histogram", "Time of upstream calls.", _AT)
FIRST_TOKEN_SECONDS: Final = Family(
    "omniroute_first_token_seconds", "histogram", "Time to the first piece of an answer.", _AT
)
TOKENS: Final = Family("omniroute_tokens_total", "counter", "Tokens, as billed.", (*_AT, "kind"))
COST: Final = Family("omniroute_cost_usd_total", "counter", "USD spent where the price is known.", (*_AT, "state"))
UNPRICED: Final = Family(
    "omniroute_attempts_without_price_total", "counter", "Upstream calls whose cost is unknown.", _AT
)


@dataclass(frozen=True, slots=True)
class Measures:
    meter: Meter

    def __call__(self, ended: Ended) -> None:
        if isinstance(ended, AttemptEnded):
            self._attempt(ended)
        else:
            self._request(ended)

    def _request(self, ended: RequestEnded) -> None:
        combo = ended.combo or ""
        self.meter.count(REQUESTS, combo, ended.state)
        self.meter.observe(REQUEST_SECONDS, ended.seconds, combo)
        if ended.error is not None:
            self.meter.count(REQUEST_ERRORS, ended.error)

    def _attempt(self, ended: AttemptEnded) -> None:
        at, bill = (ended.provider, ended.connection), ended.settlement
        self.meter.count(ATTEMPTS, *at, bill.outcome)
        if bill.fault is not None:
            self.meter.count(FAULTS, *at, bill.fault)
        self.meter.observe(ATTEMPT_SECONDS, bill.latency_ms / 1000, *at)
        if bill.first_token_ms is not None:
            self.meter.observe(FIRST_TOKEN_SECONDS, bill.first_token_ms / 1000, *at)
        for kind, tokens in _tokens(bill):
            self.meter.count(TOKENS, *at, kind, by=tokens)
        if bill.cost is None:
            self.meter.count(UNPRICED, *at)
        else:
            self.meter.count(COST, *at, bill.cost_state, by=bill.cost / NANO_PER_USD)


def _tokens(bill: Settlement) -> Iterator[tuple[str, int]]:
    usage = bill.usage
    if usage is None:
        return
    counts = {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cache_read": usage.cache_read_tokens,
        "cache_write": usage.cache_write_tokens,
        "reasoning": usage.reasoning_tokens,
    }
    yield from ((kind, count) for kind, count in counts.items() if count)
