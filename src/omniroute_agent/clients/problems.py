"""What keeps a client's file from being changed. Whoever raises this has written nothing."""

from dataclasses import dataclass


@dataclass
class CannotEdit(Exception):
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return self.message


class Unreadable(Exception):
    """The text is not what the format says: where, and what was expected."""


def position(text: str, at: int) -> str:
    """`line 3, column 5` of an offset."""
    line = text.count("\n", 0, at) + 1
    return f"line {line}, column {at - text.rfind(chr(10), 0, at)}"


class NoPlace(Exception):
    """The text is fine, and written in a way this program does not change; says which."""
