from collections.abc import Sequence

from omniroute_agent.engine.situation import Situation
from omniroute_agent.engine.strategies.option import Option, Ranked


def least_used(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """Fewest recent attempts first; among equals the one that rested longest."""
    span = f"{situation.stats_seconds / 60:g} minutes"

    def use(option: Option) -> tuple[int, float, int]:
        record = situation.record(option.candidate)
        return record.attempts, record.last_used_at or 0.0, option.place

    return [
        Ranked(option=option, because=f"{use(option)[0]} attempts in the last {span}")
        for option in sorted(options, key=use)
    ]
