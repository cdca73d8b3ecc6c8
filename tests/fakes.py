"""The outside world as tests own it: a clock that moves by hand, loaded dice, counted ids, a scripted upstream."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from omniroute_agent.kernel.ports import Ports

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@dataclass
class FakeClock:
    """Wall and monotonic time that only `advance` and `sleep` move. `sleep` advances at once and yields."""

    wall: datetime = START
    seconds: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.seconds += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


@dataclass
class CountedIds:
    """`00000000000000000000000001`, `…02`: sortable and predictable."""

    count: int = 0

    def __call__(self) -> str:
        self.count += 1
        return f"{self.count:026d}"


Reply = httpx2.Response | Exception | Callable[[httpx2.Request], "httpx2.Response | Awaitable[httpx2.Response]"]


@dataclass
class Upstream(httpx2.AsyncBaseTransport):
    """A scripted provider that remembers what it was asked. Replies are given in order; the last one repeats."""

    replies: Sequence[Reply] = ()
    seen: list[httpx2.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.seen.append(request)
        if not self.replies:
            raise AssertionError(f"nobody expected a call to {request.url}")
        reply = self.replies[min(len(self.seen), len(self.replies)) - 1]
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, httpx2.Response):
            # A response is read once; the script may give it again.
            return httpx2.Response(reply.status_code, headers=reply.headers, stream=reply.stream)
        answer = reply(request)
        return answer if isinstance(answer, httpx2.Response) else await answer

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.seen]


class Pieces(httpx2.AsyncByteStream):
    """A body that arrives piece by piece; an exception among the pieces is raised in its place."""

    def __init__(self, pieces: Iterable[bytes | Exception]) -> None:
        self._pieces = pieces
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def aclose(self) -> None:
        self.closed = True


def sse(*data: object, done: bool = True) -> bytes:
    """OpenAI-style events, with `[DONE]` at the end unless told otherwise."""
    lines = [f"data: {json.dumps(item)}\n\n" for item in data]
    if done:
        lines.append("data: [DONE]\n\n")
    return "".join(lines).encode()


def openai_stream(
    *texts: str,
    model: str = "fake-model",
    usage: tuple[int, int] | None = (10, 5),
    finish: str | None = "stop",
    done: bool = True,
) -> httpx2.Response:
    """A well-formed OpenAI Chat stream saying `texts`; `usage` is (prompt, completion)."""
    return httpx2.Response(
        200,
        headers={"content-type": "text/event-stream"},
        stream=Pieces([openai_stream_bytes(*texts, model=model, usage=usage, finish=finish, done=done)]),
    )


def openai_stream_bytes(
    *texts: str,
    model: str = "fake-model",
    usage: tuple[int, int] | None = (10, 5),
    finish: str | None = "stop",
    done: bool = True,
) -> bytes:
    def chunk(delta: dict[str, object], reason: str | None = None) -> dict[str, object]:
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        }

    chunks: list[object] = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"content": text}) for text in texts]
    if finish is not None:
        chunks.append(chunk({}, finish))
    if usage is not None:
        prompt, completion = usage
        counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        chunks.append(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": model,
                "choices": [],
                "usage": counts,
            }
        )
    return sse(*chunks, done=done)


def openai_error(
    status: int, message: str, *, code: str | None = None, headers: dict[str, str] | None = None
) -> httpx2.Response:
    return httpx2.Response(
        status,
        headers=headers or {},
        json={"error": {"message": message, "type": "error", "code": code, "param": None}},
    )


def fake_ports(
    upstream: httpx2.AsyncBaseTransport | None = None,
    *,
    clock: FakeClock | None = None,
    seed: int = 7,
    ids: CountedIds | None = None,
) -> Ports:
    held = clock or FakeClock()
    return Ports(
        now=held.now,
        monotonic=held.monotonic,
        sleep=held.sleep,
        dice=random.Random(seed),  # noqa: S311 (loaded on purpose)
        new_id=ids or CountedIds(),
        http=httpx2.AsyncClient(transport=upstream or Upstream(), trust_env=False),
    )
