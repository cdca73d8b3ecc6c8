"""JSON Schema as Gemini's `Schema`, a subset of OpenAPI 3.0, and back.

Reference: the type Schema of google-genai 3.4 and https://ai.google.dev/gemini-api/docs/structured-output (2026-11).
The API also takes JSON Schema itself (`responseJsonSchema`, `parametersJsonSchema`); what the subset cannot say goes
there. `Schema` goes first, because older models and servers that imitate the API know nothing else.
"""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

_TYPES: Final = frozenset(("string", "number", "integer", "boolean", "array", "object"))
_SAID_THE_SAME: Final = frozenset(("title", "description", "default", "propertyOrdering"))
_OF_TYPE: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset(("minLength", "maxLength", "pattern")),
    "number": frozenset(("minimum", "maximum")),
    "integer": frozenset(("minimum", "maximum")),
    "boolean": frozenset(),
    "array": frozenset(("minItems", "maxItems")),
    "object": frozenset(("minProperties", "maxProperties")),
}
_MEANS_NOTHING: Final = frozenset(("$schema", "$id", "$comment", "examples", "readOnly", "writeOnly", "deprecated"))
_FORMATS: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset(("date-time",)),
    "number": frozenset(("float", "double")),
    "integer": frozenset(("int32", "int64")),
}


def as_schema(schema: JsonValue) -> dict[str, JsonValue] | None:
    """The schema in the API's subset; None when something in it has no word there."""
    if not isinstance(schema, dict):
        return None
    try:
        return _converted(schema)
    except (_NoWordError, RecursionError):
        return None


class _NoWordError(Exception):
    pass


def _converted(schema: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(schema, dict):
        raise _NoWordError  # `true` and `false` are schemas in JSON Schema
    left = {key: value for key, value in schema.items() if key not in _MEANS_NOTHING}
    found: dict[str, JsonValue] = {key: left.pop(key) for key in _SAID_THE_SAME if key in left}
    if "anyOf" in left:
        return found | _any_of(left)
    kind, nullable = _type_of(left)
    found["type"] = kind.upper()
    if nullable:
        found["nullable"] = True
    found |= {key: left.pop(key) for key in _OF_TYPE[kind] if key in left}
    match kind:
        case "string":
            found |= _words(left)
        case "array" if "items" in left:
            found["items"] = _converted(left.pop("items"))
        case "object":
            found |= _members(left)
        case _:
            pass
    form = left.pop("format", None)
    if form is not None and form not in _FORMATS.get(kind, ()):
        raise _NoWordError
    if left:
        raise _NoWordError
    return found if form is None else {**found, "format": form}


def _type_of(left: dict[str, JsonValue]) -> tuple[str, bool]:
    """The one type besides null."""
    value = left.pop("type", None)
    kinds = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    named = [kind for kind in kinds if isinstance(kind, str) and kind in _TYPES]
    others = [kind for kind in kinds if kind not in named]
    if len(named) != 1 or others not in ([], ["null"]):
        raise _NoWordError
    return named[0], bool(others)


def _any_of(left: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """A choice stands alone; one with null is a nullable schema."""
    choices = left.pop("anyOf")
    if left or not isinstance(choices, list):
        raise _NoWordError
    real = [choice for choice in choices if choice != {"type": "null"}]
    if not real:
        raise _NoWordError
    nullable: dict[str, JsonValue] = {"nullable": True} if len(real) < len(choices) else {}
    if len(real) == 1:
        return _converted(real[0]) | nullable
    converted: list[JsonValue] = [_converted(choice) for choice in real]
    return {"anyOf": converted, **nullable}


def _words(left: dict[str, JsonValue]) -> dict[str, JsonValue]:
    words: JsonValue = [left.pop("const")] if "const" in left else left.pop("enum", None)
    if words is None:
        return {}
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise _NoWordError
    return {"enum": words}


def _members(left: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The API refuses objects without properties, and gives no others than these, so a closed object needs no word."""
    properties, required = left.pop("properties", None), left.pop("required", None)
    if not isinstance(properties, dict) or not properties or left.pop("additionalProperties", False) is not False:
        raise _NoWordError
    found: dict[str, JsonValue] = {"properties": {name: _converted(inner) for name, inner in properties.items()}}
    if required:
        if not isinstance(required, list) or not all(name in properties for name in required):
            raise _NoWordError
        found["required"] = required
    return found


def has_no_members(schema: Mapping[str, JsonValue]) -> bool:
    """Whether a tool with these parameters takes none."""
    return not schema.get("properties") and not schema.keys() - {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "$schema",
        "title",
    }


# ---- back


def as_json_schema(schema: JsonValue) -> JsonValue:
    """A `Schema` (its names in camelCase) as JSON Schema. What it cannot know stays as it is."""
    if not isinstance(schema, dict):
        return schema
    found = dict(schema)
    nullable = found.pop("nullable", False) is True
    if isinstance(kind := found.get("type"), str):
        word = kind.lower()
        found["type"] = [word, "null"] if nullable else word
    if "format" in found and found["format"] == "enum":
        del found["format"]
    if isinstance(choices := found.get("anyOf"), list):
        null: list[JsonValue] = [{"type": "null"}] if nullable else []
        found["anyOf"] = [*(as_json_schema(choice) for choice in choices), *null]
    if "items" in found:
        found["items"] = as_json_schema(found["items"])
    if isinstance(properties := found.get("properties"), dict):
        found["properties"] = {name: as_json_schema(inner) for name, inner in properties.items()}
    return found
