"""On which line of a TOML file a value stands. The parser of the standard library tells lines for syntax errors only.

Knows table headers and keys at the start of a line, which is how people write settings; anything else (a value inside
an inline table) gets the line of what encloses it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

Place = tuple[str | int, ...]
"""`("server", "port")`, `("connections", 0, "id")`."""

_HEADER = re.compile(r"\s*\[(\[)?\s*(?P<name>[^\]]+?)\s*\]")
_KEY = re.compile(r"""\s*(?P<name>(?:[A-Za-z0-9_.-]|"[^"]*"|'[^']*')+)\s*=""")
_PIECE = re.compile(r""""([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)""")


def _pieces(name: str) -> Place:
    return tuple(quoted or literal or bare for quoted, literal, bare in _PIECE.findall(name))


def _places(text: str) -> Iterator[tuple[Place, int]]:
    table: Place = ()
    counts: dict[Place, int] = {}
    inside: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        started_inside = inside is not None
        for quotes in re.findall(r'"""|\'\'\'', line):
            inside = quotes if inside is None else None if inside == quotes else inside
        if started_inside:
            continue
        if header := _HEADER.match(line):
            table = _pieces(header["name"])
            if header[1]:
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield table, number
        elif key := _KEY.match(line):
            yield (*table, *_pieces(key["name"])), number


def lines(text: str) -> Mapping[Place, int]:
    """Every table and key with its first line, counted from 1."""
    found: dict[Place, int] = {}
    for place, number in _places(text):
        found.setdefault(place, number)
    return found


def line_of(place: Sequence[str | int], found: Mapping[Place, int]) -> int | None:
    """The line of `place`, or of the nearest thing around it."""
    for length in range(len(place), 0, -1):
        if number := found.get(tuple(place[:length])):
            return number
    return None
