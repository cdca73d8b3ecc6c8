"""Whether JSON that a model wrote has the shape that was asked for.

Looked at are type, enum, const, required, properties, additionalProperties (false), items and anyOf; other words of a
schema are taken to be kept. Patterns and references are left alone: a schema comes from a caller, and neither a slow
pattern nor a far document may be its way in.
"""

import json
from collections.abc import Callable, Mapping
from typing import Final

from pydantic import JsonValue

_DEEPEST: Final = 32

_TYPES: Final[Mapping[str, Callable[[JsonValue], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def parses(text: str) -> bool:
    return _read(text) is not None


def conforms(text: str, schema: Mapping[str, JsonValue] | None) -> bool:
    """Whether the text is JSON of that shape; without a schema any object will do."""
    found = _read(text)
    if found is None:
        return False
    return isinstance(found[0], dict) if schema is None else _fits(found[0], dict(schema), _DEEPEST)


def _read(text: str) -> tuple[JsonValue] | None:
    try:
        return (json.loads(text),)
    except (ValueError, RecursionError):
        return None


def _fits(value: JsonValue, schema: JsonValue, depth: int) -> bool:
    if not isinstance(schema, dict) or depth == 0:
        return schema is not False
    enum, any_of = schema.get("enum"), schema.get("anyOf")
    return (
        _of_type(value, schema.get("type"))
        and ("const" not in schema or value == schema["const"])
        and (not isinstance(enum, list) or value in enum)
        and (not isinstance(any_of, list) or any(_fits(value, one, depth - 1) for one in any_of))
        and (not isinstance(value, dict) or _members_fit(value, schema, depth))
        and (not isinstance(value, list) or all(_fits(item, schema.get("items", True), depth - 1) for item in value))
    )


def _of_type(value: JsonValue, wanted: JsonValue) -> bool:
    names = [name for name in (wanted if isinstance(wanted, list) else [wanted]) if isinstance(name, str)]
    return not names or any(_TYPES[name](value) for name in names if name in _TYPES)


def _members_fit(value: dict[str, JsonValue], schema: dict[str, JsonValue], depth: int) -> bool:
    required, properties = schema.get("required"), schema.get("properties")
    named = properties if isinstance(properties, dict) else {}
    if isinstance(required, list) and any(name not in value for name in required if isinstance(name, str)):
        return False
    if schema.get("additionalProperties") is False and any(name not in named for name in value):
        return False
    return all(_fits(member, named[name], depth - 1) for name, member in value.items() if name in named)
