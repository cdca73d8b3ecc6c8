"""Targets and situations as plan tests need them: made of plain values, nothing is read from anywhere."""

from dataclasses import dataclass
from datetime import datetime

from fakes import START
from omniroute_agent.engine.guards import Room
from omniroute_agent.engine.needs import Needs
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.chat import Chat, Message, Text, Usage
from omniroute_agent.kernel.health import ConnectionHealth, ModelLock
from omniroute_agent.providers.lines import Tariff
from omniroute_agent.providers.model import Connection, Endpoint, ModelFacts, Price, Provider

OWNER = Caller(id="owner", scopes=frozenset(("*",)), session="s1")


@dataclass(frozen=True)
class FlatPrice:
    """Nano-dollars per token, the same for every kind of input."""

    input: int = 0
    output: int = 0
    source: str = "test"

    @property
    def input_per_million(self) -> int:
        return self.input * 1_000_000

    @property
    def output_per_million(self) -> int:
        return self.output * 1_000_000

    def cost(self, usage: Usage, at: datetime) -> int:  # noqa: ARG002 (the shape of the port)
        return usage.input_tokens * self.input + usage.output_tokens * self.output

    def worst(self, input_tokens: int, output_tokens: int, at: datetime) -> int:  # noqa: ARG002 (the shape of the port)
        return input_tokens * self.input + output_tokens * self.output

    def tariff(self, input_tokens: int, bound: int, at: datetime) -> Tariff | None:  # noqa: ARG002 (the shape of the port)
        read, written = self.input_per_million, self.output_per_million
        return Tariff(0, read, written, 0, read, written)


async def _nowhere() -> Endpoint:
    return Endpoint(base_url="https://example.invalid/v1")


def candidate(
    name: str = "a",
    model: str = "m",
    *,
    price: Price | None = FlatPrice(1, 2),
    guard: str | None = None,
    last_resort: bool = False,
    unavailable: str | None = None,
    dialect: str = "openai-chat",
    context_tokens: int | None = 100_000,
    max_output_tokens: int | None = 4_000,
    vision: bool | None = True,
    tools: bool | None = True,
    json_schema: bool | None = True,
) -> Candidate:
    provider = Provider(id=name, title=name, base_url="https://example.invalid/v1", dialect=dialect)
    return Candidate(
        connection=Connection(
            id=name,
            provider=provider,
            source="settings",
            tier="key",
            reach=_nowhere,
            guard=guard,
            last_resort=last_resort,
            unavailable=unavailable,
        ),
        model=model,
        facts=ModelFacts(
            id=model,
            context_tokens=context_tokens,
            max_output_tokens=max_output_tokens,
            vision=vision,
            tools=tools,
            json_schema=json_schema,
            reasoning=None,
            price=price,
        ),
    )


def situation(
    *health: ConnectionHealth,
    locks: tuple[ModelLock, ...] = (),
    rooms: tuple[Room, ...] = (),
    typical_output: int | None = 100,
) -> Situation:
    return Situation(
        now=START.timestamp(),
        connections={h.connection: h for h in health},
        locks={(lock.connection, lock.model): lock for lock in locks},
        rooms={room.guard: room for room in rooms},
        typical_output=typical_output,
    )


def room(guard: str = "environment", *, limit: int, spent: int = 0, reserved: int = 0) -> Room:
    return Room(
        guard=guard,
        window="day:2026-11-21",
        limit=limit,
        spent=spent,
        reserved=reserved,
        resets_at=START.timestamp() + 60,
    )


def request(*, budget: int | None = None, max_tokens: int | None = None, text: str = "Hello") -> Request:
    return Request(
        id="r1",
        caller=OWNER,
        door="test",
        chat=Chat(model="", messages=(Message("user", (Text(text),)),), max_tokens=max_tokens),
        budget=budget,
        deadline=10_000.0,
    )


def needs(
    *,
    vision: bool = False,
    tools: bool = False,
    json_schema: bool = False,
    input_tokens: int = 1_000,
    max_tokens: int | None = None,
) -> Needs:
    return Needs(
        vision=vision,
        tools=tools,
        json_schema=json_schema,
        input_tokens=input_tokens,
        input_source="counted",
        input_bound=2 * input_tokens,
        max_tokens=max_tokens,
    )
