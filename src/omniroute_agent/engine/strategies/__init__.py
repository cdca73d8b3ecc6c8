"""Strategies: pure functions from options to an order with a reason for each place, and the table of them."""

from collections.abc import Mapping
from typing import Final

from omniroute_agent.engine.strategies.auto import auto
from omniroute_agent.engine.strategies.by_quota import fill_first, headroom, reset_aware
from omniroute_agent.engine.strategies.context_optimized import context_optimized
from omniroute_agent.engine.strategies.cost_optimized import cost_optimized
from omniroute_agent.engine.strategies.drawn import random_order, strict_random
from omniroute_agent.engine.strategies.least_used import least_used
from omniroute_agent.engine.strategies.option import Option, Ranked, Strategy
from omniroute_agent.engine.strategies.p2c import p2c
from omniroute_agent.engine.strategies.priority import priority
from omniroute_agent.engine.strategies.remembered import cache_affinity, lkgp
from omniroute_agent.engine.strategies.round_robin import round_robin
from omniroute_agent.engine.strategies.weighted import weighted

STRATEGIES: Final[Mapping[str, Strategy]] = {
    "priority": priority,
    "weighted": weighted,
    "round-robin": round_robin,
    "random": random_order,
    "strict-random": strict_random,
    "fill-first": fill_first,
    "p2c": p2c,
    "least-used": least_used,
    "cost-optimized": cost_optimized,
    "context-optimized": context_optimized,
    "lkgp": lkgp,
    "headroom": headroom,
    "reset-aware": reset_aware,
    "cache-affinity": cache_affinity,
    "auto": auto,
}

__all__ = ["STRATEGIES", "Option", "Ranked", "Strategy"]
