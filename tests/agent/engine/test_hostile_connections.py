"""Providers that break HTTP, its framing or its patience: each ends in a right answer or in one clear fault."""

import gzip
import ssl
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes import fake_ports, openai_stream_bytes
from hostile import Drip, Endless, Hang, Provider, Reset, Step, chunked, head, provider
from omniroute_agent.engine.attempt import MAX_ERROR_BODY, Try, attempt
from omniroute_agent.engine.faults import Fault
from omniroute_agent.engine.request import TimeLimits
from omniroute_agent.engine.windows import Heard
from omniroute_agent.kernel.chat import Chat, Message, Text
from omniroute_agent.kernel.fold import Fold
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.outside.addresses import AllowedOrigins
from omniroute_agent.outside.ports import real_ports
from omniroute_agent.outside.ways import WaysOut
from omniroute_agent.providers.model import Connection, Endpoint
from omniroute_agent.providers.model import Provider as Known
from streams import WHOLE

QUICK = TimeLimits(connect=5, first_token=0.15, between_chunks=0.15, total=0.4)
PATIENT = TimeLimits(connect=5, first_token=10, between_chunks=10, total=30)
CHAT = Chat(model="m", messages=(Message("user", (Text("Hi"),)),), max_tokens=100)

ANSWER = openai_stream_bytes("Grüße", " an 日本 🦊", usage=(3, 2))
SAID = "Grüße an 日本 🦊"


def target(url: str, dialect: str) -> Connection:
    async def reach() -> Endpoint:
        return Endpoint(base_url=url, secret=Secret("obviously-fake-key"))

    known = Known(id="x", title="x", base_url=url, dialect=dialect)
    return Connection(id="x", provider=known, source="settings", tier="key", reach=reach)


NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Spares each test the reading of the system's certificates."""


def loopback_ports(found: Provider) -> Ports:
    """The real way out, on a clock of ours."""
    return fake_ports(WaysOut(AllowedOrigins(found.url), verify=NO_TLS))


async def told(
    found: Provider, *, dialect: str = "openai-chat", limits: TimeLimits = PATIENT, ports: Ports | None = None
) -> str | Fault:
    """The text of the answer, or the fault; exactly one of them, and nothing after a fault."""
    fold, faults = Fold(), list[Fault]()
    ports = ports or loopback_ports(found)
    plan = Try(connection=target(found.url, dialect), model="m", chat=CHAT, limits=limits, seconds_left=60)
    try:
        async for event in attempt(plan, ports):
            assert not faults, "something follows the fault"
            if isinstance(event, Fault):
                faults.append(event)
            elif not isinstance(event, Heard):
                fold.add(event)
    finally:
        await ports.http.aclose()
    assert (fold.finish is None) is bool(faults)
    return faults[0] if faults else fold.answer().text


async def fault(*steps: Step, dialect: str = "openai-chat", limits: TimeLimits = PATIENT) -> Fault:
    async with provider(*steps) as found:
        ended = await told(found, dialect=dialect, limits=limits)
    assert isinstance(ended, Fault), ended
    assert 0 < len(ended.detail) <= 300
    return ended


# ---- what may look odd and is right all the same

FINE: dict[str, tuple[Step, ...]] = {
    "until the connection closes": (head() + ANSWER,),
    "with a length": (head("200 OK", "text/event-stream", f"content-length: {len(ANSWER)}") + ANSWER,),
    "without a content type": (head("200 OK", "") + ANSWER,),
    "a content type in capitals": (head("200 OK", "TEXT/Event-Stream; Charset=UTF-8") + ANSWER,),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + ANSWER,),
    "no reason phrase": (b"HTTP/1.1 200 \r\ncontent-type: text/event-stream\r\n\r\n" + ANSWER,),
    "100 before it": (b"HTTP/1.1 100 Continue\r\n\r\n" + head() + ANSWER,),
    "103 before it": (b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 3 + head() + ANSWER,),
    "byte by byte": (head(), Drip(ANSWER)),
    "a head byte by byte": (Drip(head()), ANSWER),
    "a chunk for each byte": (
        head("200 OK", "text/event-stream", "transfer-encoding: chunked"),
        chunked(*(ANSWER[at : at + 1] for at in range(len(ANSWER)))) + b"0\r\n\r\n",
    ),
    "no last chunk after the end": (head("200 OK", "text/event-stream", "transfer-encoding: chunked"), chunked(ANSWER)),
    "a broken chunk after the end": (
        head("200 OK", "text/event-stream", "transfer-encoding: chunked"),
        chunked(ANSWER) + b"xyz\r\n",
    ),
    "less than its length after the end": (head("200 OK", "text/event-stream", "content-length: 100000") + ANSWER,),
    "a reset after the end": (head() + ANSWER, Reset()),
    "garbage after the end": (head() + ANSWER + b'data: {"choices": [{\n\n\xff\xfe<html>\n\ndata: [DONE]\n\n',),
    "an error after the end": (head() + ANSWER + b'data: {"error": {"message": "too late"}}\n\n',),
    "CRLF": (head() + ANSWER.replace(b"\n", b"\r\n"),),
    "CR": (head() + ANSWER.replace(b"\n", b"\r") + b"\r",),
    "a byte order mark": (head() + b"\xef\xbb\xbf" + ANSWER,),
    "comments and unknown fields": (head() + b": hi\n\nid: 7\nretry: 1\n\n" + ANSWER.replace(b"\n\n", b"\n: x\n\n"),),
    "gzip": (head("200 OK", "text/event-stream", "content-encoding: gzip") + gzip.compress(ANSWER),),
    "deflate": (head("200 OK", "text/event-stream", "content-encoding: deflate") + zlib.compress(ANSWER),),
    "deflate without a wrapper": (
        head("200 OK", "text/event-stream", "content-encoding: deflate") + zlib.compress(ANSWER)[2:-4],
    ),
    "gzip byte by byte": (head("200 OK", "text/event-stream", "content-encoding: gzip"), Drip(gzip.compress(ANSWER))),
    "named identity": (head("200 OK", "text/event-stream", "content-encoding: identity") + ANSWER,),
}


@pytest.mark.parametrize("steps", FINE.values(), ids=FINE)
async def test_an_odd_answer_is_read_all_the_same(steps: tuple[Step, ...]) -> None:
    async with provider(*steps) as found:
        assert await told(found) == SAID


@pytest.mark.parametrize("after", [Hang(), Endless(b": still here\n\n" * 100)], ids=["silence", "noise"])
async def test_a_connection_that_stays_open_after_the_end_costs_no_answer(
    after: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omniroute_agent.engine.attempt.LINGER_SECONDS", 0.05)
    async with provider(head() + ANSWER, after) as found:
        assert await told(found) == SAID


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_a_stream_cut_into_any_pieces_reads_the_same(data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(ANSWER) - 1), max_size=8)))
    pieces = [ANSWER[a:b] for a, b in zip([0, *cuts], [*cuts, len(ANSWER)], strict=True)]
    answer = head("200 OK", "text/event-stream", "transfer-encoding: chunked") + chunked(*pieces) + b"0\r\n\r\n"
    async with provider(answer) as found:
        assert await told(found) == SAID


# ---- what is wrong, by what it is called

BEGUN = openai_stream_bytes("Once", finish=None, usage=None, done=False)
WITH_CHUNKS = head("200 OK", "text/event-stream", "transfer-encoding: chunked")

WRONG: dict[str, tuple[str, tuple[Step, ...]]] = {
    "a reset before the first byte": ("cut_off", (Reset(),)),
    "an end before the first byte": ("cut_off", ()),
    "a reset in the head": ("cut_off", (head()[:20], Reset())),
    "an end in the head": ("cut_off", (head()[:20],)),
    "a reset before the body": ("cut_off", (head(), Reset())),
    "an empty body": ("cut_off", (head(),)),
    "a reset in the answer": ("cut_off", (head() + BEGUN, Reset())),
    "an end in the answer": ("cut_off", (head() + BEGUN,)),
    "an end in a chunk": ("cut_off", (WITH_CHUNKS + b"ffff\r\n" + BEGUN,)),
    "a proper last chunk in the answer": ("cut_off", (WITH_CHUNKS + chunked(BEGUN) + b"0\r\n\r\n",)),
    "a chunk without a size": ("cut_off", (WITH_CHUNKS + b"xyz\r\n" + BEGUN,)),
    "a chunk of no size on earth": ("cut_off", (WITH_CHUNKS + b"f" * 40 + b"\r\n" + BEGUN,)),
    "a length that is too short": (
        "cut_off",
        (head("200 OK", "text/event-stream", "content-length: 90") + openai_stream_bytes("Hi"),),
    ),
    "two lengths": (
        "cut_off",
        (head("200 OK", "text/event-stream", "content-length: 90", "content-length: 91") + ANSWER,),
    ),
    "no HTTP": ("cut_off", (b"SSH-2.0-OpenSSH_9.6\r\n",)),
    "a status that is no number": ("cut_off", (b"HTTP/1.1 OK\r\n\r\n",)),
    "a head without an end": ("cut_off", (b"HTTP/1.1 200 OK\r\n", Endless(b"x-flood: " + b"y" * 4000 + b"\r\n"))),
    "a header without an end": ("cut_off", (b"HTTP/1.1 200 OK\r\nx-flood: ", Endless(b"y" * 4096))),
    "another protocol": ("cut_off", (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", Hang())),
    "204": ("malformed", (head("204 No Content", ""),)),
    "a page": ("malformed", (head("200 OK", "text/html") + b"<html>login</html>",)),
    "plain text": ("malformed", (head("200 OK", "text/plain") + ANSWER,)),
    "a stream said to be JSON": ("malformed", (head("200 OK", "application/json") + ANSWER,)),
    "JSON said to be a stream": ("cut_off", (head() + b'{"choices": []}',)),
    "half a JSON": ("malformed", (head("200 OK", "application/json") + b'{"id":"x","choices":[{"mess',)),
    "half a JSON of its length": (
        "cut_off",
        (head("200 OK", "application/json", "content-length: 500") + b'{"id":"x","choices":[',),
    ),
    "a broken event": ("malformed", (head() + BEGUN + b'data: {"id":"x","choices":[{\n\n' + ANSWER,)),
    "an encoding nobody asked for": ("malformed", (head("200 OK", "text/event-stream", "content-encoding: br"),)),
    "packed twice": (
        "malformed",
        (head("200 OK", "text/event-stream", "content-encoding: gzip, gzip") + gzip.compress(gzip.compress(ANSWER)),),
    ),
    "not packed as said": ("malformed", (head("200 OK", "text/event-stream", "content-encoding: gzip") + ANSWER,)),
    "packed and cut": (
        "cut_off",
        (head("200 OK", "text/event-stream", "content-encoding: gzip") + gzip.compress(ANSWER)[:30],),
    ),
}


@pytest.mark.parametrize(("kind", "steps"), WRONG.values(), ids=WRONG)
async def test_each_way_to_break_an_answer_is_one_fault(kind: str, steps: tuple[Step, ...]) -> None:
    assert (await fault(*steps)).kind == kind


SLOW: dict[str, tuple[str, tuple[Step, ...]]] = {
    "no answer": ("first_token_timeout", (Hang(),)),
    "a head that never ends": ("first_token_timeout", (b"HTTP/1.1 200 OK\r\n", Hang())),
    "endless hints": ("first_token_timeout", (Endless(b"HTTP/1.1 103 Early Hints\r\n\r\n"),)),
    "a head alone": ("first_token_timeout", (head(), Hang())),
    "comments alone": ("first_token_timeout", (head(), Endless(b": wait\n\n"))),
    "an error page that never ends": ("first_token_timeout", (head("500 Oops", "text/html") + b"<html>", Hang())),
    "half a JSON": ("first_token_timeout", (head("200 OK", "application/json") + b'{"choices"', Hang())),
    "a silence in the answer": ("idle_timeout", (head() + BEGUN, Hang())),
    "an answer that never ends": ("total_timeout", (head(), Endless(BEGUN))),
}


@pytest.mark.parametrize(("kind", "steps"), SLOW.values(), ids=SLOW)
async def test_nobody_can_make_us_wait(kind: str, steps: tuple[Step, ...]) -> None:
    assert (await fault(*steps, limits=QUICK)).kind == kind


# ---- redirects, bombs, floods


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_anywhere(status: int) -> None:
    async with (
        provider(head() + ANSWER) as elsewhere,
        provider(head(f"{status} Elsewhere", "", f"location: {elsewhere.url}/chat/completions")) as found,
    ):
        ended = await told(found, ports=real_ports(AllowedOrigins(found.url, elsewhere.url)))
        assert elsewhere.heads == []
        assert len(found.heads) == 1
    assert isinstance(ended, Fault)
    assert (ended.kind, str(status) in ended.detail) == ("malformed", True)


async def test_no_compression_is_asked_for() -> None:
    async with provider(head() + ANSWER) as found:
        await told(found, ports=real_ports(AllowedOrigins(found.url)))
    assert b"accept-encoding: identity\r\n" in found.heads[0].lower()


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(b"x" * 2**20) for _ in range(megabytes)), packer.flush()])


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
async def test_a_bomb_is_given_up_before_it_fills_the_memory(kind: str) -> None:
    content = bomb(40)
    assert len(content) < 2**17
    found = await fault(head("200 OK", kind, "content-encoding: gzip") + content)
    assert found.kind == "malformed"
    assert "larger" in found.detail


async def test_a_bomb_in_an_error_page_is_read_only_to_a_bound() -> None:
    found = await fault(head("429 Slow", "text/plain", "content-encoding: gzip", "retry-after: 7") + bomb(40))
    assert (found.kind, found.retry_after, found.status) == ("rate_limited", 7.0, 429)
    assert MAX_ERROR_BODY < 2**20


@pytest.mark.parametrize("more", ["content-encoding: br", "content-encoding: gzip", "content-length: 900"])
async def test_an_error_page_that_cannot_be_read_is_still_known_by_its_status(more: str) -> None:
    found = await fault(head("401 No", "application/json", more) + b'{"error"')
    assert (found.kind, found.status) == ("unauthorized", 401)


@pytest.mark.parametrize("lines", [50, 1000])
async def test_a_flood_of_headers_breaks_nothing(lines: int) -> None:
    flood = (f"x-ratelimit-limit-{n}: {'9' * 60}" for n in range(lines))
    async with provider(head("200 OK", "text/event-stream", *flood) + ANSWER) as found:
        assert await told(found) == SAID


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e999", "9" * 400, "", "\xff", "Thu, 99 Foo 2026", "0x10"])
async def test_a_hint_that_is_no_time_is_none_or_bounded(value: str) -> None:
    limits = (f"x-ratelimit-{what}-requests: {value}" for what in ("limit", "remaining", "reset"))
    found = await fault(head("429 Slow", "application/json", f"retry-after: {value}", *limits) + b"{}")
    assert found.kind == "rate_limited"
    assert found.retry_after is None or 0 <= found.retry_after <= 86_400


# ---- every dialect

DIALECT_TYPE = {"ollama": "application/x-ndjson"}


def stream(dialect: str, content: bytes) -> bytes:
    return head("200 OK", DIALECT_TYPE.get(dialect, "text/event-stream")) + content


@pytest.mark.parametrize("dialect", WHOLE)
async def test_a_stream_of_every_dialect_is_read_byte_by_byte(dialect: str) -> None:
    async with provider(stream(dialect, b""), Drip(WHOLE[dialect])) as found:
        assert await told(found, dialect=dialect) == "Grüße"


@pytest.mark.parametrize("dialect", WHOLE)
async def test_a_complete_answer_is_not_lost_to_a_reset_after_it(dialect: str) -> None:
    async with provider(stream(dialect, WHOLE[dialect]), Reset()) as found:
        assert await told(found, dialect=dialect) == "Grüße"


@pytest.mark.parametrize("dialect", WHOLE)
async def test_half_a_stream_of_every_dialect_is_cut_off(dialect: str) -> None:
    content = WHOLE[dialect]
    assert (await fault(stream(dialect, content[: len(content) // 2]), dialect=dialect)).kind == "cut_off"


@pytest.mark.parametrize("spoken", WHOLE)
@pytest.mark.parametrize("dialect", WHOLE)
async def test_the_wrong_dialect_is_a_fault_and_never_an_empty_answer(dialect: str, spoken: str) -> None:
    if spoken == dialect:
        return
    found = await fault(stream(spoken, WHOLE[spoken]), dialect=dialect)
    assert found.kind in ("malformed", "cut_off")


@pytest.mark.parametrize("dialect", WHOLE)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 529])
async def test_every_status_is_a_fault_in_every_dialect(dialect: str, status: int) -> None:
    body = b'{"error":{"type":"server_error","message":"mock fault","param":null,"code":null}}'
    more = ("retry-after: 1",) if status in (429, 503) else ()
    found = await fault(head(f"{status} X", "application/json", *more) + body, dialect=dialect)
    assert found.status == status
    assert found.retry_after == (1.0 if more else None)
    assert "mock fault" in found.detail
