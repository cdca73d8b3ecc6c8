"""Chance that can be replayed: everything random in a plan comes from the situation's few stored draws."""

from collections.abc import Iterator, MutableSequence
from struct import pack, unpack
from typing import Final, TypeVar

from omniroute_agent.engine.situation import Situation

_T = TypeVar("_T")

_WORD: Final = (1 << 64) - 1


def draws(situation: Situation) -> Iterator[float]:
    """The situation's draws, then as many more as anyone wants, stirred out of them.

    So a handful of stored numbers replays a shuffle of 500 targets. The stirring is SplitMix64 (Steele, Lea and Flood,
    2014).
    """
    yield from situation.dice
    state = 0
    for value in situation.dice or (situation.now,):
        state = (state * 31 + unpack("<Q", pack("<d", value))[0]) & _WORD
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _WORD
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _WORD
        yield ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)


def pick(count: int, draw: float) -> int:
    """A place from 0 below `count`, each as likely as the other."""
    return min(int(draw * count), count - 1)


def shuffle(items: MutableSequence[_T], chance: Iterator[float]) -> None:
    """In place, every order as likely as the other (Fisher and Yates)."""
    for last in range(len(items) - 1, 0, -1):
        other = pick(last + 1, next(chance))
        items[last], items[other] = items[other], items[last]
