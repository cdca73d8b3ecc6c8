"""Strategies that spend quota: connection after connection, evenly, or before it expires.

Unknown quota is neither full nor empty: such a target stands after those with known room and before those without.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from operator import itemgetter
from typing import Final

from omniroute_agent.engine.breaker import clock
from omniroute_agent.engine.situation import QuotaWindow, Situation
from omniroute_agent.engine.strategies.option import Option, Ranked, by_place

USED_UP: Final = 0.01
"""A smaller share left than this is not counted on: our own count and the provider's differ by a call or two."""

_UNKNOWN: Final = "nothing is known of its quota"


def fill_first(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """The owner's order, each connection until its quota is used up."""
    room: list[Ranked] = []
    spent: list[Ranked] = []
    for option in by_place(options):
        left = situation.quota_left(option.candidate)
        place = f"place {option.place + 1} in the order given"
        if left is None:
            room.append(Ranked(option=option, because=f"{place}; {_UNKNOWN}"))
        elif left > USED_UP:
            room.append(Ranked(option=option, because=f"{place}; {left:.0%} of its quota left to fill"))
        else:
            spent.append(_spent(option, situation))
    return room + spent


def headroom(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """The largest share of quota left first."""
    left = {id(option): situation.quota_left(option.candidate) for option in options}
    return _graded(
        options,
        situation,
        grades=left,
        told=lambda option, grade: f"{grade:.0%} of its quota left",  # noqa: ARG005 (one shape for both)
    )


def reset_aware(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """What would expire unused goes first: share of quota left over share of the window's time left.

    Of several windows of a connection the tightest counts: a full five-hour window does not drain a scarce week.
    """
    return _graded(
        options,
        situation,
        grades={id(option): _surplus(option, situation) for option in options},
        told=lambda option, grade: (
            f"{situation.quota_left(option.candidate) or 0:.0%} of its quota left, {grade:.1f} times what its time "
            "left would take"
        ),
    )


def _surplus(option: Option, situation: Situation) -> float | None:
    """Above 1 a connection's quota will be left over at its reset, below 1 it runs out before; None: unknown."""
    windows = situation.windows(option.candidate)
    known = [surplus for w in windows if (surplus := _of_window(w, situation.now)) is not None]
    return min(known, default=None)


def _of_window(window: QuotaWindow, now: float) -> float | None:
    if window.left is None or window.resets_at is None or not window.seconds or window.seconds < 0:
        return None
    if window.resets_at <= now:
        return window.left  # a new window has begun, nobody knows when: all of its time is taken to be ahead
    return window.left / min(max((window.resets_at - now) / window.seconds, 0.001), 1.0)


def _graded(
    options: Sequence[Option],
    situation: Situation,
    *,
    grades: Mapping[int, float | None],
    told: Callable[[Option, float], str],
) -> list[Ranked]:
    """By falling grade; then those without one; then those whose quota is used up, the earliest reset first."""
    graded: list[tuple[float, Ranked]] = []
    unknown: list[Ranked] = []
    spent: list[tuple[float, Ranked]] = []
    for option in by_place(options):
        left, grade = situation.quota_left(option.candidate), grades[id(option)]
        if left is not None and left <= USED_UP:
            spent.append((_reset(option, situation) or inf, _spent(option, situation)))
        elif grade is None:
            because = _UNKNOWN if left is None else f"{left:.0%} of its quota left; nobody knows when it resets"
            unknown.append(Ranked(option=option, because=because))
        else:
            graded.append((-grade, Ranked(option=option, because=told(option, grade))))
    by_first = itemgetter(0)
    return [*(r for _, r in sorted(graded, key=by_first)), *unknown, *(r for _, r in sorted(spent, key=by_first))]


def _spent(option: Option, situation: Situation) -> Ranked:
    reset = _reset(option, situation)
    until = f" until {clock(reset)}" if reset else ""
    return Ranked(option=option, because=f"its quota is used up{until}")


def _reset(option: Option, situation: Situation) -> float | None:
    """When the last of its used-up windows starts anew; None: unknown."""
    windows = situation.windows(option.candidate)
    return max(
        (w.resets_at for w in windows if w.left is not None and w.left <= USED_UP and w.resets_at is not None),
        default=None,
    )
