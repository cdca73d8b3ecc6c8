"""Which tools somebody is shown, beside what the scopes allow: chosen by a server flag or kept with a key."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A narrowing of the list of tools. What is not set narrows nothing."""

    toolsets: frozenset[str] = frozenset()
    """Names of toolsets; empty: all of them."""
    tools: frozenset[str] = frozenset()
    """Names of tools, with their prefix, that are shown even though their toolset is not; without toolsets: only they.
    """
    exclude: frozenset[str] = frozenset()
    """Names of tools that are never shown, with their prefix."""
    read_only: bool = False
    """Only tools that change nothing."""


EVERYTHING: Final = View()
