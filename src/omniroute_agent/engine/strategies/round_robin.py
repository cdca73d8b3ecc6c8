from collections.abc import Sequence

from omniroute_agent.engine.situation import ComboState, Situation
from omniroute_agent.engine.strategies.knobs import STICKY
from omniroute_agent.engine.strategies.option import Option, Ranked, by_place


def round_robin(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """In turn, each for `sticky` requests in a row, so that a provider's prompt cache has something to hold."""
    if not options:
        return []
    state, ordered = situation.combo, by_place(options)
    sticky = int(STICKY.read(state.options))
    names = [option.name for option in ordered]
    if state.last_target in names and state.streak < sticky:
        first = names.index(state.last_target)
        because = f"its turn: request {state.streak + 1} of {sticky} in a row"
    else:
        first = _next(ordered, state)
        after = f" after {state.last_target}" if state.last_target else ""
        because = f"its turn{after}: request 1 of {sticky} in a row"
    ring = [*ordered[first + 1 :], *ordered[:first]]
    rest = [Ranked(option=o, because=f"{place} further in the round") for place, o in enumerate(ring, start=1)]
    return [Ranked(option=ordered[first], because=because), *rest]


def _next(ordered: Sequence[Option], state: ComboState) -> int:
    """The first eligible one behind the last target in the owner's order, round the corner if need be."""
    if state.last_target is None:
        return 0
    known = next((option.place for option in ordered if option.name == state.last_target), None)
    if known is None and state.last_target in state.pool:
        known = state.pool.index(state.last_target)
    if known is None:
        # It is no part of the combo any more: count on from the number of requests.
        return state.turns % len(ordered)
    return next((i for i, option in enumerate(ordered) if option.place > known), 0)
