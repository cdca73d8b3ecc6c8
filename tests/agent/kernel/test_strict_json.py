import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.kernel.strict_json import MAX_DEPTH, BadJson, decode

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
ODD_PIECES = st.lists(
    st.sampled_from(
        [
            *'{}[],:" 0123456789.eE+-\\u/\n\t\0',
            "true",
            "null",
            "NaN",
            "Infinity",
            '"a":',
            "\\ud800",
            "\\udc00",
            "\ufeff",
            "é",
        ]
    ),
    max_size=30,
).map("".join)

ODD_BODIES = {
    "nothing": b"",
    "only blanks": b"  \n",
    "not a number": b'{"a": NaN}',
    "infinity": b"[Infinity]",
    "minus infinity": b"[-Infinity]",
    "a number out of range": b"[1e400]",
    "a small number out of range": b"[-1e400]",
    "an integer beyond 64 bits": b"[18446744073709551616]",
    "a negative integer beyond 64 bits": b"[-9223372036854775809]",
    "a very long integer": b"[" + b"9" * 10_000 + b"]",
    "a key twice": b'{"a": 1, "a": 2}',
    "a key twice, once escaped": b'{"a": 1, "\\u0061": 2}',
    "a key twice, deep": b'[{"b": {"a": 1, "a": 1}}]',
    "a lone surrogate": b'["\\ud800"]',
    "a lone low surrogate": b'["\\udc00 x"]',
    "a lone surrogate in a key": b'{"\\ud800": 1}',
    "a raw surrogate": '["\ud800"]'.encode("utf-8", "surrogatepass"),
    "bytes that are not UTF-8": b'["\xff"]',
    "an overlong encoding": b'["\xc0\xaf"]',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "nested too deep": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "nested absurdly deep": b'{"a":' * 100_000,
    "two values": b"{} {}",
    "something after the value": b"{}x",
    "half an object": b'{"a": ',
    "a comma too many": b"[1,]",
    "single quotes": b"{'a': 1}",
    "a comment": b"{} // no",
    "a raw line break in a text": b'["a\nb"]',
    "a raw zero byte in a text": b'["a\x00b"]',
    "a leading zero": b"[01]",
    "a leading plus": b"[+1]",
    "hexadecimal": b"[0x1F]",
    "a bad escape": b'["\\x41"]',
    "digits of another script": b"[\xd9\xa1]",
    "a Python word": b"[True]",
    "HTML": b"<!doctype html><title>502</title>",
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES.keys())
def test_an_odd_body_is_refused_with_words(body: bytes) -> None:
    with pytest.raises(BadJson) as raised:
        decode(body)
    assert str(raised.value)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": [1, -2.5e3, true, false, null, "x"]}',
        b"[18446744073709551615, -9223372036854775808]",
        b'"\\ud83d\\ude00"',
        '"😀"'.encode(),
        b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
        b'"' + b"[" * 1000 + b'"',
        b'["\\"[", ' + b",".join([b"[]"] * 200) + b"]",
        b"\t[1]\r\n",
        b"[1e-400]",
        b"[-0, -0.0, 1E+2]",
    ],
)
def test_what_is_good_reads_as_the_standard_library_reads_it(body: bytes) -> None:
    assert decode(body) == json.loads(body)
    assert decode(body.decode()) == json.loads(body)


@given(VALUES, st.booleans())
def test_every_value_in_bounds_survives(value: object, escaped: bool) -> None:
    assert decode(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(ODD_PIECES | st.text(), st.booleans())
def test_whatever_is_accepted_reads_equal_everywhere(text: str, as_bytes: bool) -> None:
    """No body may be refused in any way but `BadJson`, and none accepted that another parser reads differently."""
    with contextlib.suppress(BadJson):
        assert decode(text.encode("utf-8", "surrogatepass") if as_bytes else text) == json.loads(text)


@given(st.binary())
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    with contextlib.suppress(BadJson):
        decode(body)
