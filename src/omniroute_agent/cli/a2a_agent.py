"""Another agent, or this machine's own, as the commands of `a2a` talk to it: A2A 1.0 over JSON-RPC."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx2

from omniroute_agent.cli.failures import NOT_FOUND, OTHER, USAGE, CommandFailed
from omniroute_agent.cli.gateways import published
from omniroute_agent.cli.loop import run
from omniroute_agent.cli.page import harmless
from omniroute_agent.cli.start import Start
from omniroute_agent.cli.typed_keys import KeySource, read_key
from omniroute_agent.doors.a2a.words import EXTENSION, PATH
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.kernel.strict_json import BadJson, decode
from omniroute_agent.outside.addresses import AllowedOrigins, origin_of
from omniroute_agent.outside.ports import quiet_http_logs, real_ports
from omniroute_agent.providers.reading import CannotRead, get_json
from omniroute_agent.settings.glance import glance
from omniroute_agent.settings.private import owner_key
from omniroute_agent.settings.values import check_address, is_loopback
from omniroute_agent.store.living import lives
from omniroute_agent.wire.errors import WireError
from omniroute_agent.wire.sse import SseParser

CARD: Final = "/.well-known/agent-card.json"
VERSION: Final = "1.0"
UNREACHABLE: Final = "unreachable"
"""Code of a failure on the way."""

_CONNECT_SECONDS: Final = 10.0
_CARD_SECONDS: Final = 20.0
_SILENT_SECONDS: Final = 90.0
"""On a stream; ours sends a comment at least every 60 s, most others every 15."""
_ANSWER_SECONDS: Final = 3600.0
"""For one whole answer, which may take a task's whole life."""
_MAX_ANSWER: Final = 64 * 1024 * 1024
_MAX_CARD: Final = 1024 * 1024
_LONGEST: Final = 2000
"""Characters of a remote message that are shown."""
_UNAUTHORIZED: Final = 401

_EXITS: Final = {-32001: NOT_FOUND, -32013: NOT_FOUND, -32011: NOT_FOUND, -32602: USAGE, -32600: USAGE}

Wire = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an agent is, and how to be let in."""

    base: str
    """Its card is found from there. Without a slash at its end."""
    key: Secret | None = None
    own: bool = False
    """It is the `serve` of this data directory."""

    @property
    def secure(self) -> bool:
        """Nobody on the way can read along."""
        return self.base.lower().startswith("https:") or is_loopback(urlsplit(self.base).hostname or "")

    @property
    def card_url(self) -> str:
        return self.base if self.base.endswith(".json") else f"{self.base}{CARD}"


def place_of(start: Start, url: str | None, source: KeySource, *, keyless: bool = False) -> Place:
    """The agent at `url`; without one the `serve` of this data directory, with its owner's key. `keyless` is for what
    needs no key: none is asked for then.

    Raises:
        CommandFailed: there is none, or the key cannot be had.
    """
    if url is None:
        return _own_place(start, source)
    try:
        place = Place(base=check_address(url))
    except ValueError as error:
        raise wrong(f"--url: {error}.") from None
    key = None if keyless and not source.given else read_key(source, f"Key for {place.base} (not shown): ")
    if key is not None and not place.secure:
        raise wrong("The key would travel in the open: give an https address.")
    return replace(place, key=key)


def _own_place(start: Start, source: KeySource) -> Place:
    directory = glance(start.config, start.data_dir).directory
    gateway = published(directory)
    if gateway is None or not lives(directory, gateway.instance):
        raise CommandFailed(
            "No `serve` that can be asked runs on this data directory.",
            "Start one with `omniroute-agent serve`, or name an agent with --url; one with TLS of its own must be "
            "named, too.",
            "no_gateway",
        )
    key = read_key(source, "Key (not shown): ") if source.given else owner_key(directory)
    return Place(base=gateway.url, key=key, own=True)


def with_agent(place: Place, work: Callable[["Agent"], Awaitable[T]]) -> T:
    """
    Raises:
        CommandFailed: the agent cannot be reached, or says no.
    """

    async def inside() -> T:
        quiet_http_logs()
        ports = real_ports(AllowedOrigins(place.base))
        try:
            return await work(Agent(ports, place))
        finally:
            await ports.http.aclose()

    return run(inside)


class Agent:
    def __init__(self, ports: Ports, place: Place) -> None:
        self.place = place
        self.new_id = ports.new_id
        self._http = ports.http
        self._url = f"{place.base}{PATH}" if place.own else ""

    async def read(self, url: str) -> Any:
        """A JSON document, without showing a key.

        Raises:
            CommandFailed: it cannot be had.
        """
        headers = {"a2a-version": VERSION}
        try:
            return await get_json(self._http, url, seconds=_CARD_SECONDS, headers=headers, limit=_MAX_CARD)
        except CannotRead as error:
            raise CommandFailed(f"{url} cannot be read. {harmless(str(error))}", code=UNREACHABLE) from None

    async def card(self) -> Wire:
        """
        Raises:
            CommandFailed: there is none.
        """
        found = await self.read(self.place.card_url)
        if not isinstance(found, dict):
            raise CommandFailed(f"{self.place.card_url} is no agent card.", code="bad_card")
        return found

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """
        Raises:
            CommandFailed: the agent cannot be reached, or says no.
        """
        async with self._posted(method, params, _ANSWER_SECONDS) as response:
            return _result(_json(await _whole(response)))

    async def stream(self, method: str, params: Mapping[str, Any]) -> AsyncGenerator[Wire, None]:
        """
        Raises:
            CommandFailed: the agent cannot be reached, or says no, before or in the middle.
        """
        async with self._posted(method, params, _SILENT_SECONDS, accept="text/event-stream") as response:
            if response.headers.get("content-type", "").partition(";")[0].strip() != SseParser.media_type:
                yield _object(_result(_json(await _whole(response))))
                return
            parser = SseParser()
            async with aclosing(response.aiter_bytes()) as pieces:
                async for piece in pieces:
                    for event in parser.feed(piece):
                        yield _object(_result(_json(event.data)))

    async def _where(self) -> str:
        """The address of its JSON-RPC interface of 1.0. A key goes to nobody but whom its card came from.

        Raises:
            CommandFailed: it has none.
        """
        if not self._url:
            card = await self.card()
            self._url = _interface(card, self.place)
        return self._url

    @asynccontextmanager
    async def _posted(
        self, method: str, params: Mapping[str, Any], seconds: float, *, accept: str = "application/json"
    ) -> AsyncGenerator[httpx2.Response, None]:
        url = await self._where()
        headers = {
            "content-type": "application/json",
            "accept": accept,
            "accept-encoding": "identity",
            "a2a-version": VERSION,
            "a2a-extensions": EXTENSION,
        }
        if self.place.key is not None:
            headers["authorization"] = f"Bearer {self.place.key.reveal()}"
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        limits = httpx2.Timeout(seconds, connect=_CONNECT_SECONDS)
        request = self._http.build_request("POST", url, headers=headers, content=body, timeout=limits)
        try:
            response = await self._http.send(request, stream=True, follow_redirects=False, auth=None)
            try:
                if response.status_code != httpx2.codes.OK:
                    raise _refused(response.status_code, await _whole(response), self.place)
                yield response
            finally:
                await response.aclose()
        except httpx2.TimeoutException:
            raise CommandFailed("The agent was silent for too long.", code=UNREACHABLE) from None
        except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
            said = str(error)[:200] or type(error).__name__
            raise CommandFailed(
                f"The connection to {self.place.base} failed: {harmless(said)}", code=UNREACHABLE
            ) from None
        except WireError as error:
            raise CommandFailed(f"What the agent sends cannot be read: {error}", code="bad_answer") from None


def _interface(card: Wire, place: Place) -> str:
    interfaces = card.get("supportedInterfaces")
    listed = [each for each in interfaces if isinstance(each, dict)] if isinstance(interfaces, list) else []
    for each in listed:
        if each.get("protocolBinding") == "JSONRPC" and str(each.get("protocolVersion")).partition(".")[0] == "1":
            url = str(each.get("url"))
            try:
                elsewhere = origin_of(url) != origin_of(place.base)
            except ValueError:
                continue
            if elsewhere and place.key is not None:
                raise CommandFailed(
                    f"The card of {place.base} sends callers to {harmless(url)}, which is another server: it gets no "
                    "key.",
                    "Give the address of that one with --url, if you trust it.",
                    "bad_card",
                )
            return url
    raise CommandFailed(
        f"The agent at {place.base} does not speak A2A 1.0 over JSON-RPC, and this command speaks nothing else.",
        code="bad_card",
    )


async def _whole(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _MAX_ANSWER:
            raise CommandFailed(f"The answer is longer than {_MAX_ANSWER // 2**20} MiB.", code="bad_answer")
    return bytes(body)


def _json(body: bytes | str) -> Any:
    try:
        return decode(body)
    except BadJson as error:
        raise CommandFailed(
            f"What the agent answered is not JSON that can be read: {error}.", code="bad_answer"
        ) from None


def _object(value: Any) -> Wire:
    if not isinstance(value, dict):
        raise CommandFailed("What the agent answered is no object.", code="bad_answer")
    return value


def _result(document: Any) -> Any:
    """
    Raises:
        CommandFailed: it is an error.
    """
    answer = _object(document)
    error = answer.get("error")
    if isinstance(error, dict):
        raise _failure(error)
    return answer.get("result")


def _failure(error: Wire) -> CommandFailed:
    code = error.get("code")
    details = error.get("data")
    info: Wire = next((each for each in details if isinstance(each, dict)), {}) if isinstance(details, list) else {}
    facts = info.get("metadata")
    return CommandFailed(
        harmless(str(error.get("message", "The agent says no.")))[:_LONGEST],
        code=str(info.get("reason", code)).lower(),
        exit_code=_EXITS.get(code, OTHER) if isinstance(code, int) else OTHER,
        facts=dict(facts) if isinstance(facts, dict) else {},
    )


def _refused(status: int, body: bytes, place: Place) -> CommandFailed:
    try:
        found = decode(body)
    except BadJson:
        found = None
    error = found.get("error") if isinstance(found, dict) else None
    want = "Give one with --key-file, --key-env or --key-stdin." if status == _UNAUTHORIZED else ""
    if not isinstance(error, dict):
        return CommandFailed(f"{place.base} answered with status {status}.", want, f"http_{status}")
    if isinstance(error.get("code"), int):
        return _failure(error)
    message, hint = (harmless(str(error.get(name, "")))[:_LONGEST] for name in ("message", "hint"))
    return CommandFailed(message, want or hint, str(error.get("code", f"http_{status}")))


def wrong(message: str, hint: str = "Try `omniroute-agent a2a --help`.") -> CommandFailed:
    return CommandFailed(message, hint, "usage", USAGE)
