"""Price lists as straight lines in whole numbers, one for each stretch of prompt lengths that is priced alike.

A plan asks for hundreds of prices at once, and the full calculation takes 100 µs for one.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple

from omniroute_agent.kernel.money import NANO_PER_USD
from omniroute_agent.kernel.value import value

MILLION: Final = 1_000_000


@value
class Line:
    """Nano-dollars: `fee` per request, `input` and `output` per million tokens."""

    fee: int
    input: int
    output: int

    def at(self, input_tokens: int, output_tokens: int) -> int:
        """Exact, rounded up once."""
        return self.fee - (-(input_tokens * self.input + output_tokens * self.output) // MILLION)


def line(fee: Decimal, read: Decimal, written: Decimal) -> Line | None:
    """Of USD per request and per million tokens; None when they are no whole nano-dollars."""
    parts = [amount * NANO_PER_USD for amount in (fee, read, written)]
    if any(part != int(part) for part in parts):
        return None
    return Line(int(parts[0]), int(parts[1]), int(parts[2]))


def line_of(charge: Callable[[int, int], Decimal]) -> Line | None:
    """The line through what is charged (USD for input and output tokens), which must have no tiers: four points would
    not tell. None when it is none.
    """
    fee, read, written = charge(0, 0), charge(MILLION, 0), charge(0, MILLION)
    if charge(MILLION, MILLION) != read + written - fee:
        return None
    return line(fee, read - fee, written - fee)


class Tariff(NamedTuple):
    """Both lines that hold for one call: what its plain tokens cost, and what they may at worst. Plain numbers, because
    planning takes them apart hundreds of times.
    """

    fee: int
    input: int
    output: int
    worst_fee: int
    worst_input: int
    worst_output: int

    def worst(self, input_tokens: int, output_tokens: int) -> int:
        """As `Line.at`."""
        return self.worst_fee - (-(input_tokens * self.worst_input + output_tokens * self.worst_output) // MILLION)

    def most_output(self, input_tokens: int, left: int) -> int | None:
        """The most output tokens with which the worst is at most `left` nano-dollars, below 0 when the prompt alone
        exceeds that; None: as many as one likes.
        """
        spare = (left - self.worst_fee) * MILLION - input_tokens * self.worst_input
        if self.worst_output:
            return spare // self.worst_output
        return None if spare >= 0 else -1


def tariff(plain: Line, worst: Line) -> Tariff:
    return Tariff(plain.fee, plain.input, plain.output, worst.fee, worst.input, worst.output)
