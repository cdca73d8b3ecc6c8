from collections.abc import Sequence

from omniroute_agent.engine.situation import Situation
from omniroute_agent.engine.strategies.option import Option, Ranked
from omniroute_agent.kernel.money import usd


def cost_optimized(options: Sequence[Option], situation: Situation) -> list[Ranked]:  # noqa: ARG001 (one shape for all)
    """Cheapest expected cost of this very call first; an unknown price comes after every known one.

    Equal costs keep the owner's order: `sorted` is stable, so ties are broken by hand.
    """
    by_cost = sorted(options, key=lambda o: (o.expected_cost is None, o.expected_cost or 0, o.place))
    return [
        Ranked(
            option=option,
            because="its price is unknown, so it comes last"
            if option.expected_cost is None
            else f"expected {usd(option.expected_cost)} USD for this call",
        )
        for option in by_cost
    ]
