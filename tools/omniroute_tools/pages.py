"""Lists that grow are told page by page."""

from collections.abc import Sequence
from typing import Annotated, Final, TypeVar

from pydantic import Field

from omniroute_agent.kernel.errors import InvalidRequest

Item = TypeVar("Item")

Cursor = Annotated[str | None, Field(description="next_cursor of the page before.")]
_LONGEST: Final = 20


def page_of(items: Sequence[Item], cursor: str | None, size: int) -> tuple[Sequence[Item], str | None]:
    """One page and the cursor of the next; None: this is the last.

    Raises:
        InvalidRequest: the cursor is none of ours.
    """
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _LONGEST):
        raise InvalidRequest(
            "That cursor is not one of ours.", hint="Use next_cursor of the page before, or leave it out."
        )
    start = int(cursor or 0)
    end = start + size
    return items[start:end], str(end) if end < len(items) else None


def more_line(next_cursor: str | None) -> list[str]:
    """The last line of a page in words."""
    return [f"more with cursor {next_cursor}"] if next_cursor else []
