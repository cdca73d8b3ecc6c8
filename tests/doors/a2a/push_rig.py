"""Hooks that really listen, and the part of the A2A door that tells them, over a real store."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import jwt
from a2a.types import a2a_pb2 as pb

from fakes import FakeClock
from loopback import Seen, read_request
from omniroute_agent.doors.a2a.push.configs import Protocol, PushConfig
from omniroute_agent.doors.a2a.push.policy import HookPolicy
from omniroute_agent.doors.a2a.push.pushes import Pushes
from omniroute_agent.doors.a2a.signer import Signer, new_signing_key
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.outside.addresses import AllowedOrigins
from omniroute_agent.outside.ports import real_ports
from omniroute_agent.settings.master_key import MasterKeys, key_places
from omniroute_agent.store.database import Database
from omniroute_agent.store.push import HookRow, PushRows
from omniroute_agent.store.tasks import TaskRow, TaskRows
from patience import until

OWNER: Final = "owner-1"
TASK: Final = "task-1"
ISSUER: Final = "https://gateway.example"


@dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: tuple[str, ...] = ()
    body: bytes = b""
    endless: bool = False
    """The body never ends, until the client leaves."""
    waits: asyncio.Event | None = None
    """Nothing is answered before this."""


@dataclass
class Receiver:
    """Answers in order, the last one again and again."""

    answers: Sequence[Answer]
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/hook"

    @property
    def states(self) -> list[str]:
        return [_state(request.body) for request in self.seen]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        # Cancelled: the test is over.
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                await self._answer(reader, writer)
        writer.close()
        self.serving.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        answer = self.answers[min(len(self.seen), len(self.answers) - 1)]
        self.seen.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if answer.waits is not None:
                await answer.waits.wait()
        finally:
            self.at_once -= 1
        await _give(answer, writer)


async def _give(answer: Answer, writer: asyncio.StreamWriter) -> None:
    length = () if answer.endless else (f"content-length: {len(answer.body)}",)
    writer.write("\r\n".join((f"HTTP/1.1 {answer.status} X", *answer.headers, *length, "", "")).encode())
    writer.write(answer.body)
    await writer.drain()
    while answer.endless:
        writer.write(b"x" * 65536)
        await writer.drain()


def _state(body: dict[str, Any]) -> str:
    return str(body["task"]["status"]["state"] if "task" in body else body["status"]["state"])


@asynccontextmanager
async def receiver(*answers: Answer) -> AsyncGenerator[Receiver, None]:
    found = Receiver(answers or (Answer(),))
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in tuple(found.serving):
            task.cancel()
        await until(lambda: not found.serving)


@dataclass
class Door:
    """One process's part: its own store connection, pushes and clock."""

    pushes: Pushes
    tasks: TaskRows
    rows: PushRows
    clock: FakeClock
    ports: Ports
    signer: Signer
    policy: HookPolicy

    async def task(self, owner: str = OWNER, id: str = TASK, state: str = "working") -> TaskRow:  # noqa: A002 (its id)
        row = a_task(owner, id, state, at=self.clock.now().timestamp())
        await self.tasks.put(row, expected=None)
        return row

    async def moves(self, row: TaskRow, state: str, note: str = "") -> TaskRow:
        """The task changes its state, and the door hears of it."""
        moved = replace(row, state=state, note=note, version=row.version + 1, status_at=self.clock.now().timestamp())
        await self.tasks.put(moved, expected=row.version)
        self.pushes.kick()
        return moved

    async def hook(self, task_id: str = TASK, hook_id: str = "", owner: str = OWNER) -> HookRow:
        hooks = await self.rows.of_task(owner, task_id)
        assert hooks
        return next(hook for hook in hooks if not hook_id or hook.id == hook_id)

    async def settled(self, tries: int, task_id: str = TASK, owner: str = OWNER) -> HookRow:
        """The hook's row once that many tries have failed in a row, or it is at rest for good."""
        for _ in range(1000):
            row = await self.hook(task_id, owner=owner)
            if row.lease is None and (row.tries >= tries or row.finished):
                return row
            await asyncio.sleep(0.01)
        raise AssertionError("it was not noted")

    async def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.pushes.kick()

    def claims(self, token: str, audience: str) -> dict[str, Any]:
        """What a receiver finds in the token when it checks it with the published keys."""
        key = jwt.PyJWKSet.from_dict(self.signer.jwks())[jwt.get_unverified_header(token)["kid"]]
        found: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["ES256"],
            audience=audience,
            issuer=ISSUER,
            # Its times are those of the test's own clock.
            options={"verify_exp": False, "verify_iat": False, "require": ["iss", "aud", "iat", "exp", "jti"]},
        )
        return found


def a_task(owner: str = OWNER, id: str = TASK, state: str = "working", *, at: float) -> TaskRow:  # noqa: A002 (its id)
    body = pb.Task(
        id=id,
        context_id="context-1",
        history=[pb.Message(message_id="m1", role=pb.ROLE_USER, parts=[pb.Part(text="hello")])],
        artifacts=[pb.Artifact(artifact_id="answer", parts=[pb.Part(text="Grüße")])],
    )
    return TaskRow(
        owner=owner,
        id=id,
        context_id="context-1",
        skill="smart-routing",
        state=state,
        status_at=at,
        note="",
        version=1,
        instance="instance-1" if state in {"submitted", "working"} else None,
        body=body.SerializeToString(),
        created_at=at,
        updated_at=at,
        expires_at=None,
    )


def a_config(url: str, protocol: Protocol = "1.0", **more: Any) -> PushConfig:
    return PushConfig(protocol=protocol, url=url, **more)


def master_keys(directory: Path) -> MasterKeys:
    return MasterKeys(lambda: key_places(directory, keyring=False, environment={}))


@asynccontextmanager
async def a_door(
    directory: Path, *allowed: str, tells: bool = True, real_time: bool = False
) -> AsyncGenerator[Door, None]:
    """`allowed` are the origins its owner allows as hooks. Where it does not tell, nothing runs in the background. Its
    records have a time of their own, which moves by hand only, unless it is `real_time`.
    """
    clock = FakeClock()
    outside = ports = real_ports(AllowedOrigins(*allowed))
    if not real_time:
        ports = replace(outside, now=clock.now, monotonic=clock.monotonic)
    database = await Database.open(directory)
    signer = Signer(new_signing_key())
    policy = HookPolicy(allowed=AllowedOrigins(*allowed), taken=AllowedOrigins())
    tasks, rows = TaskRows(database), PushRows(database)
    pushes = Pushes(
        rows, tasks, ports=ports, keys=master_keys(directory), policy=policy, sign=signer.sign, issuer=ISSUER
    )
    door = Door(pushes, tasks, rows, clock, ports, signer, policy)
    telling = asyncio.create_task(pushes.run()) if tells else None
    try:
        yield door
    finally:
        if telling is not None:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
        await database.close()
        await outside.http.aclose()
