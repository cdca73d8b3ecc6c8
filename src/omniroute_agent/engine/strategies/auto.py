"""`auto`: scored from live data, a little exploration, and self-healing."""

from collections.abc import Sequence
from typing import Final

from omniroute_agent.engine.diversity import boosts
from omniroute_agent.engine.fitness import fitness
from omniroute_agent.engine.scoring import INCIDENT, PACKS, Columns, Score, scores, unknowns
from omniroute_agent.engine.situation import UNSEEN, Situation
from omniroute_agent.engine.strategies.chance import draws, pick
from omniroute_agent.engine.strategies.healing import BENCH_BELOW, Role, probing, seat, told
from omniroute_agent.engine.strategies.knobs import EXPLORATION, PACK
from omniroute_agent.engine.strategies.option import Option, Ranked
from omniroute_agent.kernel.record import Bench, TargetStats

_RANK: Final[dict[Role, int]] = {"playing": 0, "probe": 1, "benched": 2}


_Place = tuple[int, float, int, int, Bench | None]
"""Where an option stands, as a sort key: its role's rank, its score below 0, its place in the combo; then which of the
options it is, so that the sort never looks at the bench behind it.
"""


def auto(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """The best score first; who sits out, last. Once in a while another target leads, to learn how it does now.

    In an incident nothing is tried out: no exploration, no probes, steadiness before cost.
    """
    incident = incident_now(options, situation)
    pack = PACK.read(situation.combo.options)
    records = [situation.stats.get(option.candidate.name, UNSEEN) for option in options]
    known = signals(options, records, situation)
    scored = scores(known, INCIDENT if incident else PACKS[pack])
    places = _places(options, records, scored, situation)
    lead, why = (None, "") if incident else _lead(places, situation)
    if lead is not None:
        places = [lead, *(place for place in places if place is not lead)]
    mode = "an incident (most of the pool is down), so the steadiest first" if incident else f"the pack {pack}"
    by, unseen = f" by {mode}", unknowns(known)
    ends = [by + end for end in unseen] if any(unseen) else [by] * len(options)
    ranked = [
        Ranked(
            options[number],
            scored[number].told + ends[number] if bench is None else told(bench, situation.now) + unseen[number],
            scored[number].factors,
            bench,
        )
        for _, _, _, number, bench in places
    ]
    if ranked and (why or ranked[0].bench is None):
        ranked[0] = _spelled(ranked[0], by, why, situation.now)
    return ranked


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


def _places(
    options: Sequence[Option], records: Sequence[TargetStats], scored: Sequence[Score], situation: Situation
) -> list[_Place]:
    """The best score first, then those whose probe is due, then those who sit out."""
    benches = situation.benches
    places: list[_Place] = []
    for number, option in enumerate(options):
        total = scored[number].total
        if benches or total < BENCH_BELOW:
            role, bench = seat(benches.get(option.candidate.name), total, records[number], situation.now)
            places.append((_RANK[role], -total, option.place, number, bench))
        else:
            places.append((0, -total, option.place, number, None))
    places.sort()
    return places


def signals(options: Sequence[Option], records: Sequence[TargetStats], situation: Situation) -> Columns:
    """What is known of each option, in their order."""
    providers = [option.candidate.connection.provider.id for option in options]
    used: dict[str, int] = {}
    for provider, record in zip(providers, records, strict=True):
        used[provider] = used.get(provider, 0) + record.attempts
    boost, task = boosts(used), situation.task
    success = [record.success for record in records]
    paces = [record.pace for record in records]
    return Columns(
        quota=[situation.quota_left(option.candidate) for option in options],
        health=[situation.breaker(o.candidate) * share for o, share in zip(options, success, strict=True)],
        cost=[option.expected_cost for option in options],
        latency=[latency for latency, _ in paces],
        task=[fitness(o.candidate.model, task) for o in options] if task else [None] * len(options),
        spread=[spread for _, spread in paces],
        success=success,
        diversity=[boost[provider] for provider in providers],
    )


def _lead(places: Sequence[_Place], situation: Situation) -> tuple[_Place | None, str]:
    """Who goes before the best score, if anyone, and why: a probe that is due, else now and then an exploration."""
    rate, chance = EXPLORATION.read(situation.combo.options), draws(situation)
    playing = len(places)
    if places and places[-1][0]:
        playing = next(at for at, place in enumerate(places) if place[0])
    if playing < len(places) and places[playing][0] == _RANK["probe"]:
        return places[playing], "a probe: its time on the bench is up, and this call tells whether it recovered"
    if playing > 1 and next(chance) < rate:
        return places[pick(playing, next(chance))], f"exploration: {rate:.0%} of requests try any target"
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
