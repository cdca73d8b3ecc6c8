"""Every figure a tool gives is held against what the scripted providers counted themselves, before and after the world
changes: one that is a constant, or someone else's, fails.
"""

import random
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fakes import FakeClock, openai_error, openai_stream_bytes
from houses import OWNER, TWO_TARGETS, a_house
from omniroute_agent.app import House
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import CallError, NotFound
from omniroute_agent.kernel.money import usd
from omniroute_agent.tooling.tool import ToolContext

OTHER = Caller(id="other", scopes=frozenset(("*",)), session="s2")
HELLO = [{"role": "user", "content": "Hello"}]
RATES = {"one": 1000, "two": 10_000}
"""Nano-dollars per input token; output is twice as dear."""
MODELS = {"one": "alpha", "two": "beta"}
FAULTS = {500: "server_error", 429: "rate_limited", 503: "overloaded"}


async def use(house: House, name: str, caller: Caller = OWNER, **arguments: Any) -> dict[str, Any]:
    async def progress(_done: float, _total: float | None, _message: str) -> None: ...

    tool = next(tool for tool in house.tools if tool.name == f"omniroute_{name}")
    context = ToolContext(caller=caller, parts=house.parts, door="test", progress=progress, listens=False)
    output = await tool.run(tool.input.model_validate(arguments), context)
    assert output.summary()
    return output.model_dump(mode="json")


@dataclass(frozen=True)
class Reply:
    """What a provider does next: answers with so many tokens after so many seconds, or fails with a status."""

    status: int = 200
    tokens: tuple[int, int] = (10, 5)
    first: float = 0.5
    rest: float = 1.0


@dataclass(frozen=True)
class Call:
    """One call as the provider saw it."""

    name: str
    request: int
    caller: str
    at: float
    reply: Reply

    @property
    def cost(self) -> int:
        return (self.reply.tokens[0] + 2 * self.reply.tokens[1]) * RATES[self.name] if self.answered else 0

    @property
    def answered(self) -> bool:
        return self.reply.status == 200

    @property
    def latency_ms(self) -> int:
        return round((self.reply.first + self.reply.rest) * 1000)


@dataclass
class Timed(httpx2.AsyncByteStream):
    """An answer in two pieces that takes the time its provider says, on the tests' clock."""

    clock: FakeClock
    reply: Reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        body = openai_stream_bytes("one ", "two", usage=self.reply.tokens)
        head, first, rest = body.split(b"\n\n", 2)
        yield head + b"\n\n"
        self.clock.advance(self.reply.first)
        yield first + b"\n\n"
        self.clock.advance(self.reply.rest)
        yield rest


@dataclass
class Providers(httpx2.AsyncBaseTransport):
    """Two providers with a script each; they keep their own books."""

    clock: FakeClock
    scripts: dict[str, deque[Reply]] = field(default_factory=lambda: {"one": deque(), "two": deque()})
    calls: list[Call] = field(default_factory=list)
    request: int = 0
    caller: str = "owner"
    quota: int = 100

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        name = request.url.host.removesuffix(".example")
        reply = self.scripts[name].popleft() if self.scripts[name] else Reply()
        self.calls.append(Call(name, self.request, self.caller, self.clock.wall.timestamp(), reply))
        headers = {
            "x-ratelimit-limit-requests-day": str(self.quota),
            "x-ratelimit-remaining-requests-day": str(self.quota - self.used(name)),
        }
        if reply.status != 200:
            return openai_error(reply.status, "Not now.", headers=headers | {"retry-after": "1"})
        headers["content-type"] = "text/event-stream"
        return httpx2.Response(200, headers=headers, stream=Timed(self.clock, reply))

    def used(self, name: str) -> int:
        return sum(call.name == name for call in self.calls)


@dataclass
class World:
    """A house, its providers and the traffic that is sent through it."""

    house: House
    providers: Providers
    clock: FakeClock
    dice: random.Random = field(default_factory=lambda: random.Random(5))  # noqa: S311 (loaded on purpose)
    outcomes: list[tuple[int, str, bool]] = field(default_factory=list)
    """Request, caller, whether it was answered."""

    async def ask(self, caller: Caller = OWNER, *replies: tuple[str, Reply], **more: Any) -> None:
        for name, reply in replies:
            self.providers.scripts[name].append(reply)
        self.providers.request += 1
        self.providers.caller = caller.id
        answered = False
        with suppress(CallError):
            await use(self.house, "route_request", caller, combo="both", messages=HELLO, **more)
            answered = True
        self.outcomes.append((self.providers.request, caller.id, answered))
        self.clock.advance(30)
        for script in self.providers.scripts.values():
            script.clear()

    async def busy(self, requests: int) -> None:
        """Traffic with every kind of luck."""
        for _ in range(requests):
            luck = [Reply(status=status) for status in self.dice.choices((200, 500, 429, 503), (6, 2, 1, 1), k=2)]
            replies = [
                Reply(
                    status=reply.status,
                    tokens=(self.dice.randint(1, 900), self.dice.randint(1, 90)),
                    first=self.dice.randint(1, 40) / 8,
                    rest=self.dice.randint(1, 80) / 8,
                )
                for reply in luck
            ]
            caller = self.dice.choice((OWNER, OWNER, OTHER))
            task = self.dice.choice((None, "coding"))
            await self.ask(caller, ("one", replies[0]), ("two", replies[1]), **({"task": task} if task else {}))

    def since(self, seconds: float) -> list[Call]:
        start = self.clock.wall.timestamp() - seconds
        return [call for call in self.providers.calls if call.at >= start]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def percentiles(values: list[int]) -> dict[str, int] | None:
    found = sorted(values)
    return {f"p{p}": found[ceil(len(found) * p / 100) - 1] for p in (50, 95, 99)} if found else None


def median(values: list[float]) -> float | None:
    found, middle = sorted(values), len(values) // 2
    if not found:
        return None
    return found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) / 2


def figures(calls: list[Call]) -> dict[str, Any]:
    """What the providers' own books say."""
    answered = [call for call in calls if call.answered]
    speed = median([call.reply.tokens[1] / call.reply.rest for call in answered])
    return {
        "requests": len({call.request for call in calls}),
        "attempts": len(calls),
        "success_rate": round(len(answered) / len(calls), 4) if calls else None,
        "latency_ms": percentiles([call.latency_ms for call in answered]),
        "first_token_ms": percentiles([round(call.reply.first * 1000) for call in answered]),
        "tokens_per_second": None if speed is None else pytest.approx(speed, abs=0.02),
        "sampled": len(answered),
        "cost": usd(sum(call.cost for call in calls)),
        "unknown_cost_attempts": 0,
        "faults": dict(Counter(FAULTS[call.reply.status] for call in calls if not call.answered)),
    }


async def compare_providers(world: World, seconds: float, window: str) -> None:
    seen = world.since(seconds)
    every = await use(world.house, "get_provider_metrics", window=window)
    assert every["totals"] == figures(seen)
    by_name = {report["connection"]: report for report in every["connections"]}
    assert set(by_name) == {"one", "two"}
    for name, report in by_name.items():
        mine = [call for call in seen if call.name == name]
        assert {key: report[key] for key in figures([])} == figures(mine), name
        told = 1 - world.providers.used(name) / world.providers.quota if world.providers.used(name) else None
        assert report["quota_left"] == (None if told is None else pytest.approx(told))
        only = await use(world.house, "get_provider_metrics", provider=name, window=window)
        assert only["totals"] == figures(mine)
        assert only["connections"] == [report]


async def compare_combo(world: World, seconds: float, window: str) -> None:
    seen = world.since(seconds)
    found = await use(world.house, "get_combo_metrics", combo="both", window=window)
    requests = {call.request for call in seen}
    answered = {request for request, _, ended in world.outcomes if ended} & requests
    tries = Counter(call.request for call in seen)
    took = [
        round((call.at - min(c.at for c in seen if c.request == call.request)) * 1000) + call.latency_ms
        for call in seen
        if call.answered
    ]
    assert found["totals"] == figures(seen) | {
        "success_rate": round(len(answered) / len(requests), 4) if requests else None,
        "latency_ms": percentiles(took),
    }
    assert found["fallbacks"] == sum(count > 1 for count in tries.values())
    expected = {}
    for name, model in MODELS.items():
        if mine := [call for call in seen if call.name == name]:
            first = sum(call.request not in {c.request for c in seen[: seen.index(call)]} for call in mine)
            expected[f"{name}/{model}"] = figures(mine) | {"requests": first, "faults": {}}
    assert {report.pop("target"): report for report in found["by_target"]} == expected


async def compare_quota(world: World) -> None:
    found = await use(world.house, "check_quota")
    expected = {}
    for name in MODELS:
        calls = [call for call in world.providers.calls if call.name == name]
        if calls:
            left = world.providers.quota - len(calls)
            expected[name] = (
                float(len(calls)),
                float(world.providers.quota),
                pytest.approx(left),
                "header x-ratelimit-remaining-requests-day",
            )
    assert {
        report["connection"]: (report["used"], report["limit"], report["percent_left"], report["source"])
        for report in found["windows"]
    } == expected
    assert set(found["not_known"]) == set(MODELS) - set(expected)
    only = await use(world.house, "check_quota", connection="one")
    assert [report for report in found["windows"] if report["connection"] == "one"] == only["windows"]


async def compare_spending(world: World, caller: Caller) -> None:
    mine = [call for call in world.providers.calls if call.caller == caller.id]
    ended = [answered for _, whose, answered in world.outcomes if whose == caller.id]
    answered = [call for call in mine if call.answered]
    tokens = [sum(call.reply.tokens[side] for call in answered) for side in (0, 1)]
    for arguments in ({"period": "session"}, {"period": "month"}, {"since": "2026-11-21T11:59:59.5Z"}):
        found = await use(world.house, "cost_report", caller, group_by="connection", **arguments)
        totals = found["totals"]
        assert (totals["requests"], totals["attempts"]) == (len({call.request for call in mine}), len(mine))
        assert [totals["input_tokens"], totals["output_tokens"]] == tokens
        assert (totals["cost"], totals["unknown_cost_attempts"]) == (usd(sum(call.cost for call in mine)), 0)
        assert {group["name"]: (group["attempts"], group["cost"], group["requests"]) for group in found["groups"]} == {
            name: (len(there), usd(sum(call.cost for call in there)), len({call.request for call in there}))
            for name in MODELS
            if (there := [call for call in mine if call.name == name])
        }
    snapshot = await use(world.house, "get_session_snapshot", caller)
    assert (snapshot["requests"], snapshot["answered"]) == (len(ended), sum(ended))
    assert snapshot["failed"] == len(ended) - sum(ended)
    assert snapshot["fallbacks"] == sum(n > 1 for n in Counter(call.request for call in mine).values())
    assert [snapshot["input_tokens"], snapshot["output_tokens"]] == tokens
    assert snapshot["cost"] == usd(sum(call.cost for call in mine))
    assert {m["name"]: m["count"] for m in snapshot["top_models"]} == Counter(MODELS[call.name] for call in answered)
    assert {f["name"]: f["count"] for f in snapshot["faults"]} == Counter(
        FAULTS[call.reply.status] for call in mine if not call.answered
    )


async def compare_health(world: World) -> None:
    health = await use(world.house, "get_health")
    for report in health["connections"]:
        calls = [call for call in world.providers.calls if call.name == report["id"]]
        failed = [call for call in calls if not call.answered]
        assert report["last_fault"] == (FAULTS[failed[-1].reply.status] if failed else None)
        assert (report["last_success_at"] is not None) == any(call.answered for call in calls)
        assert report["quota_left"] == (pytest.approx(1 - len(calls) / world.providers.quota) if calls else None)


async def test_every_figure_is_the_providers_own_count_whatever_happens(tmp_path: Path, clock: FakeClock) -> None:
    providers = Providers(clock)
    async with a_house(tmp_path, providers, clock=clock) as house:
        world = World(house, providers, clock)

        async def compare(seconds: float, window: str) -> None:
            await compare_providers(world, seconds, window)
            await compare_combo(world, seconds, window)
            await compare_quota(world)
            await compare_spending(world, OWNER)
            await compare_spending(world, OTHER)
            await compare_health(world)

        await compare(86_400, "24h")
        await world.busy(20)
        await compare(86_400, "24h")
        assert {call.answered for call in providers.calls} == {True, False}
        await world.busy(15)
        await compare(86_400, "24h")
        clock.advance(3 * 3600)
        await world.busy(6)
        await compare_providers(world, 3600, "1h")
        await compare_combo(world, 3600, "1h")
        await compare(7 * 86_400, "7d")


async def test_nothing_seen_yet_is_null_and_not_zero(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        nothing = (await use(house, "get_provider_metrics"))["totals"]
        combo = await use(house, "get_combo_metrics", combo="both")
        quota = await use(house, "check_quota")
    for totals in (nothing, combo["totals"]):
        assert (totals["requests"], totals["attempts"], totals["cost"], totals["faults"]) == (0, 0, "0", {})
        assert {totals[key] for key in ("success_rate", "latency_ms", "first_token_ms", "tokens_per_second")} == {None}
    assert (combo["fallbacks"], combo["by_target"]) == (0, [])
    assert (quota["windows"], set(quota["not_known"])) == ([], {"one", "two"})


async def test_an_unknown_price_is_null_and_not_zero(tmp_path: Path, clock: FakeClock) -> None:
    without = TWO_TARGETS.partition('[prices."one/alpha"]')[0]
    async with a_house(tmp_path, Providers(clock), settings=without, clock=clock) as house:
        await use(house, "route_request", combo="both", messages=HELLO)
        found = await use(house, "get_provider_metrics", provider="one")
    assert (found["totals"]["cost"], found["totals"]["unknown_cost_attempts"]) == (None, 1)


async def test_a_name_nobody_has_gets_the_nearest_ones(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        wrong: tuple[tuple[str, dict[str, Any]], ...] = (
            ("get_provider_metrics", {"provider": "onee"}),
            ("get_combo_metrics", {"combo": "bth"}),
            ("check_quota", {"connection": "onee"}),
            ("check_quota", {"provider": "custom-opnai"}),
        )
        for tool, arguments in wrong:
            with pytest.raises(NotFound) as refused:
                await use(house, tool, **arguments)
            assert "`" in refused.value.hint, tool


async def test_a_provider_is_all_its_connections(tmp_path: Path, clock: FakeClock) -> None:
    providers = Providers(clock)
    async with a_house(tmp_path, providers, clock=clock) as house:
        world = World(house, providers, clock)
        await world.ask(OWNER, ("one", Reply(status=500)), ("two", Reply()))
        found = await use(house, "get_provider_metrics", provider="custom-openai")
    assert (found["totals"]["requests"], found["totals"]["attempts"]) == (1, 2)
    assert [report["requests"] for report in found["connections"]] == [1, 1]


async def test_a_declared_quota_shows_what_was_counted_here(tmp_path: Path, clock: FakeClock) -> None:
    declared = TWO_TARGETS + '[quota.limits]\none = ["10 requests/day"]\n'
    async with a_house(tmp_path, Providers(clock), settings=declared, clock=clock) as house:
        await use(house, "route_request", combo="both", messages=HELLO)
        clock.advance(60)
        await use(house, "route_request", combo="both", messages=HELLO)
        counted = [w for w in (await use(house, "check_quota"))["windows"] if w["source"] == "own count"]
    (window,) = counted
    assert (window["connection"], window["window"], window["model"]) == ("one", "requests/day", None)
    assert (window["used"], window["limit"], window["percent_left"]) == (2.0, 10.0, 80.0)
    assert window["resets_at"] == "2026-11-22T00:00:00+00:00"


async def test_the_breaker_that_is_shown_is_the_one_that_acts(tmp_path: Path, clock: FakeClock) -> None:
    providers = Providers(clock)

    async def shown() -> tuple[str, str]:
        metrics = await use(house, "get_provider_metrics", provider="one")
        health = await use(house, "get_health")
        (report,) = [each for each in health["connections"] if each["id"] == "one"]
        return metrics["connections"][0]["breaker"], report["breaker"]

    async with a_house(tmp_path, providers, clock=clock) as house:
        world = World(house, providers, clock)
        assert await shown() == ("closed", "closed")
        for _ in range(5):
            await world.ask(OWNER, ("one", Reply(status=500)))
        assert await shown() == ("open", "open")
        clock.advance(-30)
        await world.ask()
        assert providers.used("one") == 5, "nobody calls a connection whose breaker is open"
        clock.advance(60)
        await world.ask()
        assert providers.used("one") == 6
        assert await shown() == ("closed", "closed")
