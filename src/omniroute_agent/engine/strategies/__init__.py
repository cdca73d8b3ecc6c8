"""Strategies: pure functions from options to an order with a reason for each place, and the table of them."""

from collections.abc import Mapping
from typing import Final

from omniroute_agent.engine.strategies.cost_optimized import cost_optimized
from omniroute_agent.engine.strategies.option import Option, Ranked, Strategy
from omniroute_agent.engine.strategies.priority import priority

STRATEGIES: Final[Mapping[str, Strategy]] = {
    "priority": priority,
    "cost-optimized": cost_optimized,
}

__all__ = ["STRATEGIES", "Option", "Ranked", "Strategy"]
