"""Sealed values: what goes in comes out, and nothing else ever does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute_agent.kernel.sealed import CannotUnseal, Place
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.outside.sealing import FORMAT, MasterKey, OtherFormat, Tampered, WrongKey, key_id_of

KEY = MasterKey(Secret("01" * 32))
OTHER = MasterKey(Secret("02" * 32))
HERE = Place(table="connection", column="sealed_key", row="openai", version=3, bound=("openai", ""))
SECRET = Secret("obviously-fake-key")

texts = st.text(max_size=40)
places = st.builds(
    Place,
    table=texts,
    column=texts,
    row=texts,
    version=st.integers(min_value=0, max_value=2**63),
    bound=st.lists(texts, max_size=3).map(tuple),
)


@given(text=st.text(), place=places)
@settings(max_examples=200)
def test_what_was_sealed_opens_in_its_place(text: str, place: Place) -> None:
    assert KEY.unseal(KEY.seal(Secret(text), place), place) == Secret(text)


@given(here=places, there=places)
@settings(max_examples=200)
def test_it_opens_in_no_other_place(here: Place, there: Place) -> None:
    sealed = KEY.seal(SECRET, here)
    if here == there:
        assert KEY.unseal(sealed, there) == SECRET
    else:
        with pytest.raises(Tampered):
            KEY.unseal(sealed, there)


@pytest.mark.parametrize(
    "other",
    [
        Place(table="other", column="sealed_key", row="openai", version=3, bound=("openai", "")),
        Place(table="connection", column="sealed_headers", row="openai", version=3, bound=("openai", "")),
        Place(table="connection", column="sealed_key", row="groq", version=3, bound=("openai", "")),
        Place(table="connection", column="sealed_key", row="openai", version=4, bound=("openai", "")),
        Place(
            table="connection", column="sealed_key", row="openai", version=3, bound=("openai", "https://evil.example")
        ),
        # The same letters, cut elsewhere.
        Place(table="connection", column="sealed_key", row="openai", version=3, bound=("open", "ai")),
    ],
    ids=["table", "column", "swapped row", "older version put back", "other address", "shifted border"],
)
def test_a_value_that_was_moved_does_not_open(other: Place) -> None:
    with pytest.raises(Tampered, match="moved from another row"):
        KEY.unseal(KEY.seal(SECRET, HERE), other)


def test_every_single_changed_byte_is_noticed() -> None:
    sealed = KEY.seal(SECRET, HERE)
    for index in range(len(sealed)):
        for change in (0x01, 0x80, 0xFF):
            broken = bytearray(sealed)
            broken[index] ^= change
            with pytest.raises(CannotUnseal):
                KEY.unseal(bytes(broken), HERE)


def test_every_cut_and_every_added_byte_is_noticed() -> None:
    sealed = KEY.seal(SECRET, HERE)
    for length in range(len(sealed)):
        with pytest.raises(CannotUnseal):
            KEY.unseal(sealed[:length], HERE)
    with pytest.raises(Tampered):
        KEY.unseal(sealed + b"\0", HERE)


def test_another_key_is_told_from_a_broken_value() -> None:
    sealed = KEY.seal(SECRET, HERE)
    with pytest.raises(WrongKey, match=f"{KEY.id.hex()}.*{OTHER.id.hex()}"):
        OTHER.unseal(sealed, HERE)
    assert key_id_of(sealed) == KEY.id != OTHER.id


@pytest.mark.parametrize(("version", "age"), [(0, "an older"), (FORMAT + 1, "a newer")])
def test_another_format_is_refused_by_its_number(version: int, age: str) -> None:
    sealed = bytes((version,)) + KEY.seal(SECRET, HERE)[1:]
    with pytest.raises(OtherFormat, match=f"{age} format \\({version}\\)"):
        KEY.unseal(sealed, HERE)


def test_the_same_secret_never_looks_the_same() -> None:
    seen = {KEY.seal(SECRET, HERE) for _ in range(100)}
    assert len(seen) == 100
    assert not any(b"obviously" in sealed for sealed in seen)


def test_a_key_does_not_print_and_has_256_bits() -> None:
    assert "01" * 8 not in repr(KEY)
    with pytest.raises(ValueError, match="256 bits"):
        MasterKey(Secret("01" * 16))
