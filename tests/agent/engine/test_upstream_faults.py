"""Every way a provider can misbehave, through a real house on virtual time: the next target answers, one bill each."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import httpx2
import pytest

from fakes import Pieces, openai_error, openai_stream, openai_stream_bytes, sse
from houses import TWO_TARGETS, ask
from omniroute_agent.engine.events import Done
from omniroute_agent.engine.request import TimeLimits
from omniroute_agent.kernel.chat import Usage
from simulated import a_virtual_house, audit
from virtual_time import run_virtual

Misbehaviour = Callable[[], httpx2.Response | Exception]

WHOLE = openai_stream_bytes("Hel", "lo", usage=(10, 5))
BEGUN = WHOLE.index(b'"lo"')
"""Bytes up to where the first word is said."""


class Waiting(httpx2.AsyncByteStream):
    """Pieces of a body, each some seconds after the one before."""

    def __init__(self, pieces: Iterable[bytes], seconds: float) -> None:
        self._pieces = pieces
        self._seconds = seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(self._seconds)
            yield piece

    async def aclose(self) -> None:
        """Nothing is held open."""


def streamed(*pieces: bytes | Exception, kind: str = "text/event-stream") -> httpx2.Response:
    return httpx2.Response(200, headers={"content-type": kind}, stream=Pieces(pieces))


def chunk(**delta: object) -> dict[str, object]:
    return {"id": "c", "model": "fake-model", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


END = {"id": "c", "model": "fake-model", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def counted(usage: object) -> httpx2.Response:
    """A whole answer with whatever counts."""
    last = {"id": "c", "model": "fake-model", "choices": [], "usage": usage}
    return streamed(sse(chunk(content="Hello"), END, last))


class TwoHosts(httpx2.AsyncBaseTransport):
    """`one` misbehaves, `two` answers."""

    def __init__(self, misbehaves: Misbehaviour) -> None:
        self._misbehaves = misbehaves
        self.calls = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.calls += 1
        reply = self._misbehaves() if request.url.host == "one.example" else openai_stream("Fine", usage=(20, 7))
        if isinstance(reply, Exception):
            raise reply
        return reply


def served(directory: Path, misbehaves: Misbehaviour) -> tuple[Done, TwoHosts]:
    upstream = TwoHosts(misbehaves)

    async def story() -> Done:
        async with a_virtual_house(directory, upstream, TWO_TARGETS) as house:
            request = ask(house, limits=TimeLimits(first_token=5, between_chunks=5, total=30))
            return await house.parts.turn.take(request)

    done, _ = run_virtual(story())
    books = audit(directory)
    assert (books.intents, books.unsettled, books.running, books.held) == (upstream.calls, 0, 0, 0)
    assert books.costs == {done.receipt.request_id: done.receipt.cost}
    return done, upstream


STATUSES = {
    401: "unauthorized",
    402: "out_of_credit",
    403: "forbidden",
    404: "not_found",
    408: "server_error",
    409: "unsupported",
    413: "context_overflow",
    418: "unsupported",
    422: "unsupported",
    429: "rate_limited",
    500: "server_error",
    502: "server_error",
    503: "overloaded",
    504: "server_error",
    529: "overloaded",
}


@pytest.mark.parametrize(
    ("status", "fault", "body"),
    [
        *((status, fault, "error") for status, fault in STATUSES.items()),
        *((status, STATUSES[status], body) for status in (401, 429, 503) for body in ("page", "nothing")),
    ],
)
def test_any_error_status_with_any_body_is_one_fault_and_costs_nothing(
    tmp_path: Path, status: int, fault: str, body: str
) -> None:
    def reply() -> httpx2.Response:
        if body == "error":
            return openai_error(status, "Sorry.")
        return httpx2.Response(status, text="<h1>Sorry</h1>" if body == "page" else "")

    done, _ = served(tmp_path, reply)
    assert [(a.target, a.fault, a.cost) for a in done.receipt.tried] == [
        ("one/alpha", fault, 0),
        ("two/beta", None, 340_000),
    ]
    assert done.answer.text == "Fine"


JSON = {"content-type": "application/json"}
ERROR = {"error": {"message": "The engine is overloaded.", "type": "overloaded_error", "code": 529}}

FAULTS: dict[str, tuple[Misbehaviour, str]] = {
    "nobody listens": (lambda: httpx2.ConnectError("refused"), "connect_failed"),
    "connecting takes too long": (lambda: httpx2.ConnectTimeout("slow"), "connect_timeout"),
    "reset after the request": (lambda: httpx2.ReadError("reset"), "cut_off"),
    "closed without an answer": (lambda: httpx2.RemoteProtocolError("closed"), "cut_off"),
    "reset within the answer": (lambda: streamed(WHOLE[:150], httpx2.ReadError("reset")), "cut_off"),
    "half an answer, then closed": (lambda: streamed(WHOLE[: len(WHOLE) // 2]), "cut_off"),
    "everything but its end": (lambda: openai_stream("Hello", finish=None, usage=None, done=False), "cut_off"),
    "never a first token": (lambda: answering_after(b"", 3600), "first_token_timeout"),
    "silence within the answer": (lambda: answering_after(WHOLE, 3600, at_once=BEGUN), "idle_timeout"),
    "slower than the whole time": (lambda: answering_after(WHOLE, 0.5, at_once=BEGUN), "total_timeout"),
    "broken JSON": (lambda: httpx2.Response(200, headers=JSON, text='{"choices": [{"mess'), "malformed"),
    "a broken event": (
        lambda: streamed(sse(chunk(content="Hi"), done=False), b'data: {"choices": [{\n\n'),
        "malformed",
    ),
    "an answer of another kind": (lambda: streamed(b"<h1>Hello</h1>", kind="text/html"), "malformed"),
    "no choices": (lambda: httpx2.Response(200, headers=JSON, json={"id": "c", "choices": []}), "malformed"),
    "no choices in a stream": (lambda: streamed(sse({"id": "c", "choices": []})), "cut_off"),
    "an answer that says nothing": (openai_stream, "empty"),
    "200 with an error body": (lambda: httpx2.Response(200, headers=JSON, json=ERROR), "overloaded"),
    "an error event first": (lambda: streamed(sse(ERROR)), "overloaded"),
    "an error event later": (lambda: streamed(sse(chunk(content="Hi"), ERROR)), "overloaded"),
    "an error in the text": (lambda: openai_stream(json.dumps(ERROR)), "overloaded"),
}


def answering_after(body: bytes, seconds: float, *, at_once: int = 0) -> httpx2.Response:
    """The first bytes at once, the others one by one with so many seconds between them."""
    pieces = [body[at_once + i : at_once + i + 1] for i in range(max(len(body) - at_once, 1))]

    class Body(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            if at_once:
                yield body[:at_once]
            async for piece in Waiting(pieces, seconds):
                yield piece

    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Body())


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_happens_to_an_answer_the_next_target_gives_one(tmp_path: Path, name: str) -> None:
    misbehaves, fault = FAULTS[name]
    done, upstream = served(tmp_path, misbehaves)
    assert [a.fault for a in done.receipt.tried] == [fault, None]
    assert (done.answer.text, upstream.calls) == ("Fine", 2)
    # Of work that was surely done the cost is estimated and said to be.
    first = done.receipt.tried[0]
    assert first.cost_state in ("exact", "estimated")
    assert (first.cost == 0) is (first.usage is None)


def test_an_answer_that_drips_byte_by_byte_is_whole(tmp_path: Path) -> None:
    slowly = [WHOLE[i : i + 1] for i in range(len(WHOLE))]
    done, _ = served(
        tmp_path,
        lambda: httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Waiting(slowly, 0.001)),
    )
    assert (done.answer.text, done.receipt.served_by) == ("Hello", "one/alpha")
    assert done.receipt.cost == 20_000


def test_ends_and_counts_that_come_twice_count_once(tmp_path: Path) -> None:
    last = {"id": "c", "model": "m", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}
    done, upstream = served(
        tmp_path, lambda: streamed(sse(chunk(content="Hello"), END, END, last, last, done=False), DONE * 2)
    )
    assert (done.answer.text, done.answer.finish, upstream.calls) == ("Hello", "stop", 1)
    assert (done.receipt.cost, done.receipt.usage) == (20_000, Usage(input_tokens=10, output_tokens=5))


DONE = b"data: [DONE]\n\n"


def test_tool_calls_in_fragments_are_put_together(tmp_path: Path) -> None:
    def call(index: int, arguments: str, **named: str) -> dict[str, object]:
        function = {"arguments": arguments} | ({"name": named["name"]} if named else {})
        return chunk(tool_calls=[{"index": index, "function": function} | ({"id": named["id"]} if named else {})])

    events = [
        call(0, "", id="a", name="look"),
        call(0, '{"pla'),
        call(1, '{"n"', id="b", name="count"),
        call(0, 'ce": "ö'),
        call(1, ": 1}"),
        call(0, '"}'),
        END | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    body = sse(*events)
    done, _ = served(tmp_path, lambda: streamed(*(body[i : i + 7] for i in range(0, len(body), 7))))
    assert [(c.id, c.name, json.loads(c.arguments)) for c in done.answer.tool_calls] == [
        ("a", "look", {"place": "ö"}),
        ("b", "count", {"n": 1}),
    ]


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": float("nan"), "completion_tokens": 5},
        {"prompt_tokens": 10, "completion_tokens": float("inf")},
        {"prompt_tokens": -10, "completion_tokens": -5},
        {"prompt_tokens": "ten", "completion_tokens": None},
        {"prompt_tokens": 10**30, "completion_tokens": 10**30},
        [],
        "lots",
    ],
)
def test_counts_that_make_no_sense_break_no_bill(tmp_path: Path, usage: object) -> None:
    done, _ = served(tmp_path, lambda: counted(usage))
    assert done.answer.text in ("Hello", "Fine")
    for attempt in done.receipt.tried:
        assert attempt.cost is not None
        assert attempt.cost >= 0
        assert attempt.usage is None or min(attempt.usage.input_tokens, attempt.usage.output_tokens) >= 0
