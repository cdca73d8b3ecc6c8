"""Whether a strategy can work on a combo, said in sentences its owner can act on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from omniroute_agent.engine.situation import Candidate
from omniroute_agent.engine.strategies import STRATEGIES
from omniroute_agent.engine.strategies.knobs import WEIGHTS, Options, knobs_of
from omniroute_agent.engine.strategies.weighted import names_of, weight_of
from omniroute_agent.kernel.likeness import nearest

_TAKE_TURNS: Final = frozenset(("weighted", "round-robin", "random", "strict-random", "p2c", "least-used", "auto"))
"""Strategies that choose among several."""


def validate(strategy: str, options: Options, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """What keeps the strategy from working on these targets; empty: nothing.

    `options` are the combo's, `candidates` what its targets lead to now. Findings that rest on facts about targets are
    left out while the combo leads nowhere.
    """
    if strategy not in STRATEGIES:
        return (f"No strategy is called `{strategy}`.{_meant(strategy, list(STRATEGIES))}",)
    findings = [*_of_options(strategy, options)]
    targets = _own(candidates)
    if targets:
        findings += _OF_TARGETS.get(strategy, _no_findings)(options, targets)
    return tuple(findings)


def remarks(strategy: str, options: Options, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """What works, but perhaps not as its owner thinks."""
    targets = _own(candidates)
    found: list[str] = []
    if len(targets) == 1 and strategy in _TAKE_TURNS:
        found.append(f"`{strategy}` has only `{targets[0].name}` to choose from: every strategy does the same here.")
    if strategy == "weighted" and (weights := WEIGHTS.read(options)):
        if not any(weights.values()):
            found.append("All weights are 0, so all targets are alike.")
        without = [t.name for t in targets if weight_of(weights, t) is None]
        if without and any(weights.values()):
            found.append(f"Without a weight and so only tried after the others: {_list(without)}.")
    if strategy == "cost-optimized" and (unpriced := [t.name for t in targets if t.facts.price is None]):
        found.append(f"Of unknown price and so tried last: {_list(unpriced)}.")
    if strategy == "context-optimized" and (unsized := [t.name for t in targets if t.facts.context_tokens is None]):
        found.append(f"Of unknown context window and so tried last: {_list(unsized)}.")
    return tuple(found)


def _own(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Without the last resort, which stands behind every strategy."""
    return [c for c in candidates if not c.connection.last_resort]


def _of_options(strategy: str, options: Options) -> list[str]:
    knobs = {knob.name: knob for knob in knobs_of(strategy)}
    findings: list[str] = []
    for name, value in options.items():
        if name not in knobs:
            findings.append(f"`{strategy}` has no option `{name}`.{_meant(name, list(knobs))}")
        elif problem := knobs[name].problem(value):
            findings.append(problem)
    return findings


def _weighted(options: Options, targets: Sequence[Candidate]) -> list[str]:
    if WEIGHTS.name not in options:
        return [f"`weighted` needs the option `weights`, for example {{ {targets[0].name!r} = 3 }}."]
    names = {name for target in targets for name in names_of(target)}
    near = [target.name for target in targets]
    return [
        f"`weights` names `{name}`, which is no target of this combo.{_meant(name, near)}"
        for name in WEIGHTS.read(options)
        if name not in names
    ]


def _cost_optimized(options: Options, targets: Sequence[Candidate]) -> list[str]:  # noqa: ARG001 (one shape for all)
    if any(target.facts.price is not None for target in targets):
        return []
    finding = (
        "`cost-optimized` needs a price, and none of its targets has a known one. Give one in the settings file under "
        f'[prices."{targets[0].name}"].'
    )
    return [finding]


def _context_optimized(options: Options, targets: Sequence[Candidate]) -> list[str]:  # noqa: ARG001 (one shape for all)
    if any(target.facts.context_tokens is not None for target in targets):
        return []
    return ["`context-optimized` needs a context window: none of its targets has a known one."]


def _no_findings(options: Options, targets: Sequence[Candidate]) -> list[str]:  # noqa: ARG001 (one shape for all)
    return []


_OF_TARGETS: Final[Mapping[str, Callable[[Options, Sequence[Candidate]], list[str]]]] = {
    "weighted": _weighted,
    "cost-optimized": _cost_optimized,
    "context-optimized": _context_optimized,
}


def _meant(name: str, known: Sequence[str]) -> str:
    if near := nearest(name, known, most=1):
        return f" Did you mean `{near[0]}`?"
    return f" Known: {_list(known)}."


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
