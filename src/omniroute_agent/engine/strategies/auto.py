"""`auto`: scored from live data, a little exploration, and self-healing."""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Final, NamedTuple

from omniroute_agent.engine.diversity import boosts
from omniroute_agent.engine.fitness import fitness
from omniroute_agent.engine.request import Task
from omniroute_agent.engine.scoring import INCIDENT, PACKS, WHOLE, Columns, scores, told, unknowns
from omniroute_agent.engine.situation import UNSEEN, Candidate, Situation
from omniroute_agent.engine.strategies.chance import draws, pick
from omniroute_agent.engine.strategies.healing import BENCH_BELOW, Role, probing, seat
from omniroute_agent.engine.strategies.healing import told as sits_out
from omniroute_agent.engine.strategies.knobs import EXPLORATION, PACK
from omniroute_agent.engine.strategies.option import Option, Ranked, ranked_all
from omniroute_agent.kernel.record import Bench, TargetStats

_RANK: Final[dict[Role, int]] = {"playing": 0, "probe": 1, "benched": 2}

_ON_BENCH: Final = BENCH_BELOW * WHOLE


class _Seats(NamedTuple):
    """Who stands where: numbers of options, by their places in the plan."""

    order: list[int]
    playing: int
    """How many of them play; who sits out stands behind."""
    probe: bool
    """Whether the first of those may be tried."""
    benches: Mapping[int, Bench]
    """Of those who sit out."""


def auto(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """The best score first; who sits out, last. Once in a while another target leads, to learn how it does now.

    In an incident nothing is tried out: no exploration, no probes, steadiness before cost.
    """
    if not options:
        return []
    incident = incident_now(options, situation)
    pack = PACK.read(situation.combo.options)
    records = _records(options, situation)
    known = signals(options, records, situation)
    points, factors = scores(known, INCIDENT if incident else PACKS[pack])
    seats = _seated(options, records, points, situation)
    lead, why = (None, "") if incident else _lead(seats, situation)
    order = seats.order
    if lead is not None:
        order.insert(0, order.pop(lead))
    mode = "an incident (most of the pool is down), so the steadiest first" if incident else f"the pack {pack}"
    by, unseen = f" by {mode}", unknowns(known)
    because = told(points, [by + end for end in unseen] if any(unseen) else repeat(by))
    for number, bench in seats.benches.items():
        because[number] = sits_out(bench, situation.now) + unseen[number]
    ranked = ranked_all(
        map(options.__getitem__, order),
        map(because.__getitem__, order),
        map(factors.__getitem__, order),
        map(seats.benches.get, order) if seats.benches else repeat(None),
    )
    if why or ranked[0].bench is None:
        ranked[0] = _spelled(ranked[0], by, why, situation.now)
    return ranked


def _records(options: Sequence[Option], situation: Situation) -> list[TargetStats]:
    stats = situation.stats
    return [stats.get(option.candidate.name, UNSEEN) for option in options]


def incident_now(options: Sequence[Option], situation: Situation) -> bool:
    """More than half of the pool's connections have an open breaker.

    One whose time is up counts no more: while the rest serves, only an exploration would find that it is well again.
    """
    now = situation.now
    down = {
        id_
        for id_, health in situation.connections.items()
        if health.breaker == "open" and (health.open_until is None or now < health.open_until)
    }
    if not down:
        return False
    pool = {name.partition("/")[0] for name in situation.combo.pool} | {o.candidate.connection.id for o in options}
    return len(pool & down) * 2 > len(pool)


def _seated(
    options: Sequence[Option], records: Sequence[TargetStats], points: Sequence[int], situation: Situation
) -> _Seats:
    """The best score first, then those whose probe is due, then those who sit out."""
    # Both sorts keep the order of equals, and the first finds the owner's order as it is.
    order = sorted(range(len(options)), key=[option.place for option in options].__getitem__)
    order.sort(key=points.__getitem__, reverse=True)
    benches: dict[int, Bench] = {}
    if not situation.benches and points[order[-1]] >= _ON_BENCH:
        return _Seats(order, len(order), probe=False, benches=benches)
    ranks = [0] * len(order)
    for number, option in enumerate(options):
        before = situation.benches.get(option.candidate.name)
        role, bench = seat(before, points[number] / WHOLE, records[number], situation.now)
        ranks[number] = _RANK[role]
        if bench is not None:
            benches[number] = bench
    order.sort(key=ranks.__getitem__)
    return _Seats(order, ranks.count(0), probe=_RANK["probe"] in ranks, benches=benches)


def signals(options: Sequence[Option], records: Sequence[TargetStats], situation: Situation) -> Columns:
    """What is known of each option, in their order."""
    candidates = [option.candidate for option in options]
    success = [record.success for record in records]
    paces = [record.pace for record in records]
    return Columns(
        quota=_quotas(candidates, situation),
        health=_healths(candidates, success, situation),
        cost=[option.expected_cost for option in options],
        latency=[latency for latency, _ in paces],
        task=_fits(candidates, situation.task),
        spread=[spread for _, spread in paces],
        success=success,
        diversity=_bonuses(candidates, records),
    )


def _quotas(candidates: Sequence[Candidate], situation: Situation) -> Sequence[float | None]:
    """`Situation.quota_left` of each."""
    quotas = situation.quotas
    if not quotas:
        return [None] * len(candidates)
    found: list[float | None] = []
    for candidate in candidates:
        shared, own = quotas.get(candidate.connection.id, ()), quotas.get(candidate.name, ())
        least: float | None = None
        for window in (*shared, *own) if own else shared:
            left = window.left
            if left is not None and (least is None or left < least):
                least = left
        found.append(least)
    return found


def _healths(candidates: Sequence[Candidate], success: Sequence[float], situation: Situation) -> Sequence[float]:
    if all(health.breaker == "closed" for health in situation.connections.values()):
        return success
    return [situation.breaker(candidate) * share for candidate, share in zip(candidates, success, strict=True)]


def _fits(candidates: Sequence[Candidate], task: Task | None) -> Sequence[float | None]:
    if task is None:
        return [None] * len(candidates)
    models = [candidate.model for candidate in candidates]
    fits = {model: fitness(model, task) for model in set(models)}
    return [fits[model] for model in models]


def _bonuses(candidates: Sequence[Candidate], records: Sequence[TargetStats]) -> Sequence[float]:
    providers = [candidate.connection.provider.id for candidate in candidates]
    used = dict.fromkeys(providers, 0)
    for provider, record in zip(providers, records, strict=True):
        used[provider] += record.attempts
    bonus = boosts(used)
    return [bonus[provider] for provider in providers]


def _lead(seats: _Seats, situation: Situation) -> tuple[int | None, str]:
    """The place of whoever goes before the best score, if anyone, and why: a probe that is due, else now and then an
    exploration.
    """
    rate, chance = EXPLORATION.read(situation.combo.options), draws(situation)
    playing = seats.playing
    if seats.probe:
        return playing, "a probe: its time on the bench is up, and this call tells whether it recovered"
    if playing > 1 and next(chance) < rate:
        return pick(playing, next(chance)), f"exploration: {rate:.0%} of requests try any target"
    return None, ""


def _spelled(ranked: Ranked, by: str, why: str, now: float) -> Ranked:
    """Who leads says in words what speaks for it; every choice has that in numbers."""
    option, because, factors, bench = ranked
    strongest = sorted(factors, key=lambda factor: -factor.contribution)[:3]
    most = ", ".join(f"{factor.name} {factor.contribution:.3f}" for factor in strongest)
    if bench is not None:
        total = sum(factor.contribution for factor in factors)
        because, bench = f"score {total:.3f}{by}", probing(bench, now)
    because = because.replace(by, f"{by}: most of it {most}", 1)
    return Ranked(option, f"{why}; {because}" if why else because, factors, bench)
