"""Providers that come and go on a virtual clock and keep their own books: what they were asked, what they charged."""

import asyncio
import json
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import httpx2

from fakes import Pieces, openai_error, openai_stream_bytes

Weather = Literal["fine", "down", "unreachable", "limited", "hanging", "cutting", "babbling"]
"""down: 503. unreachable: nobody listens. limited: 429 with its hint. hanging: no first token. cutting: the stream ends
early. babbling: a page instead of an answer."""

ILL: Sequence[Weather] = ("down", "unreachable", "limited", "hanging", "cutting", "babbling")
TICK = 0.1
"""Seconds. Answers take a whole number of them, so that many end at the same moment, as on a busy server."""
LONGEST = 1000
"""Tokens of an answer."""
WORDS_OF_A_CUT = 8
HINT = 20
"""Seconds a limited provider asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flapper:
    name: str
    input: int
    """Nano-dollars per token."""
    output: int
    latency: float = 1.0
    """Mean seconds to an answer."""
    up: float = 1800.0
    """Mean seconds of fine weather."""
    down: float = 0.0
    """Mean seconds of any other; 0: always fine."""
    ills: Sequence[Weather] = ILL

    @property
    def settings(self) -> str:
        """It as a connection of an owner's file: target `NAME/m`."""
        return f"""
[[connections]]
id = "{self.name}"
provider = "custom-openai"
base_url = "https://{self.name}.example/v1"
key = "obviously-fake-{self.name}"
models = ["m"]
default_model = "m"

[prices."{self.name}/m"]
input = "{self.input / 1000}"
output = "{self.output / 1000}"
"""


class Forecast:
    """Spells of weather, drawn once: the same seed gives the same world, whoever asks and when."""

    def __init__(self, flapper: Flapper, dice: random.Random) -> None:
        self._flapper = flapper
        self._dice = dice
        self._starts: list[float] = [0.0]
        self._kinds: list[Weather] = ["fine"]
        self._until = dice.expovariate(1 / flapper.up) if flapper.down else float("inf")

    def at(self, moment: float) -> Weather:
        while self._until <= moment:
            ill = self._kinds[-1] == "fine"
            self._starts.append(self._until)
            self._kinds.append(self._dice.choice(self._flapper.ills) if ill else "fine")
            self._until += max(self._dice.expovariate(1 / (self._flapper.down if ill else self._flapper.up)), 1.0)
        return self._kinds[bisect_right(self._starts, moment) - 1]


@dataclass(slots=True)
class Books:
    """One provider's own count."""

    calls: int = 0
    by_weather: Counter[Weather] = field(default_factory=Counter)
    charged: int = 0
    """Nano-dollars for answers that came whole."""
    charged_for_cuts: int = 0
    answers: int = 0
    cuts: int = 0
    moments: list[float] = field(default_factory=list)
    """Virtual seconds at which each call came."""


@dataclass
class Sky(httpx2.AsyncBaseTransport):
    """All providers behind one transport; by host."""

    flappers: Mapping[str, Flapper]
    seed: int = 1
    outage: tuple[float, float] | None = None
    """From and until: everything is down but the `survivors`."""
    survivors: Sequence[str] = ()
    books: dict[str, Books] = field(init=False)

    def __post_init__(self) -> None:
        self.books = {name: Books() for name in self.flappers}
        self._forecasts = {
            name: Forecast(flapper, random.Random(f"{self.seed}-{name}"))  # noqa: S311 (loaded on purpose)
            for name, flapper in self.flappers.items()
        }

    @property
    def calls(self) -> int:
        return sum(book.calls for book in self.books.values())

    @property
    def charged(self) -> int:
        return sum(book.charged for book in self.books.values())

    def weather(self, name: str, moment: float) -> Weather:
        if self.outage is not None and self.outage[0] <= moment < self.outage[1] and name not in self.survivors:
            return "down"
        return self._forecasts[name].at(moment)

    def calls_between(self, since: float, until: float) -> int:
        return sum(since <= moment < until for book in self.books.values() for moment in book.moments)

    def longest_rest(self, name: str, until: float) -> float:
        """The most seconds of unbroken fine weather in which nobody called it."""
        calls, longest, rested = iter([*self.books[name].moments, until]), 0.0, 0.0
        called, moment = next(calls), 0.0
        while moment < until:
            fine = self.weather(name, moment) == "fine"
            while called <= moment and called < until:
                called, rested = next(calls), 0.0
            rested = rested + 1.0 if fine else 0.0
            longest, moment = max(longest, rested), moment + 1.0
        return longest

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        now = asyncio.get_running_loop().time()
        name = request.url.host.partition(".")[0]
        flapper, book = self.flappers[name], self.books[name]
        weather = self.weather(name, now)
        book.calls += 1
        book.by_weather[weather] += 1
        book.moments.append(now)
        if weather == "unreachable":
            raise httpx2.ConnectError("nobody listens")
        if weather == "hanging":
            await asyncio.sleep(3600)
        if weather in ("down", "limited", "babbling"):
            await asyncio.sleep(TICK)
            return _refusal(weather)
        body = json.loads(await request.aread())
        text = "".join(message["content"] for message in body["messages"])
        spoken = len(text) // 4 + 7
        # The same question gets an answer of the same length wherever it is asked: orders can be compared.
        dice = random.Random(f"{self.seed}-{text}")  # noqa: S311 (loaded on purpose)
        cap = int(body.get("max_completion_tokens") or body.get("max_tokens") or LONGEST)
        written = dice.randint(min(5, cap), min(cap, LONGEST))
        await asyncio.sleep(TICK * max(round(dice.uniform(0.5, 1.5) * flapper.latency / TICK), 1))
        if weather == "cutting":
            book.cuts += 1
            book.charged_for_cuts += spoken * flapper.input + WORDS_OF_A_CUT * flapper.output
            return _stream(*["word "] * WORDS_OF_A_CUT, usage=None, whole=False)
        book.answers += 1
        book.charged += spoken * flapper.input + written * flapper.output
        return _stream("Fine.", usage=(spoken, written))


def _refusal(weather: Weather) -> httpx2.Response:
    if weather == "down":
        return openai_error(503, "The server is down.")
    if weather == "limited":
        return openai_error(429, "Too many requests.", headers={"retry-after": str(HINT)})
    return httpx2.Response(200, headers={"content-type": "text/html"}, text="<h1>Welcome</h1>")


def _stream(*texts: str, usage: tuple[int, int] | None, whole: bool = True) -> httpx2.Response:
    body = openai_stream_bytes(*texts, usage=usage, finish="stop" if whole else None, done=whole)
    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Pieces([body]))
