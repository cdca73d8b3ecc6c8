"""Combos inside combos: the plain targets a combo comes down to. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from omniroute_agent.engine.decision import Exclusion

COMBO_PREFIX: Final = "combo/"


class Nestable(Protocol):
    @property
    def targets(self) -> tuple[str, ...]: ...

    @property
    def enabled(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Expansion:
    targets: tuple[str, ...]
    """Without any combo among them, each once, where it came up first."""
    excluded: tuple[Exclusion, ...] = ()
    """Nested combos that lead nowhere."""
    loops: tuple[tuple[str, ...], ...] = ()
    """Names of combos round a circle; the last is the first."""


def nested_in(targets: Sequence[str]) -> tuple[str, ...]:
    """Names of the combos among them."""
    return tuple(target.removeprefix(COMBO_PREFIX) for target in targets if target.startswith(COMBO_PREFIX))


def expand(name: str, targets: Sequence[str], combos: Mapping[str, Nestable]) -> Expansion:
    """Depth first: a nested combo stands as a block, in its own order, where it was named.

    A combo that was met before adds nothing, and one that is met inside itself is left out there, so this ends after
    one look at each combo, whatever they hold.
    """
    if not any(target.startswith(COMBO_PREFIX) for target in targets):
        return Expansion(tuple(dict.fromkeys(targets)))
    found: dict[str, None] = {}
    excluded: dict[str, Exclusion] = {}
    loops: list[tuple[str, ...]] = []
    met = {name}
    # Not by recursion: a file may nest combos deeper than the interpreter's stack.
    path: dict[str, Iterator[str]] = {name: iter(targets)}
    while path:
        target = next(path[next(reversed(path))], None)
        if target is None:
            path.popitem()
            continue
        if not target.startswith(COMBO_PREFIX):
            found[target] = None
            continue
        inner = target.removeprefix(COMBO_PREFIX)
        if inner in path:
            loops.append((*_from(path, inner), inner))
            excluded.setdefault(target, _looped(target, loops[-1]))
        elif (combo := combos.get(inner)) is None:
            excluded.setdefault(target, _no(target, "unknown_target", f"No combo is called `{inner}`."))
        elif not combo.enabled:
            excluded.setdefault(target, _no(target, "combo_disabled", f"The combo `{inner}` is disabled."))
        elif inner not in met:
            met.add(inner)
            path[inner] = iter(combo.targets)
    return Expansion(tuple(found), tuple(excluded.values()), tuple(loops))


def loop_sentence(loop: Sequence[str]) -> str:
    return f"Combos nest each other in a loop: {' → '.join(f'`{name}`' for name in loop)}."


def _from(path: Mapping[str, object], name: str) -> list[str]:
    names = list(path)
    return names[names.index(name) :]


def _looped(target: str, loop: Sequence[str]) -> Exclusion:
    return _no(target, "combo_loop", f"{loop_sentence(loop)} It is left out here.")


def _no(target: str, reason: str, detail: str) -> Exclusion:
    return Exclusion(target=target, reason=reason, detail=detail)
