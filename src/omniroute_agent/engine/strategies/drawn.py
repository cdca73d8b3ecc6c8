"""Random orders: with and without memory."""

from collections.abc import Sequence

from omniroute_agent.engine.situation import Situation
from omniroute_agent.engine.strategies.chance import draws, shuffle
from omniroute_agent.engine.strategies.option import Option, Ranked, by_place


def random_order(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """Any order, each as likely as the other."""
    order = by_place(options)
    shuffle(order, draws(situation))
    return [
        Ranked(option=option, because=f"shuffled to place {place} of {len(order)}")
        for place, option in enumerate(order, start=1)
    ]


def strict_random(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """A bag without repetition: every target leads once before one leads again.

    A new bag never begins with the one that was used last.
    """
    if not options:
        return []
    state, chance, order = situation.combo, draws(situation), by_place(options)
    used = [option for option in order if option.name in state.bag]
    fresh = [option for option in order if option.name not in state.bag]
    shuffle(fresh, chance)
    if fresh:
        first, *waiting = fresh
        told = f"drawn from the bag of {len(order)}; {len(waiting)} wait in it"
    else:
        shuffle(used, chance)
        if len(used) > 1 and used[0].name == state.last_target:
            used[0], used[-1] = used[-1], used[0]
        first, *waiting = used
        used, told = [], f"the first out of a new bag of {len(order)}"
    return [
        Ranked(option=first, because=told),
        *(Ranked(option=option, because="waits in the bag") for option in waiting),
        *(Ranked(option=option, because="had its turn out of this bag") for option in used),
    ]
