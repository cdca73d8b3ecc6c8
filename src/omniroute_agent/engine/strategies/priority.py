from collections.abc import Sequence

from omniroute_agent.engine.situation import Situation
from omniroute_agent.engine.strategies.option import Option, Ranked


def priority(options: Sequence[Option], situation: Situation) -> list[Ranked]:  # noqa: ARG001 (one shape for all)
    """The owner's own order."""
    return [
        Ranked(option=option, because=f"place {option.place + 1} in the order given")
        for option in sorted(options, key=lambda option: option.place)
    ]
