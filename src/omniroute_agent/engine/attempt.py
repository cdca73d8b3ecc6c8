"""One try at one target: open the upstream, read its events within four time limits. A failure is a value.

The stream that `attempt` gives ends with its dialect's own end (a `Finished` was among the events) or with one `Fault`;
nothing follows a fault. What the headers told of the account's quota comes first. Closing the generator closes the
upstream.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import anyio
import httpx2

from omniroute_agent.engine.disguise import Unmasking
from omniroute_agent.engine.faults import Fault, scrub
from omniroute_agent.engine.refusals import refusal_of, streamed_fault
from omniroute_agent.engine.request import TimeLimits
from omniroute_agent.engine.windows import Heard, readings_of
from omniroute_agent.kernel.chat import Chat, ChatEvent, Finished
from omniroute_agent.kernel.errors import NoRoute
from omniroute_agent.kernel.fold import events_of
from omniroute_agent.kernel.ports import Ports, by_way_of
from omniroute_agent.kernel.quota import QuotaReading
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.providers.discovery import request_headers
from omniroute_agent.providers.model import Connection, Endpoint
from omniroute_agent.providers.proxies import proxy_for
from omniroute_agent.wire.dialect import Dialect, StreamedError, Truncated, WireError
from omniroute_agent.wire.members import json_object
from omniroute_agent.wire.packed import Unpacker
from omniroute_agent.wire.table import DIALECTS
from omniroute_agent.wire.think_tags import ThinkTags, without_tags

MAX_STREAM: Final = 256 * 1024 * 1024
"""Bytes of one stream; a million tokens with their envelopes fit."""
MAX_ERROR_BODY: Final = 64 * 1024
MAX_ANSWER_BODY: Final = 32 * 1024 * 1024
"""Bytes of a JSON answer that came although a stream was asked for."""
LINGER_SECONDS: Final = 1.0
"""How long the upstream may take to end after the answer has ended. Usage may still come, and a connection whose body
was read to its end is used again; but a complete answer is never lost to what follows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """Everything one attempt needs."""

    connection: Connection
    model: str
    chat: Chat
    limits: TimeLimits
    seconds_left: float
    """Until the caller's deadline."""
    proxy: Secret | None = None
    """The way out when the connection names none itself."""


_DID_NOT_END: Final = Fault(kind="idle_timeout", detail="The connection stayed open after the answer.")


class _Limit:
    """The time limit in force now and the fault it stands for: first token, then between chunks, inside the total."""

    def __init__(self, plan: Try) -> None:
        loop = asyncio.get_running_loop()
        self._limits = plan.limits
        self._end = loop.time() + min(plan.limits.total, plan.seconds_left)
        self._first = loop.time() + plan.limits.first_token
        self._begun = False
        self._lingers: float | None = None

    def begin(self) -> None:
        self._begun = True

    @property
    def complete(self) -> bool:
        """The answer has reached its own end."""
        return self._lingers is not None

    def finish(self) -> None:
        if self._lingers is None:
            self._lingers = asyncio.get_running_loop().time() + LINGER_SECONDS

    def next(self) -> tuple[float, Fault]:
        """When (loop time) to stop waiting for the next piece, and what it means."""
        limits = self._limits
        if self._lingers is not None:
            return self._lingers, _DID_NOT_END
        if self._begun:
            when = asyncio.get_running_loop().time() + limits.between_chunks
            fault = Fault(
                kind="idle_timeout", detail=f"Nothing came for {limits.between_chunks:g} s within the answer."
            )
        else:
            when = self._first
            fault = Fault(kind="first_token_timeout", detail=f"No first token within {limits.first_token:g} s.")
        if self._end < when:
            return self._end, Fault(kind="total_timeout", detail="The time for the whole answer ran out.")
        return when, fault


async def attempt(plan: Try, ports: Ports) -> AsyncGenerator[ChatEvent | Heard | Fault, None]:
    """Events of one upstream answer, or a fault in the place where it broke."""
    dialect = DIALECTS[plan.connection.provider.dialect]
    secret: Secret | None = None
    response: httpx2.Response | None = None
    limit = _Limit(plan)
    refused: Fault | None = None
    readings: tuple[QuotaReading, ...] = ()
    try:
        async with asyncio.timeout_at(limit.next()[0]):
            endpoint = await plan.connection.reach()
            secret = endpoint.secret
            request = _request(plan, dialect, ports, endpoint)
            response = await ports.http.send(request, stream=True)
            if response.status_code >= 400:  # noqa: PLR2004 (RFC 9110 §15.5)
                refused, readings = await _refusal(response, dialect, secret, ports)
            else:
                readings = readings_of(response.headers.items(), ports.now())
                _check_status(response)
        if readings:
            yield Heard(readings)
        if refused is not None:
            yield refused
            return
        unmasking = Unmasking(plan.chat, dialect)
        async with aclosing(_events(response, dialect, plan, limit)) as events:
            async for event in events:
                for shown in unmasking.feed(event):
                    yield shown
    except TimeoutError:
        yield limit.next()[1]
    except (WireError, httpx2.HTTPError, httpx2.InvalidURL, NoRoute) as error:
        yield fault_of(error, secret, ports.now())
    finally:
        if response is not None:
            with anyio.CancelScope(shield=True):
                await response.aclose()


def _request(plan: Try, dialect: Dialect, ports: Ports, endpoint: Endpoint) -> httpx2.Request:
    body = dialect.write_request(plan.chat, model=plan.model, quirks=plan.connection.provider.quirks, stream=True)
    return ports.http.build_request(
        "POST",
        endpoint.base_url + dialect.path_for(plan.model, stream=True),
        content=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        headers={
            "content-type": "application/json",
            "accept": "text/event-stream",
            # Saves little on small events and spares us from unpacking what may be a bomb.
            "accept-encoding": "identity",
            **request_headers(plan.connection, endpoint, plan.model),
        },
        extensions=by_way_of(proxy_for(endpoint, plan.proxy)),
        # Connecting has its own limit; the reads stand under ours.
        timeout=httpx2.Timeout(None, connect=plan.limits.connect, pool=plan.limits.connect),
    )


async def _refusal(
    response: httpx2.Response, dialect: Dialect, secret: Secret | None, ports: Ports
) -> tuple[Fault, tuple[QuotaReading, ...]]:
    """An error answer as a fault, and what it told of the account's quota."""
    body = bytearray()
    # The status says the most; of the rest counts what can be read.
    with suppress(WireError, httpx2.TransportError):
        async with aclosing(_unpacked(response)) as pieces:
            async for piece in pieces:
                body += piece
                if len(body) > MAX_ERROR_BODY:
                    break
    return refusal_of(
        response.status_code,
        response.headers,
        bytes(body),
        dialect=dialect,
        secret=secret,
        now=ports.now(),
        phrase=response.reason_phrase,
    )


def _check_status(response: httpx2.Response) -> None:
    """
    Raises:
        WireError: no answer comes with this status. A redirect is not followed: the key goes to its own address only.
    """
    status = response.status_code
    if status >= 300:  # noqa: PLR2004 (RFC 9110 §15.4)
        raise WireError(f"It answered with a redirect ({status}), which is not followed; its address may be wrong.")
    if status in (204, 205):  # RFC 9110 §15.3
        raise WireError(f"It answered with the status {status}, which brings no answer.")


async def _events(
    response: httpx2.Response, dialect: Dialect, plan: Try, limit: _Limit
) -> AsyncGenerator[ChatEvent, None]:
    """Decoded events; raises what the decoder and the transport raise, and `TimeoutError`."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        whole = [event async for event in _whole_answer(response, dialect, limit)]
        for event in without_tags(whole, ThinkTags()) if plan.connection.provider.quirks.think_tags else whole:
            yield event
        return
    if kind and kind != dialect.splitter().media_type:
        raise WireError(f"It answered {kind} instead of an event stream.")
    async with aclosing(_streamed(response, dialect, plan, limit)) as events:
        try:
            async for event in events:
                if isinstance(event, Finished):
                    limit.finish()
                yield event
        except (WireError, httpx2.TransportError, TimeoutError):
            if not limit.complete:
                raise


async def _streamed(
    response: httpx2.Response, dialect: Dialect, plan: Try, limit: _Limit
) -> AsyncGenerator[ChatEvent, None]:
    parser, decoder, received = dialect.splitter(), dialect.decoder(plan.connection.provider.quirks), 0
    async with aclosing(_unpacked(response)) as pieces:
        while (piece := await _next(pieces, limit)) is not None:
            received += len(piece)
            if received > MAX_STREAM:
                raise WireError("Its answer is longer than 256 MiB.")
            for sent in parser.feed(piece):
                for event in decoder.feed(sent):
                    limit.begin()
                    yield event
    decoder.close()


async def _unpacked(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    """The body as it arrives. The client's own unpacking knows no bounds, so it is not used."""
    unpacker, stream = Unpacker(response.headers.get("content-encoding", "")), response.stream
    assert isinstance(stream, httpx2.AsyncByteStream)
    async for packed in stream:
        for piece in unpacker.feed(packed):
            yield piece


async def _next(pieces: AsyncIterator[bytes], limit: _Limit) -> bytes | None:
    async with asyncio.timeout_at(limit.next()[0]):
        return await anext(pieces, None)


async def _whole_answer(response: httpx2.Response, dialect: Dialect, limit: _Limit) -> AsyncGenerator[ChatEvent, None]:
    """Some servers answer JSON although a stream was asked for; the same events come of it."""
    body = bytearray()
    async with aclosing(_unpacked(response)) as pieces:
        while (piece := await _next(pieces, limit)) is not None:
            body += piece
            if len(body) > MAX_ANSWER_BODY:
                raise WireError("Its answer is larger than 32 MiB.")
    text = bytes(body).decode("utf-8-sig", "replace")
    value = json_object(text)
    if value is None:
        raise WireError("It answered JSON that is cut off or is not an object.", excerpt=text)
    if value.get("error"):
        raise StreamedError(dialect.read_error(value))
    for event in events_of(dialect.read_answer(value)):
        yield event


def fault_of(error: Exception, secret: Secret | None, now: datetime) -> Fault:
    """What an exception of the wire or the transport means."""
    if isinstance(error, StreamedError):
        return streamed_fault(error, secret, now)
    detail = scrub(str(error) or type(error).__name__, secret)
    if isinstance(error, WireError) and not isinstance(error, Truncated):
        shown = f" It began: {scrub(error.excerpt, secret)}" if error.excerpt else ""
        return Fault(kind="malformed", detail=(detail + shown)[:300])
    if isinstance(error, NoRoute):
        return Fault(kind="unreachable", detail=error.sentence()[:300])
    if isinstance(error, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return Fault(kind="connect_timeout", detail="No connection within the time limit.")
    if isinstance(error, httpx2.ConnectError | httpx2.ProxyError | httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        return Fault(kind="connect_failed", detail=f"No connection: {detail}")
    # The rest of the transport's errors, and a stream that ended without its dialect's end.
    return Fault(kind="cut_off", detail=f"The answer broke off before its end: {detail}")
