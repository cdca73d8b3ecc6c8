"""YAML as text: one member of a mapping goes in or out and every other byte stays.

ruamel.yaml says where each node stands; it writes nothing, because even its faithful writer sets other people's quotes,
indents and line breaks anew.
"""

import json
import re
from collections.abc import Sequence
from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from omniroute_agent.clients.problems import NoPlace, Unreadable

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_WORDS_WITH_MEANING: Final = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


def read(text: str) -> Any:
    """
    Raises:
        Unreadable: this is not one YAML document.
    """
    try:
        loaded = YAML(typ="safe", pure=True).load(StringIO(text))
    except (YAMLError, ValueError, RecursionError) as error:
        raise Unreadable(" ".join(str(error).split())) from None
    return {} if loaded is None else loaded


def put(text: str, path: Sequence[str], value: Any) -> str:
    """`text` with `value` at `path`, replaced or inserted.

    Raises:
        Unreadable: this is not one YAML document.
        NoPlace: it is written in a way this does not extend.
    """
    newline = _newline(text)
    node = _root(text)
    if node is None:
        return _ended(text, newline) + _block(path, value, "", newline)
    key: Node | None = None
    for depth, name in enumerate(path):
        if not isinstance(node, MappingNode):
            if key is not None and isinstance(node, ScalarNode) and node.value == "":
                return _below(text, key, _block(path[depth:], value, " " * (key.start_mark.column + 2), newline))
            raise NoPlace(f"`{'.'.join(path[:depth])}` is not a mapping" if depth else "it does not hold a mapping")
        found = [pair for pair in node.value if pair[0].value == name]
        if not found:
            return _inserted(text, node, key, path[depth:], value)
        key, node = found[-1]
    start, end = _value_span(text, node)
    before = text[:start].rstrip()
    # A list under its key moves up to it: below, it would have to be indented more than a list in blocks.
    start = start if text.count("\n", len(before), start) == 0 or not before.endswith(":") else len(before)
    gap = " " if text[start - 1] == ":" else ""
    return text[:start] + gap + json.dumps(value, ensure_ascii=False) + text[end:]


def drop(text: str, path: Sequence[str]) -> str:
    """`text` without the member at `path`, which is there.

    Raises:
        Unreadable: this is not one YAML document.
    """
    node = _root(text)
    parent_key: Node | None = None
    key: Node | None = None
    parent = node
    for name in path:
        assert isinstance(node, MappingNode)
        parent, parent_key = node, key
        key, node = next(pair for pair in node.value if pair[0].value == name)
    assert isinstance(parent, MappingNode)
    assert key is not None
    assert node is not None
    end = _value_span(text, node)[1]
    if parent.flow_style:
        return _without_item(text, key.start_mark.index, end)
    start = _line_start(text, key.start_mark.index)
    line_end = text.find("\n", end)
    cut = text[:start] + ("" if line_end < 0 else text[line_end + 1 :])
    if len(parent.value) > 1 or parent_key is None:
        return cut
    # The last one went: a bare key would mean nothing at all in place of an empty mapping.
    colon = text.index(":", parent_key.end_mark.index) + 1
    return cut[:colon] + " {}" + cut[colon:]


def _root(text: str) -> Node | None:
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(StringIO(text))
    except (YAMLError, ValueError, RecursionError) as error:
        raise Unreadable(" ".join(str(error).split())) from None
    return node


def _inserted(text: str, node: MappingNode, key: Node | None, path: Sequence[str], value: Any) -> str:
    newline = _newline(text)
    if node.flow_style:
        at = node.start_mark.index + 1
        drawn = json.dumps(_nested(path, value), ensure_ascii=False)[1:-1]
        return f"{text[:at]}{drawn}{', ' if node.value else ''}{text[at:]}"
    block = _block(path, value, " " * node.start_mark.column, newline)
    if key is not None:
        return _below(text, key, block)
    if re.search(r"^\.\.\.", text, re.MULTILINE):
        raise NoPlace("its end is marked with `...`")
    return _ended(text, newline) + block


def _below(text: str, key: Node, block: str) -> str:
    """Behind the line of a key: before its first member and any comment of that one."""
    end = text.find("\n", key.end_mark.index)
    return f"{text}\n{block}" if end < 0 else text[: end + 1] + block + text[end + 1 :]


def _block(path: Sequence[str], value: Any, indent: str, newline: str) -> str:
    lines = []
    for name in path[:-1]:
        lines.append(f"{indent}{_drawn_key(name)}:")
        indent += "  "
    lines.append(f"{indent}{_drawn_key(path[-1])}:")
    if isinstance(value, dict):
        lines += _members(value, indent + "  ")
    else:
        lines[-1] += f" {json.dumps(value, ensure_ascii=False)}"
    return "".join(f"{line}{newline}" for line in lines)


def _members(value: dict[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            lines += [f"{indent}{_drawn_key(key)}:", *_members(inner, indent + "  ")]
        else:
            lines.append(f"{indent}{_drawn_key(key)}: {json.dumps(inner, ensure_ascii=False)}")
    return lines


def _drawn_key(key: str) -> str:
    plain = _PLAIN.fullmatch(key) and key.lower() not in _WORDS_WITH_MEANING
    return key if plain else json.dumps(key, ensure_ascii=False)


def _value_span(text: str, node: Node) -> tuple[int, int]:
    """From its first to behind its last character: the library counts comments and empty lines behind a block in."""
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, ScalarNode) or getattr(node, "flow_style", False):
        return start, end
    inner = node.value[-1]
    last = inner[1] if isinstance(inner, tuple) else inner
    return start, _value_span(text, last)[1]


def _without_item(text: str, start: int, end: int) -> str:
    """One item less in `{ … }`, with one of the commas beside it."""
    behind = re.compile(r"\s*,[ \t]*").match(text, end)
    if behind:
        return text[:start] + text[behind.end() :]
    before = re.search(r"\s*,\s*\Z", text[:start])
    return text[: before.start() if before else start] + text[end:]


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _ended(text: str, newline: str) -> str:
    return text if not text or text.endswith("\n") else text + newline


def _nested(path: Sequence[str], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value
