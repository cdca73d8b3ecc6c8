from collections.abc import Sequence

from omniroute_agent.engine.situation import Situation
from omniroute_agent.engine.strategies.option import Option, Ranked, by_place, ranked_all


def priority(options: Sequence[Option], situation: Situation) -> list[Ranked]:  # noqa: ARG001 (one shape for all)
    """The owner's own order."""
    order = by_place(options)
    return ranked_all(order, [f"place {option.place + 1} in the order given" for option in order])
