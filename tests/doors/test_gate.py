"""The gate before everything HTTP: hosts, origins, keys and limits, decided on the raw request."""

import json
from collections.abc import MutableMapping, Sequence
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from fakes import FakeClock, fake_ports
from omniroute_agent.doors.gate import CALLER, Gate
from omniroute_agent.doors.holders import Holder, Holders, key_digest
from omniroute_agent.doors.limits import InboundLimits
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.secret import Secret

KEY = b"owner-key-for-tests"
OWNER = Holder(id="owner", scopes=frozenset(("*",)))
OTHER = Holder(id="other", scopes=frozenset(("read:health",)))
KEYS = {key_digest(Secret(KEY.decode())): OWNER, key_digest(Secret("other")): OTHER}
BEARER = (b"authorization", b"Bearer " + KEY)
HOST = (b"host", b"127.0.0.1:20128")
Headers = Sequence[tuple[bytes, bytes]]


async def _inside(scope: Scope, _receive: Receive, send: Send) -> None:
    caller: Caller = scope[CALLER]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps([caller.id, caller.session]).encode()})


def new_gate(clock: FakeClock | None = None, limits: InboundLimits | None = None, anyone: Holder | None = None) -> Gate:
    return Gate(_inside, Holders(KEYS, anyone=anyone), fake_ports(clock=clock), limits=limits)


async def knock(gate: Gate, headers: Headers, path: str = "/mcp", kind: str = "http") -> list[MutableMapping[str, Any]]:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": kind, "method": "POST", "path": path, "headers": list(headers), "query_string": b""}
    await gate(scope, receive, send)
    return sent


async def status(headers: Headers, gate: Gate | None = None, path: str = "/mcp") -> int:
    found: int = (await knock(gate or new_gate(), headers, path))[0]["status"]
    return found


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"LocalHost:1",
        b"127.0.0.1",
        b"127.0.0.1:65535",
        b"[::1]",
        b"[::1]:20128",
        b"[0:0:0:0:0:0:0:1]:80",
    ],
)
async def test_a_loopback_host_may_come_in(host: bytes) -> None:
    assert await status([(b"host", host), BEARER]) == 200


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"evil.example",
        b"evil.example:20128",
        b"localhost:1@evil.example",
        b"localhost@evil.example",
        b"localhost.evil.example",
        b"localhost.",
        b"evil.localhost",
        b"localhost:",
        b"localhost:0",
        b"localhost:65536",
        b"localhost:80:80",
        b"localhost:8o",
        b"localhost:+80",
        b"localhost/",
        b"localhost#",
        b"localhost?x",
        b" localhost",
        b"localhost\n",
        b"localhost\x00",
        b"127.0.0.1.nip.io",
        b"127.1",
        b"2130706433",
        b"0x7f000001",
        b"0.0.0.0",
        b"::1",
        b"[::1",
        b"[::1]x",
        b"[::ffff:127.0.0.1]",
        b"[::2]",
        "locălhost".encode(),
        b"a" * 10_000,
    ],
)
async def test_a_strange_host_is_turned_away(host: bytes) -> None:
    assert await status([(b"host", host), BEARER]) == 421


async def test_no_host_and_two_hosts_are_turned_away() -> None:
    assert await status([BEARER]) == 421
    assert await status([HOST, HOST, BEARER]) == 421
    assert await status([HOST, (b"host", b"evil.example"), BEARER]) == 421


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (b"http://localhost:6274", 200),
        (b"https://127.0.0.1", 200),
        (b"http://[::1]:3000", 200),
        (b"null", 403),
        (b"", 403),
        (b"http://evil.example", 403),
        (b"http://localhost:1@evil.example", 403),
        (b"http://localhost.evil.example", 403),
        (b"http://evil.example#localhost", 403),
        (b"http://localhost/", 403),
        (b"http://localhost:80/path", 403),
        (b"file://localhost", 403),
        (b"chrome-extension://localhost", 403),
        (b"localhost", 403),
        (b"//localhost", 403),
        (b"http:localhost", 403),
        (b"HTTP://localhost", 403),
        (b"http://localhost http://evil.example", 403),
    ],
)
async def test_pages_of_strange_origins_are_turned_away(origin: bytes, expected: int) -> None:
    assert await status([HOST, BEARER, (b"origin", origin)]) == expected


async def test_two_origins_are_one_too_many() -> None:
    good = (b"origin", b"http://localhost")
    assert await status([HOST, BEARER, good, good]) == 403


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        ([BEARER], 200),
        ([(b"authorization", b"bearer " + KEY)], 200),
        ([(b"authorization", b"Bearer  " + KEY)], 200),
        ([(b"x-api-key", KEY)], 200),
        ([BEARER, (b"x-api-key", KEY)], 200),
        ([], 401),
        ([(b"authorization", KEY)], 401),
        ([(b"authorization", b"Basic " + KEY)], 401),
        ([(b"authorization", b"Bearer ")], 401),
        ([(b"authorization", b"Bearer " + KEY[:-1])], 401),
        ([(b"authorization", b"Bearer " + KEY + b"x")], 401),
        ([(b"authorization", b"Bearer " + KEY.upper())], 401),
        ([(b"authorization", b"Bearer " + b"x" * 1_000_000)], 401),
        ([(b"authorization", b"Bearer \xff\x00")], 401),
        ([(b"x-api-key", b"")], 401),
        ([BEARER, (b"x-api-key", b"wrong")], 401),
        ([BEARER, (b"authorization", b"Bearer other")], 401),
        ([(b"cookie", b"authorization=" + KEY)], 401),
    ],
)
async def test_only_the_key_opens(credentials: Headers, expected: int) -> None:
    assert await status([HOST, *credentials]) == expected


async def test_a_refused_key_is_not_repeated_and_the_challenge_says_why() -> None:
    sent = await knock(new_gate(), [HOST, (b"x-api-key", b"sk-wrong-0123456789")])
    assert b"sk-wrong" not in str(sent).encode()
    assert (b"www-authenticate", b'Bearer realm="omniroute-agent", error="invalid_token"') in sent[0]["headers"]


async def test_a_wrong_key_is_refused_also_where_anyone_may_come_in() -> None:
    gate = new_gate(anyone=OTHER)
    assert json.loads((await knock(gate, [HOST]))[1]["body"])[0] == "other"
    assert json.loads((await knock(gate, [HOST, BEARER]))[1]["body"])[0] == "owner"
    assert await status([HOST, (b"x-api-key", b"wrong")], gate) == 401


@pytest.mark.parametrize("path", ["/", "/mcp", "//mcp", "/.well-known/", "/.well-known/agent-card.json", "/%2e%2e/x"])
async def test_every_path_is_closed_without_a_key(path: str) -> None:
    assert await status([HOST], path=path) == 401


async def test_websockets_are_closed() -> None:
    assert await knock(new_gate(), [HOST, BEARER], kind="websocket") == [{"type": "websocket.close", "code": 1008}]


async def test_a_key_that_asks_too_fast_is_told_when_to_come_back() -> None:
    clock = FakeClock()
    gate = new_gate(clock, InboundLimits(per_second=0.5))
    assert await status([HOST, BEARER], gate) == 200
    sent = await knock(gate, [HOST, BEARER])
    assert (sent[0]["status"], dict(sent[0]["headers"])[b"retry-after"]) == (429, b"2")
    assert await status([HOST, (b"x-api-key", b"other")], gate) == 200
    clock.advance(2)
    assert await status([HOST, BEARER], gate) == 200


async def test_a_closing_gate_lets_nobody_in() -> None:
    gate = new_gate()
    gate.close()
    assert await status([HOST, BEARER], gate) == 503


async def test_callers_do_not_share_idle_sessions() -> None:
    gate = new_gate()
    mine = json.loads((await knock(gate, [HOST, BEARER]))[1]["body"])
    theirs = json.loads((await knock(gate, [HOST, (b"x-api-key", b"other")]))[1]["body"])
    again = json.loads((await knock(gate, [HOST, BEARER]))[1]["body"])
    assert mine == again
    assert (mine[0], theirs[0]) == ("owner", "other")
    assert mine[1] != theirs[1]
