from collections.abc import Sequence

from omniroute_agent.engine.situation import Situation
from omniroute_agent.engine.strategies.chance import draws, pick
from omniroute_agent.engine.strategies.option import Option, Ranked, by_place


def p2c(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """Power of two choices: two are drawn, the healthier and quicker of them leads.

    Better than the best of all: no crowd of requests runs to the same target at once.
    """
    order = by_place(options)
    if len(order) < 2:  # noqa: PLR2004 (it takes two)
        return [Ranked(option=option, because="the only one") for option in order]
    chance = draws(situation)
    one = order.pop(pick(len(order), next(chance)))
    two = order.pop(pick(len(order), next(chance)))
    first, second, why = _better(one, two, situation)
    return [
        Ranked(option=first, because=f"drawn with {second.name}; {why}"),
        Ranked(option=second, because=f"drawn with {first.name}, which went first"),
        *(Ranked(option=option, because="not drawn") for option in order),
    ]


def _better(one: Option, two: Option, situation: Situation) -> tuple[Option, Option, str]:
    breakers = situation.breaker(one.candidate), situation.breaker(two.candidate)
    if breakers[0] != breakers[1]:
        return *_ordered(one, two, swap=breakers[0] < breakers[1]), "the other's breaker is not closed"
    first, second = situation.record(one.candidate), situation.record(two.candidate)
    if first.answer_ms is not None and second.answer_ms is not None:
        quick, slow = sorted((first.answer_ms, second.answer_ms))
        told = f"about {quick:.0f} ms to an answer against {slow:.0f}"
        return *_ordered(one, two, swap=second.answer_ms < first.answer_ms), told
    if first.success != second.success:
        high, low = sorted((first.success, second.success), reverse=True)
        told = f"it answers more often ({high:.0%} against {low:.0%}); latency unknown"
        return *_ordered(one, two, swap=first.success < second.success), told
    return one, two, "nothing measured tells them apart"


def _ordered(one: Option, two: Option, *, swap: bool) -> tuple[Option, Option]:
    return (two, one) if swap else (one, two)
