"""Sortable ids in the ULID layout: 48 bits of milliseconds, 80 random bits, 26 characters of Crockford's base 32."""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH: Final = 26
_RANDOM_BITS: Final = 80


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


class SortableIds:
    """Strictly rising within a process, also within one millisecond and when the wall clock goes back."""

    def __init__(
        self,
        milliseconds: Callable[[], int] = _milliseconds,
        random_bits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        self._milliseconds = milliseconds
        self._random_bits = random_bits
        self._last = 0
        # Ids are drawn on worker threads too.
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            fresh = self._milliseconds() << _RANDOM_BITS | self._random_bits(_RANDOM_BITS)
            # Counting on carries over into the time when the random part is used up.
            self._last = fresh if fresh >> _RANDOM_BITS > self._last >> _RANDOM_BITS else self._last + 1
            return _text(self._last)


def _text(value: int) -> str:
    return "".join(_ALPHABET[value >> 5 * place & 31] for place in range(_LENGTH - 1, -1, -1))
