"""One try at one target: four time limits inside one deadline, and no end that is not the dialect's own."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import Upstream, fake_ports, openai_stream, openai_stream_bytes
from omniroute_agent.engine.attempt import LINGER_SECONDS, Try, attempt
from omniroute_agent.engine.faults import Fault
from omniroute_agent.engine.request import TimeLimits
from omniroute_agent.engine.windows import Heard
from omniroute_agent.kernel.chat import Chat, ChatEvent, Finished, Message, ReasoningDelta, Text, TextDelta
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.providers.model import Connection, Endpoint, Provider
from omniroute_agent.wire.dialect import Quirks
from virtual_time import run_virtual

LIMITS = TimeLimits(connect=10, first_token=60, between_chunks=30, total=300)


class Timed(httpx2.AsyncByteStream):
    """Pieces that come after so many seconds each."""

    def __init__(self, *pieces: tuple[float, bytes]) -> None:
        self._pieces = pieces
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for seconds, piece in self._pieces:
            await asyncio.sleep(seconds)
            yield piece

    async def aclose(self) -> None:
        self.closed = True


def target(
    *, key: str = "obviously-fake-key", dialect: str = "openai-chat", quirks: Quirks | None = None
) -> Connection:
    async def reach() -> Endpoint:
        return Endpoint(base_url="https://one.example/v1", secret=Secret(key))

    provider = Provider(
        id="x", title="x", base_url="https://one.example/v1", dialect=dialect, quirks=quirks or Quirks()
    )
    return Connection(id="x", provider=provider, source="settings", tier="key", reach=reach)


async def events(
    upstream: httpx2.AsyncBaseTransport,
    *,
    limits: TimeLimits = LIMITS,
    seconds_left: float = 600,
    connection: Connection | None = None,
) -> list[ChatEvent | Fault]:
    chat = Chat(model="m", messages=(Message("user", (Text("Hi"),)),))
    plan = Try(connection=connection or target(), model="m", chat=chat, limits=limits, seconds_left=seconds_left)
    return [event async for event in attempt(plan, fake_ports(upstream)) if not isinstance(event, Heard)]


def stream(*pieces: tuple[float, bytes]) -> httpx2.Response:
    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Timed(*pieces))


def last(found: list[ChatEvent | Fault]) -> str:
    end = found[-1]
    return end.kind if isinstance(end, Fault) else type(end).__name__


BEGIN = openai_stream_bytes("Once", finish=None, usage=None, done=False)


def test_a_target_that_says_nothing_is_given_up_at_the_first_token_limit() -> None:
    async def silent(_: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(10_000)
        raise AssertionError

    found, took = run_virtual(events(Upstream([silent])))
    assert (last(found), took) == ("first_token_timeout", 60.0)


def test_headers_alone_do_not_count_as_a_first_token() -> None:
    found, took = run_virtual(events(Upstream([stream((10_000, b""))])))
    assert (last(found), took) == ("first_token_timeout", 60.0)


def test_comments_that_keep_the_line_open_do_not_count_as_a_first_token() -> None:
    found, took = run_virtual(events(Upstream([stream(*[(10.0, b": keep-alive\n\n")] * 50)])))
    assert (last(found), took) == ("first_token_timeout", 60.0)


def test_a_stream_that_stalls_is_given_up_between_chunks() -> None:
    found, took = run_virtual(events(Upstream([stream((5, BEGIN), (10_000, b""))])))
    assert (last(found), took) == ("idle_timeout", 35.0)


def test_a_stream_that_trickles_for_ever_ends_at_the_total_limit() -> None:
    found, took = run_virtual(events(Upstream([stream(*[(20.0, BEGIN)] * 100)])))
    assert (last(found), took) == ("total_timeout", 300.0)


def test_the_callers_deadline_stands_above_the_limits_of_an_attempt() -> None:
    found, took = run_virtual(events(Upstream([stream((10_000, BEGIN))]), seconds_left=7))
    assert (last(found), took) == ("total_timeout", 7.0)


def test_a_timed_out_stream_is_closed() -> None:
    body = Timed((5, BEGIN), (10_000, b""))
    reply = httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=body)
    run_virtual(events(Upstream([reply])))
    assert body.closed


def test_a_whole_answer_ends_with_its_own_end() -> None:
    found, _ = run_virtual(events(Upstream([openai_stream("Hello", " you")])))
    assert [event.text for event in found if isinstance(event, TextDelta)] == ["Hello", " you"]
    assert sum(isinstance(event, Finished) for event in found) == 1
    assert not any(isinstance(event, Fault) for event in found)


WHOLE = openai_stream_bytes("Hello", " you", usage=(3, 2))


def test_after_its_end_an_answer_waits_a_second_for_the_connection_and_no_longer() -> None:
    body = Timed((5, WHOLE), (10_000, b"data: more\n\n"))
    reply = httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=body)
    found, took = run_virtual(events(Upstream([reply])))
    assert (last(found), took) == ("Finished", 5 + LINGER_SECONDS)
    assert body.closed


def test_usage_that_comes_after_the_end_is_still_heard() -> None:
    quirks = Quirks(done_marker=False)
    end, usage = openai_stream_bytes("Hi", usage=None, done=False), openai_stream_bytes(finish=None, usage=(3, 2))
    reply = stream((1, end), (0.5, usage))
    found, _ = run_virtual(events(Upstream([reply]), connection=target(quirks=quirks)))
    assert [type(event).__name__ for event in found] == ["TextDelta", "Finished", "UsageSeen"]


@given(st.integers(0, len(WHOLE) - 1))
def test_wherever_a_stream_is_cut_it_is_never_taken_for_a_clean_end(offset: int) -> None:
    found, _ = run_virtual(events(Upstream([stream((0.0, WHOLE[:offset]))])))
    # Only the last byte, the second line feed after [DONE], may be missing without loss.
    ended_well = WHOLE[:offset].rstrip().endswith(b"[DONE]") and WHOLE[:offset].endswith(b"\n")
    assert isinstance(found[-1], Fault) is not ended_well or WHOLE[:offset].endswith(b"[DONE]\n")


@pytest.mark.parametrize("header", ["7", "7.0"])
def test_a_refusal_carries_the_providers_words_without_the_key_and_its_hint(header: str) -> None:
    reply = httpx2.Response(
        429, headers={"retry-after": header}, json={"error": {"message": "obviously-fake-key is too fast"}}
    )
    found, _ = run_virtual(events(Upstream([reply])))
    fault = found[-1]
    assert isinstance(fault, Fault)
    assert fault.retry_after == 7.0
    assert fault.detail == "429: *** is too fast"


def test_an_endless_error_page_is_read_only_to_a_bound() -> None:
    class Endless(httpx2.AsyncByteStream):
        pieces = 0

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                self.pieces += 1
                yield b"x" * 1024

    body = Endless()
    found, _ = run_virtual(events(Upstream([httpx2.Response(500, stream=body)])))
    assert last(found) == "server_error"
    assert body.pieces < 100


# ---- dialects whose path, framing or body is their own

GEMINI_ANSWER = {"candidates": [{"content": {"parts": [{"text": "<think>Hm</think>Hi"}]}, "finishReason": "STOP"}]}


def test_a_model_stands_in_the_path_where_its_dialect_has_it_there() -> None:
    asked: list[str] = []

    async def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(200, json=GEMINI_ANSWER)

    found, _ = run_virtual(events(Upstream([answer]), connection=target(dialect="gemini")))
    assert asked == ["https://one.example/v1/models/m:streamGenerateContent?alt=sse"]
    assert last(found) == "Finished"


def test_lines_of_json_are_a_stream_to_a_dialect_that_streams_them() -> None:
    lines = b'{"message":{"content":"Hi"},"done":false}\n{"message":{},"done":true,"done_reason":"stop"}\n'
    reply = httpx2.Response(200, headers={"content-type": "application/x-ndjson"}, content=lines)
    found, _ = run_virtual(events(Upstream([reply]), connection=target(dialect="ollama")))
    assert found == [TextDelta("Hi"), Finished("stop")]
    other = httpx2.Response(200, headers={"content-type": "application/x-ndjson"}, content=lines)
    assert last(run_virtual(events(Upstream([other])))[0]) == "malformed"


def test_reasoning_in_the_text_of_a_whole_answer_is_told_apart_too() -> None:
    connection = target(dialect="gemini", quirks=Quirks(think_tags=True))
    found, _ = run_virtual(events(Upstream([httpx2.Response(200, json=GEMINI_ANSWER)]), connection=connection))
    assert found == [ReasoningDelta("Hm"), TextDelta("Hi"), Finished("stop")]


@pytest.mark.parametrize(("header", "hint"), [({}, 34.0), ({"retry-after": "7"}, 7.0)])
def test_a_hint_in_the_body_counts_where_no_header_gives_one(header: dict[str, str], hint: float) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
    error = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details": [info]}}
    reply = httpx2.Response(429, headers=header, json=error)
    (fault,), _ = run_virtual(events(Upstream([reply]), connection=target(dialect="gemini")))
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.retry_after) == ("rate_limited", hint)
