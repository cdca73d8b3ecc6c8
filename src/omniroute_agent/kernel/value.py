"""Small values that are made by the hundred for one request."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True)
def value(fields: type[_T]) -> type[_T]:
    """A dataclass that type checkers hold frozen. One that checks this itself takes three to seven times as long to
    make, a pydantic model ten times: over 500 targets that is most of what a plan costs.
    """
    return dataclass(slots=True)(fields)
