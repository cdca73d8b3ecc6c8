"""What a caller may do: sixteen scopes, three wildcards, four presets."""

from collections.abc import Iterable
from typing import Final

SCOPES: Final = (
    "read:health",
    "read:combos",
    "write:combos",
    "read:quota",
    "read:usage",
    "read:models",
    "execute:completions",
    "execute:search",
    "write:budget",
    "write:resilience",
    "write:pricing",
    "read:memory",
    "write:memory",
    "read:skills",
    "write:skills",
    "execute:skills",
)

_READS: Final = tuple(s for s in SCOPES if s.startswith("read:"))

PRESETS: Final = {
    "readonly": frozenset(_READS),
    "agent": frozenset((*_READS, "execute:completions", "execute:search")),
    "monitor": frozenset(("read:health", "read:quota", "read:usage")),
    "full": frozenset(("*",)),
}

_WILDCARDS: Final = frozenset(("*", "read:*", "write:*", "execute:*"))


def parse_scopes(words: Iterable[str]) -> frozenset[str]:
    """Scopes from words that may be scopes, wildcards or preset names.

    Raises:
        ValueError: a word is none of these; the message lists what is allowed.
    """
    granted: set[str] = set()
    for word in words:
        if word in PRESETS:
            granted |= PRESETS[word]
        elif word in SCOPES or word in _WILDCARDS:
            granted.add(word)
        else:
            allowed = ", ".join((*PRESETS, *SCOPES, *sorted(_WILDCARDS)))
            raise ValueError(f"`{word}` is not a scope or preset. Allowed: {allowed}.")
    return frozenset(granted)


def known_scopes(words: Iterable[str]) -> frozenset[str]:
    """Those of the words that are scopes or wildcards."""
    return frozenset(word for word in words if word in SCOPES or word in _WILDCARDS)


def covers(granted: frozenset[str], needed: str) -> bool:
    """Whether `granted` includes `needed`. `write:x` implies `read:x`."""
    verb, _, noun = needed.partition(":")
    if needed in granted or "*" in granted or f"{verb}:*" in granted:
        return True
    return verb == "read" and (f"write:{noun}" in granted or "write:*" in granted)


def missing(granted: frozenset[str], needed: Iterable[str]) -> tuple[str, ...]:
    """The needed scopes that are not granted, sorted."""
    if "*" in granted:
        return ()
    return tuple(sorted(s for s in needed if not covers(granted, s)))
