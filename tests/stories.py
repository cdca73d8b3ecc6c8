"""The stories that the simulation tells: each drives a virtual house and reports what must hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

from flapping import Flapper, Sky
from simulated import Audit, Day, Question, a_virtual_house, audit, drive, unlike
from virtual_time import run_virtual

WAVE = 16
"""Requests at a time, where a story says no other number."""

READ = Question(words=300, max_tokens=40)
"""Much in, little out."""
WRITE = Question(words=20, max_tokens=900)

FLAPPING = (
    Flapper(name="reader", input=100, output=4000, latency=0.8, up=1800, down=400),
    Flapper(name="writer", input=1500, output=500, latency=1.2, up=1800, down=400),
    Flapper(name="steady", input=1200, output=3000, latency=0.6, up=7200, down=200),
    Flapper(name="dear", input=5000, output=15000, latency=0.5, up=7200, down=200),
)
"""One is cheap for long questions, one for long answers, one is reliable, one costs a lot."""

CALM = tuple(replace(flapper, down=0.0) for flapper in FLAPPING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One run, looked at from all sides."""

    day: Day
    sky: Sky
    books: Audit
    seconds: float
    """Virtual."""
    differences: list[str]
    """Between ledger, receipts and the providers' books; none is right."""

    @property
    def cost(self) -> int:
        """Nano-dollars of all attempts, as the ledger has them."""
        return self.books.exact + self.books.estimated

    @property
    def calls_per_request(self) -> float:
        return self.sky.calls / max(len(self.day.served), 1)


def tell(
    directory: Path,
    sky: Sky,
    *,
    requests: int,
    wave: int,
    hours: float,
    strategy: str = "priority",
    options: str = "",
    order: Sequence[str] = (),
    questions: Sequence[Question] = (READ, WRITE),
    more: str = "",
    environment: Mapping[str, str] | None = None,
    limit: int = 0,
) -> Told:
    """Run one house with a combo `all` over the sky's providers, waves of requests spread over so many virtual hours;
    `options` are TOML lines of the combo.
    """
    names = [f"{name}/m" for name in order or sky.flappers]
    combo = f'[[combos]]\nname = "all"\nstrategy = "{strategy}"\ntargets = {names}\n{options}\n'
    settings = more or "".join(flapper.settings for flapper in sky.flappers.values()) + combo
    day, every = Day(), hours * 3600 * wave / requests

    async def story() -> None:
        async with a_virtual_house(directory, sky, settings, environment=dict(environment or {})) as house:
            await drive(house, day, requests=requests, wave=wave, every=every, questions=questions)

    _, seconds = run_virtual(story())
    books = audit(directory, limit=limit)
    return Told(day=day, sky=sky, books=books, seconds=seconds, differences=unlike(day, sky, books))


def sky_of(flappers: Sequence[Flapper], seed: int = 1) -> Sky:
    return Sky({flapper.name: flapper for flapper in flappers}, seed)


def flapping(directory: Path, requests: int, *, strategy: str = "auto", wave: int = 64, hours: float = 24.0) -> Told:
    """Providers come and go in every way; nearly everything is answered all the same."""
    return tell(directory, sky_of(FLAPPING), requests=requests, wave=wave, hours=hours, strategy=strategy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    told: Told
    retry_share: float
    """Calls to a target the same request had called before, over first calls."""
    calls_once_open: float
    """Calls per request from two minutes into the outage to its end."""


def outage(directory: Path, requests: int, *, survivors: Sequence[str] = ()) -> Outage:
    """Eight requests every five seconds; for three quarters of the run everything but the survivors is down."""
    wave, every = 8, 5.0
    span = requests / wave * every
    since, until = 0.15 * span, 0.9 * span
    sky = sky_of(CALM)
    sky.outage, sky.survivors = (since, until), survivors
    told = tell(directory, sky, requests=requests, wave=wave, hours=span / 3600)
    settled = since + min(120.0, (until - since) / 4)
    asked = sum(settled <= served.at < until for served in told.day.served.values())
    calls = sky.calls_between(settled, until)
    share = told.books.retries / max(told.books.first_calls, 1)
    return Outage(told=told, retry_share=share, calls_once_open=calls / max(asked, 1))


_OPENAI = Flapper(name="api", input=1000, output=4000, latency=1.0, up=3600, down=600, ills=("down", "limited"))


def guarded(directory: Path, requests: int, *, dollars: str, limit: int) -> Told:
    """A found key under a daily guard that allows a fraction of what is asked for, 64 requests at a time."""
    settings = f"""
[budget]
environment_usd_per_day = "{dollars}"

[[combos]]
name = "all"
targets = ["openai/gpt-5-mini"]

[prices."openai/gpt-5-mini"]
input = "1"
output = "4"
"""
    return tell(
        directory,
        Sky({_OPENAI.name: _OPENAI}),
        requests=requests,
        wave=64,
        hours=72.0,
        questions=(replace(READ, max_tokens=200), replace(WRITE, max_tokens=None)),
        more=settings,
        environment={"OPENAI_API_KEY": "obviously-fake"},
        limit=limit,
    )


def turns(directory: Path, requests: int, *, calm: bool, hours: float = 24.0) -> Told:
    """Round-robin, one request each."""
    sky = sky_of(CALM if calm else FLAPPING)
    return tell(
        directory,
        sky,
        requests=requests,
        wave=WAVE,
        hours=hours,
        strategy="round-robin",
        options="options = { sticky = 1 }",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    auto: Told
    fixed: Mapping[str, Told]
    """By order."""

    @property
    def best(self) -> tuple[str, Told]:
        """The cheapest fixed order of those that answer as much as the best of them."""
        most = max(told.day.success for told in self.fixed.values())
        alike = {order: told for order, told in self.fixed.items() if told.day.success >= most - 0.001}
        return min(alike.items(), key=lambda row: row[1].cost)


def compared(
    directory: Path, requests: int, *, flappers: Sequence[Flapper] = FLAPPING[:3], hours: float = 24.0
) -> Compared:
    """`auto` and every fixed order of the same providers through the same weather and the same questions."""

    def run(name: str, strategy: str, order: Sequence[str], options: str = "") -> Told:
        place = directory / name
        place.mkdir()
        return tell(
            place,
            sky_of(flappers),
            requests=requests,
            wave=WAVE,
            hours=hours,
            strategy=strategy,
            options=options,
            order=order,
        )

    names = [flapper.name for flapper in flappers]
    fixed = {" → ".join(order): run("-".join(order), "priority", order) for order in permutations(names)}
    return Compared(auto=run("auto", "auto", names, 'options = { pack = "cost-saver" }'), fixed=fixed)
