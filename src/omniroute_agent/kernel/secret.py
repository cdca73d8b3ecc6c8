"""A secret that does not print."""

from typing import Final, NoReturn
from weakref import WeakValueDictionary

_ALIVE: Final["WeakValueDictionary[int, Secret]"] = WeakValueDictionary()
"""Every secret of this process, by identity. Global on purpose: what is logged anywhere is searched for all of them."""


class Secret:
    """Holds a credential; `repr`, `str`, formatting and pickling never show it. Only `reveal()` does."""

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        _ALIVE[id(self)] = self

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def living_secrets() -> frozenset[Secret]:
    """Every secret that something still holds, whichever thread made it."""
    return frozenset(secret for reference in _ALIVE.valuerefs() if (secret := reference()) is not None)
