"""What a combo remembers after a request, so that the next one goes on from there."""

from collections.abc import Sequence
from dataclasses import replace

from omniroute_agent.engine.situation import ComboState


def routed(state: ComboState, choices: Sequence[str]) -> ComboState:
    """The state after a request was routed to `choices` (names, in order), before anyone knows how it ends.

    Kept when the plan is made and not when the answer is there: requests that run at once shall not all lead to the
    same target.
    """
    if not choices:
        return state
    led = choices[0]
    # `strict-random` leads with a target that had its turn only when the bag is empty: then a new one begins.
    bag = (led,) if led in state.bag else (*state.bag, led)
    return replace(
        state,
        turns=state.turns + 1,
        last_target=led,
        streak=state.streak + 1 if led == state.last_target else 1,
        bag=tuple(name for name in bag if not state.pool or name in state.pool),
    )


def answered(state: ComboState, target: str) -> ComboState:
    return replace(state, last_good=target)
