"""Tiny tools for trying a door: one that answers, ones that fail, one that takes its time, one that needs a scope."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

import anyio
from pydantic import Field

from fakes import FakeClock, fake_ports
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import LimitReached
from omniroute_agent.kernel.meter import Meter
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.store.audit import Audit
from omniroute_agent.store.database import Database
from omniroute_agent.tooling.tool import ToolContext, ToolInput, ToolOutput, tool

if TYPE_CHECKING:
    from omniroute_agent.tooling.parts import Parts

PLANTED_SECRET = "sk-planted-0123456789"
OWNER = Caller(id="owner", scopes=frozenset(("*",)), session="test")


class Part(ToolInput):
    type: Literal["text", "image"]
    body: str


class EchoInput(ToolInput):
    text: str = Field(default="hello", max_length=2_000_000)
    times: int = Field(default=1, ge=1, le=50)
    tone: Literal["plain", "loud"] | None = None
    parts: tuple[Part, ...] = ()


class EchoOutput(ToolOutput):
    said: str
    caller: str
    session: str
    door: str
    listens: bool

    def summary(self) -> str:
        return self.said[:100]


class FailInput(ToolInput):
    how: Literal["budget", "crash"]


class SlowInput(ToolInput):
    steps: int = 3
    forever: bool = False
    mark: str = ""
    """A named pipe that gets `running`, then `cancelled` or `done`."""


class SlowOutput(ToolOutput):
    steps: int


class Nothing(ToolInput):
    pass


class Done(ToolOutput):
    done: bool


@tool(title="Echo", scopes=("read:health",), toolsets=("core",), read_only=True, idempotent=True)
async def ok(args: EchoInput, ctx: ToolContext) -> EchoOutput:
    """Says the text again."""
    return EchoOutput(
        said=args.text * args.times,
        caller=ctx.caller.id,
        session=ctx.caller.session,
        door=ctx.door,
        listens=ctx.listens,
    )


@tool(title="Fail", scopes=("read:health",), toolsets=("core",), read_only=True)
async def fail(args: FailInput, _ctx: ToolContext) -> Done:
    """Fails as told."""
    if args.how == "budget":
        raise LimitReached("The guard `day` has 0.10 USD left.", hint="Ask the owner.", facts={"guard": "day"})
    raise RuntimeError(f"the key {PLANTED_SECRET} was refused")


@tool(title="Slow", scopes=("read:health",), toolsets=("core",), read_only=True)
async def slow(args: SlowInput, ctx: ToolContext) -> SlowOutput:
    """Reports its steps, then ends or waits for ever."""
    _mark(args.mark, "running")
    try:
        for step in range(args.steps):
            await ctx.progress(step + 1, args.steps + args.forever, f"step {step + 1}")
            await ctx.parts.ports.sleep(1)
        if args.forever:
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        _mark(args.mark, "cancelled")
        raise
    _mark(args.mark, "done")
    return SlowOutput(steps=args.steps)


def _mark(path: str, word: str) -> None:
    if path:
        # Never wait for a reader: a test that failed has none any more.
        with suppress(OSError), os.fdopen(os.open(path, os.O_WRONLY | os.O_NONBLOCK), "wb") as pipe:
            pipe.write(f"{word}\n".encode())


@tool(title="Guarded", scopes=("write:budget", "write:pricing"), toolsets=("core",), read_only=False, destructive=True)
async def guarded(_args: Nothing, _ctx: ToolContext) -> Done:
    """Needs two scopes."""
    return Done(done=True)


@tool(title="Stubborn", scopes=("read:health",), toolsets=("core",), read_only=True)
async def stubborn(args: SlowInput, _ctx: ToolContext) -> Done:
    """Does not let go when it is cancelled."""
    _mark(args.mark, "running")
    with anyio.CancelScope(shield=True):
        await asyncio.Event().wait()
    return Done(done=True)


@tool(title="Noisy", scopes=("read:health",), toolsets=("core",), read_only=True)
async def noisy(_args: Nothing, _ctx: ToolContext) -> Done:
    """Prints in every way there is."""
    print("stray print", flush=True)  # noqa: T201 (the point of this tool)
    os.write(1, b"stray write\n")
    subprocess.run([sys.executable, "-c", "print('stray child')"], check=True)  # noqa: ASYNC221 (a short child)
    return Done(done=True)


TOOLS = (ok, fail, slow, guarded, stubborn, noisy)


@dataclass(frozen=True)
class SmallParts:
    """As much of `Parts` as these tools and the door touch."""

    ports: Ports
    audit: Audit = field(default_factory=lambda: Audit(database=cast("Database", None), instance="test", level="none"))
    meter: Meter = field(default_factory=Meter)
    spans: None = None


def parts_of(clock: FakeClock | None = None) -> "Callable[[], Awaitable[Parts]]":
    parts = cast("Parts", SmallParts(ports=fake_ports(clock=clock)))

    async def opened() -> "Parts":
        return parts

    return opened


@dataclass
class HeldClock(FakeClock):
    """A clock whose sleepers wait until the test lets them go."""

    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, seconds: float) -> None:
        await self.released.wait()
        self.advance(seconds)
