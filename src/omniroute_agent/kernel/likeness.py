"""The known names that are most like one that is not known. The names come from callers, so the search has an end."""

from collections.abc import Collection
from difflib import get_close_matches
from heapq import nlargest
from typing import Final

LONGEST: Final = 200
"""Characters; nothing here has a longer name, so nothing is like it."""
_COMPARED: Final = 200
"""Names that are compared in full. Of more, those that begin and end most like it."""


def nearest(name: str, known: Collection[str], *, most: int = 3, cutoff: float = 0.5) -> list[str]:
    """Up to `most` names, the most like first; `cutoff` is the least share of characters in common, twice counted."""
    if len(name) > LONGEST:
        return []
    compared = known if len(known) <= _COMPARED else nlargest(_COMPARED, known, key=lambda each: _ends(name, each))
    return get_close_matches(name, [each for each in compared if len(each) <= LONGEST], n=most, cutoff=cutoff)


def _ends(one: str, other: str) -> int:
    """How many characters both begin with, and end with."""
    return _shared(one, other) + _shared(one[::-1], other[::-1])


def _shared(one: str, other: str) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
