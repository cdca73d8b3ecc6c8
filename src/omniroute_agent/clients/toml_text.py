"""TOML as text: one table goes in or out and every other byte stays.

The standard library's parser judges each edit: of the ways to cut lines, the first is taken whose result says the same
as before without what was to go. tomlkit would take a comment that follows a table away with it.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from omniroute_agent.clients.problems import NoPlace, Unreadable
from omniroute_agent.clients.values import get, same_but_for_emptiness, without

_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_VALUE: Final = 200
"""Lines that one value may take to be found."""


def read(text: str) -> dict[str, Any]:
    """
    Raises:
        Unreadable: this is not TOML.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from None


def put(text: str, path: Sequence[str], value: Any) -> str:
    """`text` with `value` at `path`: a table that is appended, or one key of a table that is there.

    Raises:
        Unreadable: this is not TOML.
        NoPlace: the table is written in a way that cannot be extended.
    """
    data = read(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    if isinstance(value, dict):
        lines = [f"[{'.'.join(map(_key, path))}]", *(f"{_key(key)} = {_drawn(inner)}" for key, inner in value.items())]
        gap = "" if not text else newline if text.endswith("\n") else newline * 2
        changed = text + gap + "".join(f"{line}{newline}" for line in lines)
    elif get(data, path) is None:
        changed = _with_line(text, path, value, newline)
    else:
        start, end = _span(text, path)
        changed = f"{text[:start]}{_key(path[-1])} = {_drawn(value)}{newline}{text[end:]}"
    try:
        read(changed)
    except Unreadable:
        raise NoPlace(f"`{'.'.join(path[:-1])}` is written as an inline or dotted table") from None
    return changed


def drop(text: str, path: Sequence[str]) -> str:
    """`text` without the table at `path`, which is there.

    Raises:
        Unreadable: this is not TOML.
        NoPlace: it is written in a way that cannot be cut out.
    """
    wanted = without(read(text), path)
    blocks = list(_blocks(text, path))
    # All of them, else one: what looks like a header may stand in a long string.
    for chosen in (blocks, *([block] for block in blocks)):
        changed = text
        for start, end in reversed(chosen):
            changed = changed[:start] + changed[end:]
        if _says(changed, wanted, path):
            return changed
    start, end = _span(text, path)
    return text[:start] + text[end:]


def _blocks(text: str, path: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where the table at `path` and those in it stand: from a header to the last key, without comments behind it."""
    own = False
    start = end = at = 0
    for line in _LINE.findall(text):
        header = _header(line)
        if header is not None:
            ours = list(header[: len(path)]) == list(path)
            if own and not ours:
                yield _with_gap(text, start, end)
            start = start if own and ours else at
            own = ours
        at += len(line)
        if line.strip() and not line.lstrip().startswith("#"):
            end = at
    if own:
        yield _with_gap(text, start, end)


def _with_gap(text: str, start: int, end: int) -> tuple[int, int]:
    """The empty line before a table goes with it when nothing but an empty line or the end follows."""
    before = re.search(r"(?<=\n)\r?\n\Z", text[:start])
    if before and re.match(r"\s*\Z|\r?\n", text[end:]):
        start = before.start()
    return start, end


def _header(line: str) -> tuple[str, ...] | None:
    """The path of a table header; None: the line is something else."""
    if not line.lstrip().startswith("["):
        return None
    try:
        data: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    path: list[str] = []
    while data:
        if isinstance(data, list):
            data = data[0]
            continue
        ((key, data),) = data.items()
        path.append(key)
    return tuple(path)


def _span(text: str, path: Sequence[str]) -> tuple[int, int]:
    """The fewest lines that hold what is at `path` and nothing else."""
    wanted = without(read(text), path)
    starts = [0]
    for line in _LINE.findall(text):
        starts.append(starts[-1] + len(line))
    for first, start in enumerate(starts[:-1]):
        if path[-1] not in text[start : starts[first + 1]]:
            continue
        for end in starts[first + 1 : first + 1 + _LONGEST_VALUE]:
            if _says(text[:start] + text[end:], wanted, path):
                return start, end
    raise NoPlace(f"`{'.'.join(path)}` is written together with something else")


def _says(text: str, wanted: Any, path: Sequence[str]) -> bool:
    try:
        return same_but_for_emptiness(read(text), wanted, path[:-1])
    except Unreadable:
        return False


def _with_line(text: str, path: Sequence[str], value: Any, newline: str) -> str:
    at = 0
    for line in _LINE.findall(text):
        at += len(line)
        if _header(line) == tuple(path[:-1]):
            gap = "" if line.endswith("\n") else newline
            return f"{text[:at]}{gap}{_key(path[-1])} = {_drawn(value)}{newline}{text[at:]}"
    raise NoPlace(f"`{'.'.join(path[:-1])}` is written as an inline or dotted table")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _drawn(key)


def _drawn(value: Any) -> str:
    match value:
        case bool() | int() | float():
            return json.dumps(value)
        case str():
            # The same escapes as JSON, except that DEL must be one, too.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple():
            return f"[{', '.join(map(_drawn, value))}]"
        case dict():
            return f"{{ {', '.join(f'{_key(key)} = {_drawn(inner)}' for key, inner in value.items())} }}"
    raise TypeError(type(value).__name__)
