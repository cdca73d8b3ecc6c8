"""What is wrong with the settings, said all at once and where it stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong. It never shows the value of a secret."""

    key: str
    """Dotted name of the setting (`server.port`), or the variable or file when no setting is meant."""
    message: str
    """What was expected, without a full stop."""
    where: str = ""
    """`--port`, `OMNIROUTE_SERVER_PORT`, or the file."""
    line: int | None = None
    """Line in the file, counted from 1, where it could be told."""
    nearest: tuple[str, ...] = ()
    """Known names that look like an unknown one."""

    def sentence(self) -> str:
        place = f"{self.where}:{self.line}" if self.line else self.where
        start = f"{place}: " if place and place != self.key else ""
        guess = f" Did you mean {' or '.join(f'`{name}`' for name in self.nearest)}?" if self.nearest else ""
        return f"{start}{self.key}: {self.message}.{guess}"


class SettingsError(Exception):
    """The settings cannot be used. Holds every problem that was found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.sentence() for problem in self.problems))


def nearest(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Up to two known names that look like `name`: compared as a whole, and by what stands after the section."""
    section, _, leaf = name.rpartition(".")
    beside = {other.rpartition(".")[2]: other for other in known if other.rpartition(".")[0] == section}
    anywhere = {other.rpartition(".")[2]: other for other in reversed(known)}
    found = [beside[near] for near in get_close_matches(leaf, list(beside), n=2, cutoff=0.6)]
    found += [anywhere[near] for near in get_close_matches(leaf, list(anywhere), n=2, cutoff=0.75)]
    return tuple(dict.fromkeys(found))[:2]


def unreadable(path: Path, error: OSError, *, key: str) -> Problem:
    return Problem(key=key, where=str(path), message=f"the file cannot be read ({error.strerror or error})")
