"""Self-healing of `auto`: who scores too low sits out, longer each time, until a probe shows that it recovered.

A small machine: pure functions of (bench, score, record, now).
"""

from dataclasses import replace
from typing import Final, Literal

from omniroute_agent.engine.breaker import clock
from omniroute_agent.kernel.record import Bench, TargetStats

BENCH_BELOW: Final = 0.2
READMIT_AT: Final = 0.3
BENCH_SECONDS: Final = 300.0
BENCH_MAX: Final = 1800.0

PROBE_SECONDS: Final = 120.0
"""How long a probe may be out before the next request may be one."""

Role = Literal["playing", "benched", "probe"]


def seat(bench: Bench | None, score: float, record: TargetStats, now: float) -> tuple[Role, Bench | None]:
    """What the target may do in this plan, and its bench from now on; None: it has none."""
    if bench is None:
        return ("benched", _benched(1, score, now)) if score < BENCH_BELOW else ("playing", None)
    if now < bench.until:
        return "benched", bench
    if record.last_used_at is not None and record.last_used_at >= bench.until:
        # It was called since its time was up: that call is in its record, and so in its score.
        return ("playing", None) if score >= READMIT_AT else ("benched", _benched(bench.times + 1, score, now))
    if bench.probe_at is not None and now < bench.probe_at + PROBE_SECONDS:
        return "benched", bench
    return "probe", bench


def probing(bench: Bench, now: float) -> Bench:
    return replace(bench, probe_at=now)


def told(bench: Bench, now: float) -> str:
    """Why a target on the bench stands last."""
    if now < bench.until:
        return f"sits out until {clock(bench.until)}: its score fell to {bench.score:.2f}, below {BENCH_BELOW}"
    return "sits out until one call has shown that it recovered; " + (
        "that call comes next" if bench.probe_at is None else f"that call is out since {clock(bench.probe_at)}"
    )


def _benched(times: int, score: float, now: float) -> Bench:
    wait = min(BENCH_SECONDS * 2 ** min(times - 1, 10), BENCH_MAX)
    return Bench(times=times, since=now, until=now + wait, score=score)
