"""A JSON decoder that refuses what two parsers could read differently, before any door looks at a body.

Refused: NaN and infinities, numbers out of range of a double, integers beyond 64 bits, duplicate keys, lone
surrogates, nesting deeper than `MAX_DEPTH`, bytes that are not UTF-8, anything after the value.
"""

import json
import math
from typing import Any, Final

from pydantic import JsonValue

MAX_DEPTH: Final = 64
_SMALLEST: Final = -(1 << 63)
_LARGEST: Final = (1 << 64) - 1


class BadJson(ValueError):
    """The text is not JSON we accept; the message says what and, where known, at which character."""


def _depth_is_bounded(text: str) -> bool:
    """Whether brackets outside strings nest at most `MAX_DEPTH` deep."""
    depth = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return False
        elif char in "]}":
            depth -= 1
    return True


def _constant(word: str) -> JsonValue:
    raise BadJson(f"{word} is not JSON")


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise BadJson(f"the number {digits[:20]} is out of range")
    return value


def _int(digits: str) -> int:
    if len(digits) > 20:  # noqa: PLR2004 (20 digits, or 19 and a sign)
        raise BadJson("an integer is longer than 64 bits")
    value = int(digits)
    if not _SMALLEST <= value <= _LARGEST:
        raise BadJson(f"the integer {digits} is longer than 64 bits")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise BadJson(f"the key {key[:40]!r} stands twice in one object")
            seen.add(key)
    return result


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int
)


def decode(body: bytes | str) -> JsonValue:
    """
    Raises:
        BadJson: see the module's list.
    """
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
    except UnicodeDecodeError as error:
        raise BadJson(f"byte {error.start} is not UTF-8") from None
    # Cheap upper bound first: a body with few brackets cannot nest deeply.
    if text.count("[") + text.count("{") > MAX_DEPTH and not _depth_is_bounded(text):
        raise BadJson(f"nested deeper than {MAX_DEPTH} levels")
    try:
        value: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise BadJson(f"{error.msg} at character {error.pos}") from None
    if "\\u" in text or not text.isprintable():
        _refuse_surrogates(value)
    return value


def _refuse_surrogates(value: JsonValue) -> None:
    stack: list[JsonValue] = [value]
    while stack:
        match stack.pop():
            case str() as text:
                if any("\ud800" <= char <= "\udfff" for char in text):
                    raise BadJson("a lone surrogate is not text")
            case dict() as members:
                stack += (*members.keys(), *members.values())
            case list() as items:
                stack += items
            case _:
                pass
