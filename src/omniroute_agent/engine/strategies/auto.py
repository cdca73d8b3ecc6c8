"""`auto`: scored from live data, a little exploration, and self-healing."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from omniroute_agent.engine.diversity import boosts
from omniroute_agent.engine.fitness import fitness
from omniroute_agent.engine.scoring import INCIDENT, PACKS, Score, Signals, Weights, score, unknown
from omniroute_agent.engine.situation import UNSEEN, Bench, Situation, TargetStats
from omniroute_agent.engine.strategies.chance import draws, pick
from omniroute_agent.engine.strategies.healing import Role, probing, seat, told
from omniroute_agent.engine.strategies.knobs import EXPLORATION, PACK
from omniroute_agent.engine.strategies.option import Option, Ranked

ENOUGH_ANSWERS: Final = 5
"""Fewer measured answers than this tell nothing of latency: it counts as unknown."""


_RANK: Final[dict[Role, int]] = {"playing": 0, "probe": 1, "benched": 2}


class _Seat(NamedTuple):
    option: Option
    score: Score
    signals: Signals
    role: Role
    bench: Bench | None


def auto(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """The best score first; who sits out, last. Once in a while another target leads, to learn how it does now.

    In an incident nothing is tried out: no exploration, no probes, steadiness before cost.
    """
    incident = incident_now(options, situation)
    pack = PACK.read(situation.combo.options)
    seats = _seats(options, situation, INCIDENT if incident else PACKS[pack])
    lead, why = (None, "") if incident else _lead(seats, situation)
    if lead is not None:
        seats = [lead, *(s for s in seats if s is not lead)]
    mode = "an incident (most of the pool is down), so the steadiest first" if incident else f"the pack {pack}"
    return [_ranked(s, situation, why if s is lead else "", mode, detail=place == 0) for place, s in enumerate(seats)]


def incident_now(options: Sequence[Option], situation: Situation) -> bool:
    """More than half of the pool's connections have an open breaker."""
    down = {id_ for id_, health in situation.connections.items() if health.breaker == "open"}
    if not down:
        return False
    pool = {name.partition("/")[0] for name in situation.combo.pool} | {o.candidate.connection.id for o in options}
    return len(pool & down) * 2 > len(pool)


def _seats(options: Sequence[Option], situation: Situation, weights: Weights) -> list[_Seat]:
    """All of them, the best score first, then those whose probe is due, then those who sit out."""
    records = [situation.stats.get(option.candidate.name, UNSEEN) for option in options]
    pool = signals(options, records, situation)
    seats: list[_Seat] = []
    for option, record, known, scored in zip(options, records, pool, score(pool, weights), strict=True):
        bench = situation.benches.get(option.candidate.name) if situation.benches else None
        role, bench = seat(bench, scored.total, record, situation.now)
        seats.append(_Seat(option, scored, known, role, bench))
    seats.sort(key=lambda s: (_RANK[s.role], -s.score.total, s.option.place))
    return seats


def signals(options: Sequence[Option], records: Sequence[TargetStats], situation: Situation) -> list[Signals]:
    """What is known of each option, in their order."""
    used: dict[str, int] = {}
    for option, record in zip(options, records, strict=True):
        provider = option.candidate.connection.provider.id
        used[provider] = used.get(provider, 0) + record.attempts
    boost = boosts(used)
    return [
        _signals(option, record, situation, boost[option.candidate.connection.provider.id])
        for option, record in zip(options, records, strict=True)
    ]


def _signals(option: Option, record: TargetStats, situation: Situation, boost: float) -> Signals:
    candidate, success = option.candidate, record.success
    measured = record.successes >= ENOUGH_ANSWERS
    latency = record.p95_ms / success if measured and record.p95_ms is not None else None
    timed = measured and record.stddev_ms is not None and record.p50_ms is not None
    # Below a millisecond a median is the clock's noise.
    spread = (record.stddev_ms or 0.0) / max(record.p50_ms or 0.0, 1.0) if timed else None
    return Signals(
        situation.quota_left(candidate),
        situation.breaker(candidate) * success,
        option.expected_cost,
        latency,
        fitness(candidate.model, situation.task) if situation.task else None,
        spread,
        success,
        boost,
    )


def _lead(seats: Sequence[_Seat], situation: Situation) -> tuple[_Seat | None, str]:
    """Who goes before the best score, if anyone, and why: a probe that is due, else now and then an exploration."""
    probe = next((s for s in seats if s.role == "probe"), None)
    if probe is not None:
        return probe, "a probe: its time on the bench is up, and this call tells whether it recovered"
    playing = [s for s in seats if s.role == "playing"]
    rate = EXPLORATION.read(situation.combo.options)
    chance = draws(situation)
    if len(playing) > 1 and next(chance) < rate:
        return playing[pick(len(playing), next(chance))], f"exploration: {rate:.0%} of requests try any target"
    return None, ""


def _ranked(seat_: _Seat, situation: Situation, why: str, mode: str, *, detail: bool) -> Ranked:
    """`detail`: the strongest factors in words; every choice has all of them in numbers."""
    bench = seat_.bench
    if bench is not None and not why:
        because = told(bench, situation.now)
    else:
        because = f"score {seat_.score.total:.3f} by {mode}"
        if detail:
            strongest = sorted(seat_.score.factors, key=lambda f: -f.contribution)[:3]
            because += ": most of it " + ", ".join(f"{f.name} {f.contribution:.3f}" for f in strongest)
    if why:
        because = f"{why}; {because}"
        bench = bench and probing(bench, situation.now)
    if missing := unknown(seat_.signals):
        because += f"; unknown: {', '.join(missing)}"
    return Ranked(seat_.option, because, seat_.score.factors, bench)
