from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from omniroute_agent.kernel.money import NANO_PER_USD, Nano, nano_from_usd, usd


class Bill(BaseModel):
    cost: Nano


@given(st.integers(min_value=-(10**24), max_value=10**24))
def test_an_amount_survives_the_border_in_both_directions(nano: int) -> None:
    assert nano_from_usd(usd(nano)) == nano
    assert Bill.model_validate_json(Bill(cost=nano).model_dump_json()).cost == nano


@given(st.integers(min_value=-(10**24), max_value=10**24))
def test_an_amount_is_written_plainly(nano: int) -> None:
    text = usd(nano)
    assert "e" not in text.lower()
    assert text == "0" or not text.endswith(".")
    assert "." not in text or not text.endswith("0")
    assert Decimal(text) * NANO_PER_USD == nano


@given(st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, allow_infinity=False, places=15))
def test_reading_rounds_up_by_less_than_one_nano_dollar(amount: Decimal) -> None:
    over = Decimal(nano_from_usd(amount)) - amount * NANO_PER_USD
    assert 0 <= over < 1


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "0"), (1, "0.000000001"), (1_250_000, "0.00125"), (5_000_000_000, "5"), (-500_000_000, "-0.5")],
)
def test_known_amounts_read_as_people_write_them(nano: int, text: str) -> None:
    assert usd(nano) == text
    assert nano_from_usd(text) == nano


@pytest.mark.parametrize("text", ["", "five", "NaN", "Infinity", "-inf", "1,5", "$1"])
def test_what_is_not_an_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount of USD"):
        nano_from_usd(text)
    with pytest.raises(ValidationError):
        Bill.model_validate({"cost": text})


def test_a_model_shows_money_as_text_and_reads_bare_integers_as_nano_dollars() -> None:
    assert Bill(cost=1_500_000_000).model_dump(mode="json") == {"cost": "1.5"}
    assert Bill(cost=1_500_000_000).model_dump() == {"cost": 1_500_000_000}
    assert Bill.model_json_schema(mode="serialization")["properties"]["cost"]["type"] == "string"
