"""Arguments of a call: read by the tool's own model, refused in words a model can act on.

A refusal names the field, what belongs there and the nearest known name. It never repeats a value, because a value may
be huge or secret.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json

from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.kernel.likeness import nearest
from omniroute_agent.tooling.schema import Schema, input_schema
from omniroute_agent.tooling.tool import Tool, ToolInput

_SHOWN_PROBLEMS: Final = 5
_SHOWN_CHOICES: Final = 16
_NAME_LENGTH: Final = 60
_OWN_WORDS_LENGTH: Final = 200
"""Of a validator's own sentence: the only text here that could quote its input."""


def read_arguments(tool: Tool, arguments: Mapping[str, Any] | None) -> ToolInput:
    """Arguments as the tool's input. JSON's rules apply: `"7"` is not a number, a list may fill a tuple.

    Raises:
        InvalidRequest: with every problem, at most five spelled out.
    """
    try:
        return tool.input.model_validate_json(to_json(arguments or {}), strict=True)
    except ValidationError as error:
        raise _refusal(tool, error.errors(include_url=False)) from None
    except ValueError:
        raise InvalidRequest("The arguments are not JSON: a lone surrogate is not text.") from None


def _refusal(tool: Tool, errors: Sequence[ErrorDetails]) -> InvalidRequest:
    schema = input_schema(tool.input)
    problems: dict[str, str] = {}
    for error in errors:
        path, words = _problem(schema, error)
        problems.setdefault(path, words)
    # Of a union every option complains: only the complaint that got furthest is of use.
    kept = {
        path: words
        for path, words in problems.items()
        if not any(other != path and other.startswith((f"{path}.", f"{path}[")) for other in problems)
    }
    shown = list(kept.values())[:_SHOWN_PROBLEMS]
    if len(kept) > len(shown):
        shown.append(f"There are {len(kept) - len(shown)} more problems.")
    known = list(schema.get("properties", {}))
    hint = f"Arguments of {tool.name}: {_listed(known)}." if known else f"{tool.name} takes no arguments."
    return InvalidRequest(" ".join(shown), hint=hint, facts={"arguments": list(kept)[:_SHOWN_CHOICES]})


def _problem(schema: Schema, error: ErrorDetails) -> tuple[str, str]:
    """The path of one problem and a sentence about it."""
    if error["type"] == "extra_forbidden":
        path, node = _walk(schema, error["loc"][:-1])
        name = str(error["loc"][-1])[:_NAME_LENGTH]
        near = nearest(name, _properties(node), most=1)
        ask = f"; did you mean `{near[0]}`?" if near else "."
        where = f"an argument of `{path}`" if path else "an argument"
        return _joined(path, name), f"`{name}` is not {where}{ask}"
    path, node = _walk(schema, error["loc"])
    field = f"`{path}`" if path else "The arguments"
    if error["type"] == "missing":
        return path, f"{field} is missing: {_expected(node)}."
    if error["type"] in ("value_error", "assertion_error"):
        own = str(error.get("ctx", {}).get("error", "refused"))[:_OWN_WORDS_LENGTH]
        return path, f"{field}: {own}{'' if own.endswith('.') else '.'}"
    given = f", not {_kind(error['input'])}" if error["type"].endswith("_type") else ""
    return path, f"{field} must be {_expected(node)}{given}."


def _walk(schema: Schema, steps: Sequence[str | int]) -> tuple[str, Schema]:
    """Follow a pydantic location; steps that only name an option of a union are skipped."""
    path, node = "", schema
    for step in steps:
        if isinstance(step, int):
            path, node = f"{path}[{step}]", _items(node)
        elif step in (fields := _properties(node)):
            path, node = _joined(path, step), fields[step]
        elif "additionalProperties" in node and isinstance(node["additionalProperties"], dict):
            path, node = _joined(path, step[:_NAME_LENGTH]), cast("Schema", node["additionalProperties"])
    return path, node


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _options(node: Schema) -> list[Schema]:
    return [node, *node.get("anyOf", ()), *node.get("oneOf", ())]


def _properties(node: Schema) -> dict[str, Schema]:
    return {name: field for option in _options(node) for name, field in option.get("properties", {}).items()}


def _items(node: Schema) -> Schema:
    return next((option["items"] for option in _options(node) if isinstance(option.get("items"), dict)), {})


def _expected(node: Schema) -> str:
    """What a schema asks for, in words."""
    if options := [*node.get("anyOf", ()), *node.get("oneOf", ())]:
        return " or ".join(dict.fromkeys(_expected(option) for option in options))
    if "enum" in node:
        return f"one of {_listed([str(choice) for choice in node['enum']])}"
    if "const" in node:
        return f"`{node['const']}`"
    fields = list(node.get("properties", {}))
    words = {
        "string": f"text{_bounds(node, 'Length', ' characters')}",
        "integer": f"an integer{_range(node)}",
        "number": f"a number{_range(node)}",
        "boolean": "true or false",
        "array": f"a list{_bounds(node, 'Items', ' items')}",
        "object": f"an object with {_listed(fields)}" if fields else "an object",
    }
    return words.get(str(node.get("type")), "a JSON value that fits the schema")


def _range(node: Schema) -> str:
    return _between(
        node.get("minimum"), node.get("maximum"), node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    )


def _bounds(node: Schema, what: str, unit: str) -> str:
    said = _between(node.get(f"min{what}"), node.get(f"max{what}"), None, None)
    return said.replace(" from ", " of ") + unit if said else ""


def _between(least: Any, most: Any, over: Any, under: Any) -> str:
    if least is not None and most is not None:
        return f" from {least} to {most}"
    words = (("of at least", least), ("greater than", over), ("of at most", most), ("less than", under))
    said = " and ".join(f"{word} {bound}" for word, bound in words if bound is not None)
    return f" {said}" if said else ""


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case _:
            return "an object"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name[:_NAME_LENGTH]}`" for name in names[:_SHOWN_CHOICES])
    return f"{shown} …" if len(names) > _SHOWN_CHOICES else shown
