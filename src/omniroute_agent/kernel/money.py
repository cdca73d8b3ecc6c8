"""Money as integer nano-dollars (1e-9 USD) inside, decimal USD strings at every border.

Most token prices lie below one micro-dollar, and some borders turn integers into floats: hence both choices.
"""

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

NANO_PER_USD = 1_000_000_000


def usd(nano: int) -> str:
    """Nano-dollars as a plain decimal string of USD, without an exponent and without trailing zeros: `"0.00125"`."""
    sign, digits = ("-", -nano) if nano < 0 else ("", nano)
    whole, rest = divmod(digits, NANO_PER_USD)
    fraction = f"{rest:09d}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def nano_from_usd(amount: Decimal | str | int) -> int:
    """USD to nano-dollars, rounded up, so that a budget can only be over-counted.

    Raises:
        ValueError: not a finite decimal number.
    """
    try:
        value = amount if isinstance(amount, Decimal) else Decimal(amount)
    except InvalidOperation as error:
        raise ValueError(f"not an amount of USD: {str(amount)[:40]!r}") from error
    if not value.is_finite():
        raise ValueError("an amount of USD must be finite")
    return int((value * NANO_PER_USD).to_integral_value(rounding=ROUND_CEILING))


def _read(value: object) -> object:
    return nano_from_usd(value) if isinstance(value, str | Decimal) else value


Nano = Annotated[
    int,
    BeforeValidator(_read),
    PlainSerializer(usd, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string"}),
]
"""An integer of nano-dollars in Python; a decimal string of USD in JSON and JSON Schema."""
