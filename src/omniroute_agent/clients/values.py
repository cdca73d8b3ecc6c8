"""Parsed files as plain values: what should stand in them after an edit, to compare with what does."""

from collections.abc import Mapping, Sequence
from typing import Any


def get(data: Any, path: Sequence[str]) -> Any:
    """What stands at `path`; None when there is nothing."""
    for key in path:
        if not isinstance(data, Mapping):
            return None
        data = data.get(key)
    return data


def with_value(data: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    return {**(data or {}), path[0]: with_value((data or {}).get(path[0]), path[1:], value)}


def without(data: Any, path: Sequence[str]) -> Any:
    if not isinstance(data, Mapping) or path[0] not in data:
        return data
    if len(path) == 1:
        return {key: inner for key, inner in data.items() if key != path[0]}
    return {**data, path[0]: without(data[path[0]], path[1:])}


def same_but_for_emptiness(one: Any, other: Any, path: Sequence[str]) -> bool:
    """Equal, where an empty table at `path`, or on the way to it, means the same as none."""
    return bool(_pruned(one, path) == _pruned(other, path))


def _pruned(data: Any, path: Sequence[str]) -> Any:
    for length in range(len(path), 0, -1):
        if get(data, path[:length]) in ({}, None):
            data = without(data, path[:length])
    return data
