"""Strategies that go back to a target that did well: to the last that answered, to the one that holds the prompt."""

from collections.abc import Sequence

from omniroute_agent.engine.breaker import clock
from omniroute_agent.engine.situation import Situation
from omniroute_agent.engine.strategies.option import Option, Ranked, by_place, led_by

_NEXT = "the owner's order after it"


def lkgp(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """Last known good: the target that answered last leads, the owner's order follows."""
    for option in options:
        if option.name == situation.combo.last_good:
            return led_by(option, options, "it answered the combo's latest request", _NEXT)
    seen = [(at, -o.place, o) for o in options if (at := situation.record(o.candidate).last_success_at) is not None]
    if seen:
        at, _, option = max(seen, key=lambda row: row[:2])
        return led_by(option, options, f"the last of them known to answer, at {clock(at)}", _NEXT)
    return [Ranked(option=o, because="the owner's order: none is known to have answered") for o in by_place(options)]


def cache_affinity(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """The target whose prompt cache may still hold this prompt's beginning leads, the owner's order follows."""
    affinity = situation.affinity
    if affinity is None or affinity.expires_at <= situation.now:
        told = "the owner's order: no target is known to hold this prompt's beginning"
        return [Ranked(option=option, because=told) for option in by_place(options)]
    for option in options:
        if option.name == affinity.target:
            ago = max(situation.now - affinity.served_at, 0.0)
            because = f"it served this prompt's beginning {ago:.0f} s ago and may still have it cached"
            return led_by(option, options, because, _NEXT)
    told = f"the owner's order: {affinity.target} may hold this prompt's beginning, but cannot be used now"
    return [Ranked(option=option, because=told) for option in by_place(options)]
