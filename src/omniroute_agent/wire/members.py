"""Guarded reading of JSON that others wrote: every wrong type becomes one error that names the field.

`Members` takes an object apart member by member; what nobody took is the rest, which travels along when the message
leaves in the dialect it came in (`with_rest`).
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import Rest
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.wire.errors import WireError

MOST: Final = 2**31 - 1
"""Of anything that is counted; more is a mistake, and times a price it would not fit any ledger."""

Refuse = Callable[[str], Exception]


def refuse_request(message: str) -> Exception:
    return InvalidRequest(message, hint="Mend the request; nothing was sent.")


def refuse_answer(message: str) -> Exception:
    return WireError(f"Its answer breaks its dialect: {message}")


_KINDS: Final[Mapping[type, str]] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


class Members:
    """The members of one JSON object. A missing member and null are the same, unless a method says otherwise."""

    def __init__(self, value: JsonValue | Mapping[str, JsonValue], path: str, refuse: Refuse) -> None:
        if not isinstance(value, Mapping):
            raise refuse(f"`{path}` must be an object, not {_KINDS[type(value)]}.")
        self._left = dict(value)
        self.path = path
        self.refuse: Final = refuse

    def where(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def refused(self, key: str, expected: str) -> Exception:
        return self.refuse(f"`{self.where(key)}` must be {expected}.")

    def refused_value(self, key: str, value: JsonValue, expected: str) -> Exception:
        return self.refused(key, f"{expected}, not {_KINDS[type(value)]}")

    def take(self, key: str) -> JsonValue:
        return self._left.pop(key, None)

    def text(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str):
            raise self.refused_value(key, value, "a text")
        return value

    def text_or_none(self, key: str) -> str | None:
        value = self.take(key)
        if value is not None and not isinstance(value, str):
            raise self.refused_value(key, value, "a text")
        return value

    def word_or_none(self, key: str, allowed: Iterable[str]) -> str | None:
        value = self.text_or_none(key)
        if value is not None and value not in allowed:
            raise self.refused(key, f"one of {', '.join(allowed)}")
        return value

    def count_or_none(self, key: str) -> int | None:
        """A whole number from 0 to `MOST`; 5.0 counts as 5."""
        value = self.take(key)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
            raise self.refused(key, f"a whole number from 0 to {MOST}")
        return value

    def number_or_none(self, key: str) -> float | None:
        value = self.take(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise self.refused_value(key, value, "a number")
        return value

    def flag_or_none(self, key: str) -> bool | None:
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            raise self.refused_value(key, value, "true or false")
        return value

    def inside(self, key: str) -> "Members":
        return Members(self.take(key), self.where(key), self.refuse)

    def inside_or_none(self, key: str) -> "Members | None":
        value = self.take(key)
        return None if value is None else Members(value, self.where(key), self.refuse)

    def object_or_none(self, key: str) -> dict[str, JsonValue] | None:
        value = self.take(key)
        if value is not None and not isinstance(value, dict):
            raise self.refused_value(key, value, "an object")
        return value

    def each(self, key: str) -> "list[Members]":
        """The objects of a list."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.refused_value(key, value, "a list")
        return self.members_of(key, value)

    def members_of(self, key: str, items: Sequence[JsonValue]) -> "list[Members]":
        return [Members(item, f"{self.where(key)}[{at}]", self.refuse) for at, item in enumerate(items)]

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.take(key)
        if value is None:
            return ()
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list):
            raise self.refused_value(key, value, "a text or a list of texts")
        found = tuple(item for item in value if isinstance(item, str))
        if len(found) != len(value):
            raise self.refused(key, "a list of texts")
        return found

    def rest(self) -> dict[str, JsonValue]:
        """What was not taken, null members too."""
        return self._left


def with_rest(written: dict[str, JsonValue], rest: Rest) -> dict[str, JsonValue]:
    """`written` and beside it what `rest` kept, object by object; where both have a word, the written one stands."""
    merged = dict(written)
    for key, kept in rest.items():
        there = merged.get(key)
        if isinstance(there, dict) and isinstance(kept, dict):
            merged[key] = with_rest(there, kept)
        elif key not in merged:
            merged[key] = kept
    return merged


def only_filled(**members: JsonValue) -> dict[str, JsonValue]:
    """The members that are not None."""
    return {key: value for key, value in members.items() if value is not None}


def _no_constant(word: str) -> float:
    raise ValueError(word)


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _no_constant(digits)


_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def json_object(text: str) -> dict[str, JsonValue] | None:
    """The object that `text` spells in JSON, or None when it spells anything else.

    Half a surrogate pair becomes a question mark: it is no text and could not be sent on.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        if _SURROGATE_ESCAPE.search(text):
            value = json.loads(compact(value).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def event_object(data: str) -> dict[str, JsonValue]:
    """The data of one stream event.

    Raises:
        WireError: not a JSON object.
    """
    if (value := json_object(data)) is None:
        raise WireError("An event of its stream is not a JSON object.", excerpt=data)
    return value


def compact(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def shown(value: JsonValue) -> str:
    """The beginning of a JSON value, for a person."""
    try:
        return compact(value)[:200]
    except RecursionError:
        return "(nested too deep to show)"
