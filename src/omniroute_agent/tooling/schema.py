"""JSON Schema as every client can live with it: no `$ref`, no titles, no combinators at the top; in arguments no null
unions either, in results nothing that only repeats what is there anyway.

Sources: the Anthropic API refuses a whole request over a top-level `anyOf`; Codex keeps only a handful of keywords;
VS Code drops tools whose schema it cannot validate (clients read 2026-09).
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, cast

from pydantic import BaseModel

from omniroute_agent.tooling.tool import Tool

Schema = dict[str, Any]

_BOUNDS: Final = ("minimum", "maximum", "minLength", "maxLength", "pattern", "default")


@cache
def input_schema(model: type[BaseModel]) -> Schema:
    """What a client sees of the arguments: optional ones are left out of `required` instead of taking null."""
    raw = model.model_json_schema(mode="validation")
    definitions = {name: _without_docstring(definition) for name, definition in raw.get("$defs", {}).items()}
    return _clean(_without_docstring(raw), definitions, result=False)


@cache
def output_schema(model: type[BaseModel]) -> Schema:
    """What a client sees of the result: every field is always there, null where it is not known.

    Only the top level lists its fields as required. The lists of the nested objects would repeat each name once more, a
    tenth of all that is said.
    """
    raw = model.model_json_schema(mode="serialization")
    definitions = {name: _without_docstring(definition) for name, definition in raw.get("$defs", {}).items()}
    return _clean(_without_docstring(raw), definitions, result=True)


def contract(tool: Tool) -> Schema:
    """Everything a client sees of a tool, in the shape that is pinned in `tools/contracts/`."""
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "scopes": sorted(tool.scopes),
        "toolsets": sorted(tool.toolsets),
        "annotations": {
            "readOnlyHint": tool.hints.read_only,
            "destructiveHint": tool.hints.destructive,
            "idempotentHint": tool.hints.idempotent,
            "openWorldHint": tool.hints.open_world,
        },
        "inputSchema": input_schema(tool.input),
        "outputSchema": output_schema(tool.output),
    }


def _without_docstring(definition: Schema) -> Schema:
    return {key: value for key, value in definition.items() if key != "description"}


def _clean(schema: Mapping[str, Any], definitions: Mapping[str, Any], *, result: bool, top: bool = True) -> Schema:
    """Inline references and drop what costs a model's context and tells it nothing: titles, the docstrings of nested
    values, defaults that are empty or the first of an enumeration; of arguments the `null` in unions, of results the
    bounds. That unknown names are refused is said once, at the top.
    """
    node = dict(schema)
    if reference := node.pop("$ref", None):
        return _clean({**definitions[reference.rpartition("/")[2]], **node}, definitions, result=result, top=top)
    if "anyOf" in node and not result:
        options = [option for option in node.pop("anyOf") if option.get("type") != "null"]
        if len(options) == 1:
            return _clean({**options[0], **node}, definitions, result=result, top=top)
        node["anyOf"] = options
    for key in ("title", "$defs", "discriminator", *(_BOUNDS if result else ())):
        node.pop(key, None)
    if result and not top:
        node.pop("required", None)
    if not node.get("default", ...) or node.get("default") == next(iter(node.get("enum", ())), ...):
        del node["default"]
    if not top or node.get("additionalProperties") == {}:
        node.pop("additionalProperties", None)
    return {key: _clean_value(key, value, definitions, result=result) for key, value in node.items()}


def _clean_value(key: str, value: Any, definitions: Mapping[str, Any], *, result: bool) -> Any:
    if key == "properties":
        fields = cast("dict[str, Schema]", value)
        return {name: _clean(field, definitions, result=result, top=False) for name, field in fields.items()}
    if key in ("default", "examples", "enum", "const"):
        return value
    if isinstance(value, dict):
        return _clean(cast("Schema", value), definitions, result=result, top=False)
    if isinstance(value, list):
        return [
            _clean(item, definitions, result=result, top=False) if isinstance(item, dict) else item for item in value
        ]
    return value
