"""Names that stand for other names: exact ones, and patterns with `*` (any run, slashes too) and `?` (one character).

Pure matching, used where aliases are defined and where they are followed. Letters match as they are written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_STEPS: Final = 8
"""An alias may lead to another one; a longer chain is taken for a mistake."""
_MAX_TEXT: Final = 200


class AliasLoop(ValueError):
    """Aliases lead in a circle or on and on; the message shows the way."""


def check_alias(pattern: str, target: str) -> None:
    """
    Raises:
        ValueError: what is wrong with it.
    """
    for what, text in (("an alias", pattern), ("its target", target)):
        if not 0 < len(text) <= _MAX_TEXT or not text.isprintable() or text != text.strip():
            raise ValueError(f"{what} has 1 to {_MAX_TEXT} printable characters and no space around it")
    if pattern.startswith("combo/"):
        raise ValueError("`combo/` always means the combo of that name")
    if "*" in target or "?" in target:
        raise ValueError("only the alias may hold `*` and `?`, its target is one name")


def matches(pattern: str, name: str) -> bool:
    """In time of pattern × name at most, whatever either of them holds: a star that fails is retried one further on."""
    at = place = 0
    star, resume = -1, 0
    while place < len(name):
        if at < len(pattern) and pattern[at] == "*":
            star, resume = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", name[place]):
            at += 1
            place += 1
        elif star >= 0:
            resume += 1
            at, place = star + 1, resume
        else:
            return False
    return not pattern[at:].strip("*")


def _specific(pattern: str) -> tuple[int, int, str]:
    """Sorts patterns: most literal characters first, then most `?`, then by their letters."""
    marks = pattern.count("*") + pattern.count("?")
    return (marks - len(pattern), -pattern.count("?"), pattern)


@dataclass(frozen=True, slots=True)
class Aliases:
    """`table` maps pattern → target. An exact name wins over any pattern, then the most literal characters decide."""

    table: Mapping[str, str] = field(default_factory=dict[str, str])

    def of(self, name: str) -> str | None:
        """The pattern that applies to a name."""
        if name in self.table:
            return name
        if len(name) > _MAX_TEXT:
            return None
        patterns = (pattern for pattern in self.table if "*" in pattern or "?" in pattern)
        return min((p for p in patterns if matches(p, name)), key=_specific, default=None)

    def follow(self, name: str) -> tuple[str, ...]:
        """The names on the way from `name` to what it stands for, both ends included; only itself without an alias.

        A target that its own pattern matches (`gpt-*` → `gpt-5-mini`) is the end.

        Raises:
            AliasLoop: there is no end.
        """
        way = [name]
        while (pattern := self.of(way[-1])) is not None and (target := self.table[pattern]) != way[-1]:
            way.append(target)
            if target in way[:-1] or len(way) > MAX_STEPS:
                raise AliasLoop(f"the aliases lead in a circle: {' → '.join(f'`{each}`' for each in way)}")
        return tuple(way)


def refuse_loops(table: Mapping[str, str], new: Iterable[str] | None = None) -> None:
    """
    Raises:
        AliasLoop: an alias (one of the patterns `new`, else any) leads nowhere.
    """
    aliases = Aliases(table)
    for pattern in table if new is None else new:
        aliases.follow(table[pattern])
