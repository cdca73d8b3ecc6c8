"""What becomes of a model that its provider gives up: the news of it, and who may take its place.

A follower is of the same family on the same connection and never dearer than what was asked for.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from omniroute_agent.providers.families import successors
from omniroute_agent.providers.known import Look
from omniroute_agent.providers.model import Connection, Price
from omniroute_agent.providers.price_book import PriceBook

_SHAPES: Final = ((1_000, 0), (1_000_000, 0), (0, 1_000_000))
"""Prompts and answers, in tokens, at which a follower must not cost more; prices may rise with a prompt's length."""

Pair = tuple[Connection, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    word: Literal["deprecated", "retired"]
    """deprecated: it still answers. retired: it does not, or not for long."""
    why: str
    """Half a sentence: who says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    model: str | None
    """None: nobody follows."""
    dearer: str | None = None
    """The nearest one of the family when it may not follow by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followers:
    """What a plan adds behind what was asked for, and what it says about that."""

    pairs: tuple[Pair, ...] = ()
    notes: tuple[str, ...] = ()


NOT_FOUND: Final = Retirement(word="retired", why="its provider says that it does not exist")


class Succession:
    def __init__(
        self,
        known: Look,
        prices: PriceBook,
        current: Callable[[Connection], Iterable[str]],
        *,
        now: Callable[[], datetime],
        follow: bool,
    ) -> None:
        """`current` gives the models a connection is known to serve; without `follow` followers are named only."""
        self._known = known
        self._prices = prices
        self._current = current
        self._now = now
        self._follow = follow

    def retirement(self, connection: Connection, model: str) -> Retirement | None:
        """None: nobody says that it goes."""
        known = self._known.now
        if (connection.id, model) in known.own:
            return None
        listing = known.lists.get(connection.id)
        if listing is not None and model in listing.gone:
            day = datetime.fromtimestamp(listing.gone[model], UTC).date().isoformat()
            return Retirement(word="retired", why=f"it left its provider's list on {day}")
        retires = None if listing is None or model not in listing.models else listing.models[model].retires
        if retires is not None:
            word: Literal["deprecated", "retired"] = "retired" if retires <= self._now().date() else "deprecated"
            return Retirement(word=word, why=f"its provider switches it off on {retires.isoformat()}")
        priced = connection.provider.prices
        row = None if priced is None else self._prices.row(priced, model)
        if row is not None and row[1].deprecated:
            return Retirement(word="deprecated", why="the price data says so")
        return None

    def successor(self, connection: Connection, model: str) -> Successor:
        """The nearest current model of the family that is not dearer."""
        asked, dearer = self._prices.price(connection, model), None
        for other in successors(model, self._current(connection)):
            if self.retirement(connection, other) is not None:
                continue
            if self._no_dearer(self._prices.price(connection, other), asked):
                return Successor(model=other)
            dearer = dearer or other
        return Successor(model=None, dearer=dearer)

    def followers(self, asked: Sequence[Pair], refused: Callable[[str, str], bool]) -> Followers:
        """Who stands behind what was asked for. `refused`: whether a provider said that a model (connection, model)
        does not exist.
        """
        pairs: list[Pair] = []
        notes: list[str] = []
        for connection, model in asked:
            retirement = NOT_FOUND if refused(connection.id, model) else self.retirement(connection, model)
            if retirement is None:
                continue
            successor = self.successor(connection, model)
            notes.append(self._note(f"{connection.id}/{model}", connection.id, retirement, successor))
            pair = (connection, successor.model or "")
            if self._follow and successor.model is not None and pair not in asked and pair not in pairs:
                pairs.append(pair)
        return Followers(pairs=tuple(pairs), notes=tuple(notes))

    def _no_dearer(self, price: Price | None, than: Price | None) -> bool:
        if price is None or than is None:
            return False
        now = self._now()
        return all(price.worst(put, out, now) <= than.worst(put, out, now) for put, out in _SHAPES)

    def _note(self, name: str, connection_id: str, retirement: Retirement, successor: Successor) -> str:
        told = f"`{name}` is {retirement.word}: {retirement.why}."
        if successor.model is not None:
            follower = f"`{connection_id}/{successor.model}`"
            if self._follow:
                return f"{told} {follower} of the same family, not dearer, stands behind it."
            return f"{told} {follower} of the same family could follow; [catalogue] successors is off."
        if successor.dearer is not None:
            return (
                f"{told} `{connection_id}/{successor.dearer}` of the same family is dearer or its price cannot be "
                "compared: ask for it by name."
            )
        return f"{told} No successor of its family is known here."
