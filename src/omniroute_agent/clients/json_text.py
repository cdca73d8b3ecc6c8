"""JSON with comments and trailing commas, as text: one member goes in or out and every other byte stays.

A parser of our own, because a library that writes JSON again forgets comments, order or layout, and a client's file
belongs to somebody else. It keeps offsets beside values; an edit is a splice.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from omniroute_agent.clients.problems import NoPlace, Unreadable, position

_TRIVIA: Final = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SCALAR: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
_INDENTED: Final = re.compile(r'^([ \t]+)"', re.MULTILINE)
_DEEPEST: Final = 100


@dataclass(frozen=True, slots=True)
class _Node:
    start: int
    end: int
    data: Any
    members: "tuple[_Member, ...] | None" = None
    """None: not an object."""


@dataclass(frozen=True, slots=True)
class _Member:
    start: int
    key: str
    value: _Node
    comma: int | None
    """Where the comma after it stands."""


def read(text: str) -> Any:
    """The value; an empty text is an object without members, as clients take it.

    Raises:
        Unreadable: this is not JSON, even with comments.
    """
    return _parse(text).data if text.strip() else {}


def put(text: str, path: Sequence[str], value: Any) -> str:
    """`text` with `value` at `path`, replaced or inserted.

    Raises:
        Unreadable: this is not JSON, even with comments.
        NoPlace: something on the way is not an object.
    """
    if not text.strip():
        return text + _drawn(_nested(path, value), "  ", "", "\n") + "\n"
    node = _parse(text)
    for depth, key in enumerate(path):
        if node.members is None:
            raise NoPlace(_not_an_object(path[:depth]))
        found = [member for member in node.members if member.key == key]
        if not found:
            return _inserted(text, node, key, _nested(path[depth + 1 :], value))
        node = found[-1].value  # the last one counts, as in every client
    newline, unit = _style(text)
    return text[: node.start] + _drawn(value, unit, _indent(text, node.start), newline) + text[node.end :]


def drop(text: str, path: Sequence[str]) -> str:
    """`text` without the member at `path`, however often it stands there.

    Raises:
        Unreadable: this is not JSON, even with comments.
    """
    while True:
        node = _parse(text)
        for key in path[:-1]:
            node = [member for member in node.members or () if member.key == key][-1].value
        members = node.members or ()
        index = next((index for index, member in enumerate(members) if member.key == path[-1]), None)
        if index is None:
            return text
        text = _without(text, members, index)


def _parse(text: str) -> _Node:
    node = _value(text, _after_trivia(text, 0), 0)
    end = _after_trivia(text, node.end)
    if end != len(text):
        raise Unreadable(f"{position(text, end)}: there is more after the end")
    return node


def _after_trivia(text: str, at: int) -> int:
    match = _TRIVIA.match(text, at)
    assert match is not None
    if text.startswith("/*", match.end()):
        raise Unreadable(f"{position(text, match.end())}: this comment has no end")
    return match.end()


def _value(text: str, at: int, depth: int) -> _Node:
    if depth > _DEEPEST:
        raise Unreadable(f"{position(text, at)}: nested too deeply")
    match text[at : at + 1]:
        case "{":
            return _object(text, at, depth)
        case "[":
            return _array(text, at, depth)
        case '"':
            end, data = _string(text, at)
            return _Node(at, end, data)
    scalar = _SCALAR.match(text, at)
    if scalar is None:
        raise Unreadable(f"{position(text, at)}: a value was expected")
    try:
        return _Node(at, scalar.end(), json.loads(scalar[0]))
    except ValueError:
        raise Unreadable(f"{position(text, at)}: this number is too long") from None


def _string(text: str, at: int) -> tuple[int, str]:
    match = _STRING.match(text, at)
    try:
        if match is not None:
            data: str = json.loads(match[0])
            return match.end(), data
    except ValueError:
        pass
    raise Unreadable(f"{position(text, at)}: this string is not closed, or has a wrong escape")


def _object(text: str, start: int, depth: int) -> _Node:
    members: list[_Member] = []
    at = _after_trivia(text, start + 1)
    while text[at : at + 1] != "}":
        if members and members[-1].comma is None:
            raise Unreadable(f"{position(text, at)}: a comma or `}}` was expected")
        if text[at : at + 1] != '"':
            raise Unreadable(f"{position(text, at)}: a name in double quotes was expected")
        end, key = _string(text, at)
        colon = _after_trivia(text, end)
        if text[colon : colon + 1] != ":":
            raise Unreadable(f"{position(text, colon)}: a colon was expected")
        value = _value(text, _after_trivia(text, colon + 1), depth + 1)
        after = _after_trivia(text, value.end)
        comma = after if text[after : after + 1] == "," else None
        members.append(_Member(at, key, value, comma))
        at = after if comma is None else _after_trivia(text, comma + 1)
    return _Node(start, at + 1, {member.key: member.value.data for member in members}, tuple(members))


def _array(text: str, start: int, depth: int) -> _Node:
    items: list[Any] = []
    at = _after_trivia(text, start + 1)
    closed = True
    while text[at : at + 1] != "]":
        if not closed:
            raise Unreadable(f"{position(text, at)}: a comma or `]` was expected")
        value = _value(text, at, depth + 1)
        items.append(value.data)
        at = _after_trivia(text, value.end)
        closed = text[at : at + 1] == ","
        if closed:
            at = _after_trivia(text, at + 1)
    return _Node(start, at + 1, items)


def _inserted(text: str, node: _Node, key: str, value: Any) -> str:
    newline, unit = _style(text)
    members = node.members or ()
    if members and not re.search(r"[\r\n]", text[node.start : node.end]):
        end = members[-1].value.end
        return f"{text[:end]}, {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}{text[end:]}"
    own = _indent(text, node.start)
    indent = own + unit
    if members and not text[_line_start(text, members[-1].start) : members[-1].start].strip():
        indent = _indent(text, members[-1].start)
        unit = indent.removeprefix(own) or unit
    # Behind the last comment, so that it stays with what it belongs to.
    end = len(text[: node.end - 1].rstrip(" \t\r\n"))
    piece = f"{newline}{indent}{json.dumps(key, ensure_ascii=False)}: {_drawn(value, unit, indent, newline)}"
    if not members:
        closing = "" if re.search(r"[\r\n]", text[end : node.end - 1]) else newline + own
        return text[:end] + piece + closing + text[end:]
    last = members[-1].value.end
    if members[-1].comma is not None:
        return f"{text[:end]}{piece},{text[end:]}"
    return f"{text[:last]},{text[last:end]}{piece}{text[end:]}"


def _without(text: str, members: Sequence[_Member], index: int) -> str:
    """One member less, with its comma and the space it took; comments stay."""
    member = members[index]
    start = member.start
    end = member.value.end if member.comma is None else member.comma + 1
    if member.comma is not None and text[member.value.end : member.comma].strip():
        end = member.value.end  # a comment stands before its comma
        text = text[: member.comma] + text[member.comma + 1 :]
    line = _line_start(text, start)
    blank_before = not text[line:start].strip()
    rest = re.compile(r"[ \t]*(?=[\r\n])").match(text, end)
    if blank_before and rest is not None and line > 0:
        end = rest.end()
        start = line - (2 if text[line - 2 : line] == "\r\n" else 1)
    elif member.comma is None:
        start = len(text[:start].rstrip(" \t")) if not blank_before else start
    else:
        end = len(text) - len(text[end:].lstrip(" \t"))
    text = text[:start] + text[end:]
    if member.comma is None and index > 0:
        comma = members[index - 1].comma
        assert comma is not None
        text = text[:comma] + text[comma + 1 :]
    return text


def _style(text: str) -> tuple[str, str]:
    """The line end and the indentation of this text."""
    indented = _INDENTED.search(text)
    return "\r\n" if "\r\n" in text else "\n", indented[1] if indented else "  "


def _line_start(text: str, at: int) -> int:
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def _indent(text: str, at: int) -> str:
    line = text[_line_start(text, at) : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _drawn(value: Any, unit: str, indent: str, newline: str) -> str:
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", newline + indent)


def _nested(path: Sequence[str], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _not_an_object(path: Sequence[str]) -> str:
    return f"`{'.'.join(path)}` is not an object there" if path else "it does not hold an object"
