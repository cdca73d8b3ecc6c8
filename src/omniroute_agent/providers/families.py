"""What a model's name says of its place in its family, and who follows on it. Rules only, no list of models.

A name is words, a version and perhaps a snapshot: `claude-sonnet-4-5-20250929` is version 4.5 of `claude … sonnet`, in
the snapshot of that day. Numbers of one or two digits, also joined by dots, are the version; sizes (`70b`) and joined
words (`4o`) are part of the family, so a larger or another model is never taken for a newer one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_VERSION: Final = re.compile(r"\d{1,2}(\.\d{1,2})*")
_LEADING_VERSION: Final = re.compile(r"([a-z]+)(\d{1,2}(?:\.\d{1,2})*)")
"""`qwen3`, `o4`, `k2.5`: a word with its version behind it."""
_SNAPSHOT: Final = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{6}|\d{4}|\d{2}-\d{2}|\d{2}-\d{4}|\d{3}|latest)$")
_DATE: Final = re.compile(r"\d{4}|\d{6}|\d{8}")
_TRIALS: Final = frozenset(("preview", "exp", "experimental", "beta", "alpha", "rc"))
_PLAIN: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelName:
    family: tuple[str, ...]
    """Its words, with the vendor's prefix and a `:free` or a tag at the end."""
    version: tuple[int, ...]
    snapshot: str
    """Digits of a date or a build, sortable within one spelling; empty for a plain name, `latest` for that."""
    trial: bool
    """Its name says preview, beta or the like."""


def parse(model: str) -> ModelName:
    prefix, slash, rest = model.lower().rpartition("/")
    name, colon, tag = rest.partition(":")
    snapshot = ""
    if found := _SNAPSHOT.search(name):
        snapshot = _sortable(found[1])
        name = name[: found.start()]
    family: list[str] = [f"{prefix}{slash}"]
    version: list[int] = []
    trial = False
    for word in re.split(r"[-_@]", name):
        lettered = _LEADING_VERSION.fullmatch(word)
        if _VERSION.fullmatch(word):
            version += map(int, word.split("."))
        elif lettered:
            family.append(lettered[1])
            version += map(int, lettered[2].split("."))
        elif word in _TRIALS:
            trial = True
        elif not snapshot and _DATE.fullmatch(word):
            snapshot = word  # before another word: `kimi-k2-0905-preview`
        else:
            family.append(word)
    # A place for the tag of its own: `x:free` is not `x`.
    return ModelName(family=(*family, f"{colon}{tag}"), version=_trimmed(version), snapshot=snapshot, trial=trial)


def successors(model: str, known: Iterable[str]) -> tuple[str, ...]:
    """Of the known models those that may follow on this one, nearest first.

    The plain name of the same version, its newer snapshots, then the next versions, of which the lowest comes first;
    within a version the plain name. A preview follows on a preview only.
    """
    asked = parse(model)
    if not asked.version and not asked.snapshot:
        return ()
    found: list[tuple[tuple[object, ...], str]] = []
    for other in known:
        name = parse(other)
        if name.family != asked.family or other == model or (name.trial and not asked.trial):
            continue
        if place := _place(asked, name):
            found.append(((*place, other), other))
    return tuple(other for _, other in sorted(found))


def is_snapshot_of(snapshot: str, plain: str) -> bool:
    """Whether a name is a dated form of another: `gpt-5-2025-08-07` of `gpt-5`."""
    dated, name = parse(snapshot), parse(plain)
    return bool(dated.snapshot) and not name.snapshot and (dated.family, dated.version) == (name.family, name.version)


def _place(asked: ModelName, other: ModelName) -> tuple[object, ...] | None:
    """Where another of the family stands behind the asked one; None: it does not follow on it."""
    if other.version == asked.version:
        if other.snapshot == asked.snapshot:
            # The same but for the word preview: the finished one follows.
            return (0, (), 0, "") if asked.trial and not other.trial else None
        if other.snapshot in (_PLAIN, "latest"):
            return None if asked.snapshot == _PLAIN else (0, (), 0 if other.snapshot == _PLAIN else 1, "")
        newer = asked.snapshot not in (_PLAIN, "latest") and _newer(other.snapshot, asked.snapshot)
        return (1, (), 0, other.snapshot) if newer else None
    if asked.version and other.version > asked.version:
        return (2, other.version, 0 if other.snapshot == _PLAIN else 1, other.snapshot)
    return None


def _newer(snapshot: str, than: str) -> bool:
    # Dates of different spellings cannot be compared.
    return len(snapshot) == len(than) and snapshot > than


def _sortable(snapshot: str) -> str:
    """`09-2025` as `202509`; others without their dashes."""
    month, dash, year = snapshot.partition("-")
    if dash and len(month) == 2 and len(year) == 4:  # noqa: PLR2004 (month and year)
        return year + month
    return snapshot.replace("-", "")


def _trimmed(version: list[int]) -> tuple[int, ...]:
    """4.0 is 4."""
    while len(version) > 1 and version[-1] == 0:
        version.pop()
    return tuple(version)
