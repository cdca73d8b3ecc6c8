"""Pools of options and the moment they are looked at, as strategy tests need them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from pydantic import JsonValue

from omniroute_agent.engine.situation import ComboState, QuotaWindow, Situation
from omniroute_agent.engine.strategies import STRATEGIES, Option, Ranked
from omniroute_agent.engine.strategies.knobs import Options
from omniroute_agent.kernel.health import BreakerState, ConnectionHealth
from omniroute_agent.kernel.record import Affinity, Bench, TargetStats
from targets import FlatPrice, candidate, situation

NOW = situation().now


def option(
    name: str,
    place: int = 0,
    *,
    cost: int | None = 1_000,
    model: str = "m",
    context_tokens: int | None = 100_000,
    provider: str | None = None,
) -> Option:
    made = candidate(name, model, price=None if cost is None else FlatPrice(1, 2), context_tokens=context_tokens)
    if provider is not None:
        named = replace(made.connection.provider, id=provider)
        made = replace(made, connection=replace(made.connection, provider=named))
    return Option(candidate=made, place=place, expected_cost=cost, worst_cost=cost, max_tokens=None, unknown=())


def pool(*names: str) -> list[Option]:
    return [option(name, place) for place, name in enumerate(names)]


def moment(
    *health: ConnectionHealth,
    dice: Sequence[float] = (0.5, 0.5),
    stats: Mapping[str, TargetStats] | None = None,
    quotas: Mapping[str, tuple[QuotaWindow, ...]] | None = None,
    options: Options | None = None,
    benches: Mapping[str, Bench] | None = None,
    affinity: Affinity | None = None,
    task: Any = None,
    **combo: Any,
) -> Situation:
    """`combo`: fields of the combo's state."""
    return replace(
        situation(*health),
        dice=tuple(dice),
        stats=stats or {},
        quotas=quotas or {},
        benches=benches or {},
        affinity=affinity,
        task=task,
        combo=ComboState(options=options or {}, **combo),
    )


def run(strategy: str, options: Sequence[Option], at: Situation) -> list[Ranked]:
    return STRATEGIES[strategy](options, at)


def order(ranked: Sequence[Ranked]) -> list[str]:
    """Connections, in the order they would be tried."""
    return [r.option.candidate.connection.id for r in ranked]


# Worlds for property tests: everything may be unknown, anything may be extreme.

_amounts = st.none() | st.floats(0, 1e12)
_times = st.none() | st.floats(0, 4e9)

stats_rows = st.builds(
    lambda attempts, share, **rest: TargetStats(attempts=attempts, successes=int(attempts * share), **rest),
    attempts=st.integers(0, 10_000),
    share=st.floats(0, 1),
    p50_ms=_amounts,
    p95_ms=_amounts,
    stddev_ms=_amounts,
    tokens_per_second=_amounts,
    last_used_at=_times,
    last_success_at=_times,
)
windows = st.builds(
    QuotaWindow,
    window=st.just("5h"),
    left=st.none() | st.floats(0, 1),
    resets_at=_times,
    seconds=st.none() | st.floats(0, 1e7),
)
benches = st.builds(
    Bench,
    times=st.integers(1, 1_000),
    since=st.just(NOW - 1_000),
    until=st.floats(NOW - 2_000, NOW + 2_000),
    score=st.floats(0, 0.2),
    probe_at=st.none() | st.floats(NOW - 500, NOW),
)
_weights: JsonValue = {"a": -1, "b/m": 2}
json_values: st.SearchStrategy[JsonValue] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(_weights)
)
knob_values: st.SearchStrategy[Options] = st.dictionaries(
    st.sampled_from(["weights", "sticky", "pack", "exploration", "adapt", "odd"]), json_values
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Option], Situation]:
    """Up to six options of three providers, in any order, and a moment in which anything may be missing."""
    names = draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=6))
    models = st.sampled_from(["m", "gpt-5", "claude-opus-4-5"])
    options = [
        option(
            name,
            draw(st.integers(0, 9)),
            cost=draw(st.none() | st.integers(0, 10**12)),
            model=draw(models),
            context_tokens=draw(st.none() | st.integers(0, 10**7)),
            provider=draw(st.sampled_from("xyz")),
        )
        for name in names
    ]
    targets = [o.name for o in options] or ["a/m"]
    some = st.sampled_from([*targets, "gone/m"])
    breakers: st.SearchStrategy[BreakerState] = st.sampled_from(("closed", "open", "half_open"))
    health = [
        ConnectionHealth(connection=name, breaker=draw(breakers), open_until=draw(st.none() | st.just(NOW + 9)))
        for name in draw(st.lists(st.sampled_from("abcdef"), unique=True))
    ]
    at = moment(
        *health,
        dice=draw(st.lists(st.floats(0, 1, exclude_max=True), max_size=4)),
        stats=draw(st.dictionaries(some, stats_rows, max_size=5)),
        quotas=draw(
            st.dictionaries(st.sampled_from("abcdef") | some, st.lists(windows, max_size=2).map(tuple), max_size=4)
        ),
        options=draw(knob_values),
        benches=draw(st.dictionaries(some, benches, max_size=4)),
        affinity=draw(st.none() | some.map(lambda t: Affinity(target=t, served_at=NOW - 9, expires_at=NOW + 9))),
        task=draw(st.none() | st.sampled_from(["coding", "analysis"])),
        pool=tuple(draw(st.lists(some, unique=True))),
        turns=draw(st.integers(0, 10**9)),
        last_target=draw(st.none() | some),
        streak=draw(st.integers(0, 10)),
        last_good=draw(st.none() | some),
        bag=tuple(draw(st.lists(some, unique=True))),
    )
    return options, at
