"""A real house around a scripted upstream: real SQLite, real engine, real tools; only the outside is ours."""

import textwrap
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from fakes import CountedIds, FakeClock, Upstream, fake_ports
from omniroute_agent.app import House, open_house
from omniroute_agent.engine.request import CommitPoint, Request, TimeLimits
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.chat import Chat, Message, Text
from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.sources import load

OWNER = Caller(id="owner", scopes=frozenset(("*",)), session="s1")

TWO_TARGETS = """
[[connections]]
id = "one"
provider = "custom-openai"
base_url = "https://one.example/v1"
key = "obviously-fake-one"
models = ["alpha"]
default_model = "alpha"

[[connections]]
id = "two"
provider = "custom-openai"
base_url = "https://two.example/v1"
key = "obviously-fake-two"
models = ["beta"]
default_model = "beta"

[[combos]]
name = "both"
targets = ["one/alpha", "two/beta"]

[prices."one/alpha"]
input = "1"
output = "2"

[prices."two/beta"]
input = "10"
output = "20"
"""
"""Two connections with a model each, a combo over both. alpha costs 1 and 2 USD per million tokens, beta ten times."""


def settings_of(directory: Path, text: str, environment: dict[str, str]) -> Settings:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "config.toml"
    path.write_text(
        "[discovery]\nloopback = false\n[local]\nenabled = false\n[secrets]\nkeyring = false\n" + textwrap.dedent(text),
        "utf-8",
    )
    return load(config=path, data_dir=directory / "data", environment=environment)


@asynccontextmanager
async def a_house(
    directory: Path,
    upstream: httpx2.AsyncBaseTransport | None = None,
    *,
    settings: str = TWO_TARGETS,
    environment: dict[str, str] | None = None,
    clock: FakeClock | None = None,
    ids: CountedIds | None = None,
    door: str = "test",
) -> AsyncGenerator[House, None]:
    loaded = settings_of(directory, settings, environment or {})
    ports = fake_ports(upstream or Upstream(), clock=clock, ids=ids)
    async with open_house(loaded, door=door, environment=environment or {}, ports=ports, caretakers=False) as house:
        yield house


def ask(
    house: House,
    text: str = "Hello",
    *,
    model: str = "",
    combo: str | None = "both",
    commit: CommitPoint = "result",
    budget: int | None = None,
    max_tokens: int | None = None,
    key: str | None = None,
    seconds: float = 600.0,
    limits: TimeLimits | None = None,
    caller: Caller = OWNER,
) -> Request:
    ports = house.parts.ports
    return Request(
        id=ports.new_id(),
        caller=caller,
        door="test",
        chat=Chat(model=model, messages=(Message("user", (Text(text),)),), max_tokens=max_tokens),
        combo=None if model else combo,
        budget=budget,
        deadline=ports.monotonic() + seconds,
        limits=limits or TimeLimits(),
        commit=commit,
        idempotency_key=key,
    )
