"""MCP over HTTP with the official client, in both eras and over SSE, on a real port."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.shared.exceptions import MCPError

from doors.http_rig import (
    AUTHORIZED,
    MODERN_META,
    OTHER_KEY,
    OWNER,
    Rig,
    call,
    modern_headers,
    new_app,
    running,
)
from doors.marks import Heard, marks_in
from doors.small_tools import HeldClock
from fakes import FakeClock
from omniroute_agent.doors.holders import Holder
from omniroute_agent.doors.limits import InboundLimits
from omniroute_agent.doors.listen import serve_http
from omniroute_agent.doors.serving import CannotServe

EVERY_WIRE = pytest.mark.parametrize("wire", ["legacy", "modern", "sse"])
MEBIBYTE = 1024 * 1024
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}
BOTH_KINDS = {"Accept": "application/json, text/event-stream"}


def answer_of(response: httpx2.Response) -> dict[str, Any]:
    """The JSON-RPC message of a plain or an event-stream answer."""
    if response.headers["content-type"].startswith("application/json"):
        plain: dict[str, Any] = response.json()
        return plain
    data = [line[6:] for line in response.text.splitlines() if line.startswith("data: ") and len(line) > 6]
    message = json.loads(data[-1])
    assert isinstance(message, dict)
    return message


async def opened_session(http: httpx2.AsyncClient) -> dict[str, str]:
    """Headers of a legacy session."""
    greeted = await http.post("/mcp", json=INITIALIZE, headers=BOTH_KINDS)
    headers = {**BOTH_KINDS, "Mcp-Session-Id": greeted.headers["mcp-session-id"]}
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert (await http.post("/mcp", json=initialized, headers=headers)).status_code == 202
    return headers


@EVERY_WIRE
async def test_a_client_lists_and_calls_tools_and_hears_progress(wire: str) -> None:
    heard = Heard()
    async with running() as rig, rig.client(wire) as client:
        listed = await client.list_tools()
        assert [tool.name for tool in listed.tools][:2] == ["omniroute_ok", "omniroute_fail"]
        answer = await client.call_tool("omniroute_ok", {"text": "hi", "times": 2})
        assert answer.structured_content is not None
        assert answer.structured_content["said"] == "hihi"
        assert answer.structured_content["door"] == ("mcp-sse" if wire == "sse" else "mcp-http")
        assert (await client.call_tool("omniroute_slow", {"steps": 3}, progress_callback=heard)).structured_content
        assert heard == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]
        with pytest.raises(MCPError):
            await client.call_tool("omniroute_nothing", {})


@EVERY_WIRE
async def test_a_key_sees_and_calls_only_what_its_scopes_allow(wire: str) -> None:
    async with running() as rig, rig.client(wire, key=OTHER_KEY) as client:
        assert "omniroute_guarded" not in {tool.name for tool in (await client.list_tools()).tools}
        assert (await client.call_tool("omniroute_guarded", {})).is_error
        answer = await client.call_tool("omniroute_ok", {})
        assert answer.structured_content is not None
        assert answer.structured_content["caller"] == "other"


@EVERY_WIRE
async def test_cancelling_a_call_reaches_the_tool(wire: str, tmp_path: Path) -> None:
    async with marks_in(tmp_path) as marks, running() as rig, rig.client(wire) as client:
        waiting = asyncio.create_task(client.call_tool("omniroute_slow", {"forever": True, "mark": marks.path}))
        assert await marks.next() == "running"
        waiting.cancel()
        assert await marks.next() == "cancelled"
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_leaving_a_modern_call_cancels_it(tmp_path: Path) -> None:
    async with marks_in(tmp_path) as marks, running() as rig:
        async with rig.http() as http:
            message = call("slow", {"forever": True, "mark": marks.path})
            posted = asyncio.create_task(http.post("/mcp", json=message, headers=modern_headers("slow")))
            assert await marks.next() == "running"
            posted.cancel()
        assert await marks.next() == "cancelled"


async def test_leaving_a_legacy_call_lets_it_run_to_its_end(tmp_path: Path) -> None:
    clock = HeldClock()
    async with marks_in(tmp_path) as marks, running(new_app(clock=clock)) as rig, rig.http() as http:
        headers = await opened_session(http)
        message = call("slow", {"steps": 1, "mark": marks.path}, modern=False)
        posted = asyncio.create_task(http.post("/mcp", json=message, headers=headers))
        assert await marks.next() == "running"
        posted.cancel()
        assert (await http.post("/mcp", json=call("ok", modern=False, number=2), headers=headers)).status_code == 200
        clock.released.set()
        assert await marks.next() == "done"


async def session_seen(http: httpx2.AsyncClient, headers: dict[str, str] | None = None) -> str:
    answer = await http.post("/mcp", json=call("ok"), headers={**modern_headers("ok"), **(headers or {})})
    session: str = answer_of(answer)["result"]["structuredContent"]["session"]
    return session


async def test_calls_without_a_session_belong_together_until_thirty_idle_minutes() -> None:
    clock = FakeClock()
    async with running(new_app(clock=clock)) as rig, rig.http() as http:
        first = await session_seen(http)
        clock.advance(29 * 60)
        assert await session_seen(http) == first
        clock.advance(29 * 60)
        assert await session_seen(http) == first
        clock.advance(31 * 60)
        assert await session_seen(http) not in ("", first)


async def test_a_caller_may_name_its_session() -> None:
    async with running() as rig, rig.http() as http:
        assert await session_seen(http, {"X-Session-Id": "ticket-42.b"}) == "ticket-42.b"
        assert (await session_seen(http, {"Mcp-Session-Id": "f" * 32})).startswith("owner-")
        for odd in ("", "a b", "x" * 65, "a/b"):
            refused = await http.post("/mcp", json=call("ok"), headers={**modern_headers("ok"), "X-Session-Id": odd})
            assert refused.status_code == 400


@pytest.mark.parametrize("wire", ["legacy", "sse"])
async def test_a_handshake_session_names_the_session_its_calls_count_in(wire: str) -> None:
    async with running() as rig, rig.client(wire) as one, rig.client(wire) as two:
        seen = [(await client.call_tool("omniroute_ok", {})).structured_content or {} for client in (one, one, two)]
        assert seen[0]["session"] == seen[1]["session"] != seen[2]["session"]
        assert not seen[0]["session"].startswith("owner-")


async def test_a_legacy_session_does_not_answer_to_another_key() -> None:
    async with running() as rig, rig.http() as http:
        headers = await opened_session(http)
        stranger = {**headers, "Authorization": f"Bearer {OTHER_KEY}"}
        refused = await http.post("/mcp", json=call("ok", modern=False), headers=stranger)
        assert refused.status_code == 404
        assert (await http.post("/mcp", json=call("ok", modern=False), headers=headers)).status_code == 200


async def sse_address(lines: AsyncIterator[str]) -> str:
    async for line in lines:
        if line.startswith("data: "):
            return line[6:]
    raise AssertionError("the stream ended before its endpoint event")


async def test_an_sse_session_does_not_answer_to_another_key_and_is_not_buffered_by_proxies() -> None:
    async with running() as rig, rig.http() as http, http.stream("GET", "/sse") as stream:
        assert stream.headers["x-accel-buffering"] == "no"
        lines = stream.aiter_lines()
        address = await sse_address(lines)
        assert address.startswith("/messages/?session_id=")
        stranger = {"Authorization": f"Bearer {OTHER_KEY}"}
        assert (await http.post(address, json=INITIALIZE, headers=stranger)).status_code == 404
        assert (await http.post(address, json=INITIALIZE)).status_code == 202


async def test_event_streams_are_not_buffered_by_proxies() -> None:
    async with running() as rig, rig.http() as http:
        legacy = await http.post("/mcp", json=INITIALIZE, headers=BOTH_KINDS)
        message = call("slow")
        message["params"]["_meta"] = {**MODERN_META, "progressToken": 1}
        modern = await http.post("/mcp", json=message, headers=modern_headers("slow"))
        for answer in (legacy, modern):
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["x-accel-buffering"] == "no"


ODD_BODIES = (
    b"",
    b"{",
    b"nul",
    b"\xff\xfe\x00",
    b"{}",
    b"[]",
    b'"text"',
    b"1e999",
    b"[" * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"omniroute_ok","arguments":{"times":NaN}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"omniroute_ok","arguments":{"times":1e999}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"big":18446744073709551616}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"omniroute_ok","arguments":{"text":"\\ud800"}}}',
    b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"method":7}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["a"]}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"omniroute_ok","arguments":[]}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":7}}',
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}',
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":[]}}',
    b'{"jsonrpc":"2.0","id":1,"method":"no/such"}',
    b'{"jsonrpc":"2.0","id":1,"result":{}}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":{}}}',
)


@pytest.mark.parametrize("era", ["opening", "legacy", "modern"])
async def test_an_odd_body_is_a_clear_refusal_and_never_a_crash(era: str) -> None:
    async with running() as rig, rig.http() as http:
        headers = {**BOTH_KINDS, "Content-Type": "application/json"}
        if era == "modern":
            headers |= modern_headers("ok")
        elif era == "legacy":
            headers |= await opened_session(http)
        for body in ODD_BODIES:
            answer = await http.post("/mcp", content=body, headers=headers)
            assert answer.status_code < 500, body[:100]
            if not body.startswith(b'{"jsonrpc":"2.0","'):
                assert answer.status_code == 400
                assert answer.json()["error"]["code"] in (-32700, -32600)


async def test_an_odd_body_posted_to_an_sse_session_is_refused_and_the_session_lives() -> None:
    async with running() as rig, rig.http() as http, http.stream("GET", "/sse") as stream:
        lines = stream.aiter_lines()
        address = await sse_address(lines)
        for body in ODD_BODIES:
            answer = await http.post(address, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code < 500, body[:100]
        assert (await http.post(address, json=INITIALIZE)).status_code == 202


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "", "application/json; charset=utf-16", "multipart/form-data"]
)
async def test_a_body_that_is_not_json_in_utf8_is_refused(kind: str) -> None:
    async with running() as rig, rig.http() as http:
        answer = await http.post("/mcp", content=b"{}", headers={**modern_headers("ok"), "Content-Type": kind})
        assert answer.status_code == 415


async def test_a_body_may_have_sixteen_mebibytes_and_no_more() -> None:
    async with running() as rig, rig.http() as http:
        headers = {**modern_headers("ok"), "Content-Type": "application/json"}
        largest = json.dumps(call("ok")).encode().ljust(16 * MEBIBYTE)
        assert answer_of(await http.post("/mcp", content=largest, headers=headers))["result"]["isError"] is False
        assert (await http.post("/mcp", content=largest + b" ", headers=headers)).status_code == 413

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(16):
                yield b" " * MEBIBYTE
            yield b" "

        assert (await http.post("/mcp", content=chunks(), headers=headers)).status_code == 413


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, text/event-stream"])
@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
async def test_plain_scripts_need_not_know_what_to_accept(path: str, accept: str | None) -> None:
    async with running() as rig, rig.http() as http:
        http.headers.pop("accept")
        headers = {name: value for name, value in modern_headers("ok").items() if name != "Accept"}
        answer = await http.post(path, json=call("ok"), headers=headers | ({"Accept": accept} if accept else {}))
        assert answer_of(answer)["result"]["structuredContent"]["said"] == "hello"


async def test_white_space_around_a_header_is_no_part_of_it() -> None:
    async with running() as rig:
        body = json.dumps(call("ok"))
        spaced = {**AUTHORIZED, **modern_headers("ok"), "Content-Type": "application/json", "Connection": "close"}
        lines = [f"{name}:  {value} \t" for name, value in spaced.items()]
        host = rig.url.removeprefix("http://")
        reader, writer = await asyncio.open_connection(*host.split(":"))
        head = "\r\n".join(("POST /mcp HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *lines))
        writer.write(f"{head}\r\n\r\n{body}".encode())
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert b'"said":"hello"' in answer


async def test_every_path_needs_a_key_and_unknown_ones_are_only_then_unknown() -> None:
    async with running() as rig, rig.http({}) as http:
        for path in ("/mcp", "/mcp/", "/sse", "/sse/", "/messages/", "/nothing", "/", "/.well-known/agent-card.json"):
            refused = await http.get(path)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Bearer ")
            assert refused.json()["error"]["code"] == "unauthorized"
        for path in ("/nothing", "/mcpx", "/messages", "/.well-known/agent-card.json"):
            unknown = await http.get(path, headers=AUTHORIZED)
            assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")


async def test_looking_for_oauth_finds_a_plain_no() -> None:
    async with running() as rig, rig.http({}) as http:
        for path in ("oauth-protected-resource/mcp", "oauth-authorization-server", "openid-configuration"):
            answer = await http.get(f"/.well-known/{path}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_posting_to_the_sse_path_tells_old_clients_to_get() -> None:
    async with running() as rig, rig.http() as http:
        for method in ("POST", "HEAD", "DELETE"):
            answer = await http.request(method, "/sse", json=None)
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_without_authentication_anyone_on_loopback_is_who_the_tester_says() -> None:
    anyone = Holder(id="tester", scopes=frozenset(("read:health",)))
    async with running(new_app(anyone=anyone)) as rig, rig.http({}) as http:
        answer = await http.post("/mcp", json=call("ok"), headers=modern_headers("ok"))
        assert answer_of(answer)["result"]["structuredContent"]["caller"] == "tester"


async def test_one_key_can_only_have_so_many_calls_under_way(tmp_path: Path) -> None:
    app = new_app(limits=InboundLimits(under_way=1))
    async with marks_in(tmp_path) as marks, running(app) as rig, rig.http() as http:
        message = call("slow", {"forever": True, "mark": marks.path})
        posted = asyncio.create_task(http.post("/mcp", json=message, headers=modern_headers("slow")))
        assert await marks.next() == "running"
        refused = await http.post("/mcp", json=call("ok"), headers=modern_headers("ok"))
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        other = {**modern_headers("ok"), "Authorization": f"Bearer {OTHER_KEY}"}
        assert (await http.post("/mcp", json=call("ok"), headers=other)).status_code == 200
        posted.cancel()
        assert await marks.next() == "cancelled"


async def test_stopping_ends_open_streams_at_once_and_cancels_what_outlives_the_drain(tmp_path: Path) -> None:
    async with (
        marks_in(tmp_path) as marks,
        running(drain_seconds=1) as rig,
        rig.http() as http,
        http.stream("GET", "/sse") as stream,
    ):
        lines = stream.aiter_lines()
        await sse_address(lines)
        message = call("slow", {"forever": True, "mark": marks.path})
        posted = asyncio.create_task(http.post("/mcp", json=message, headers=modern_headers("slow")))
        assert await marks.next() == "running"
        os.kill(os.getpid(), signal.SIGTERM)
        assert "".join([line async for line in lines]) == ""
        assert not posted.done()
        assert await marks.next() == "cancelled"
        await asyncio.gather(posted, return_exceptions=True)


async def test_stopping_lets_a_running_call_finish(tmp_path: Path) -> None:
    clock = HeldClock()
    async with (
        marks_in(tmp_path) as marks,
        running(new_app(clock=clock), drain_seconds=8) as rig,
        rig.http() as http,
        http.stream("GET", "/sse") as stream,
    ):
        lines = stream.aiter_lines()
        await sse_address(lines)
        message = call("slow", {"steps": 1, "mark": marks.path})
        posted = asyncio.create_task(http.post("/mcp", json=message, headers=modern_headers("slow")))
        assert await marks.next() == "running"
        os.kill(os.getpid(), signal.SIGTERM)
        # The listening stream has ended, so the server is stopping for certain.
        assert "".join([line async for line in lines]) == ""
        clock.released.set()
        assert answer_of(await posted)["result"]["structuredContent"] == {"steps": 1}


async def test_a_taken_port_is_said_clearly() -> None:
    async with running() as rig:
        with pytest.raises(CannotServe, match=r"Port \d+ on 127\.0\.0\.1 cannot be had: .* choose another port"):
            await serve_http(new_app(), "127.0.0.1", int(rig.url.rpartition(":")[2]))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5"])  # noqa: S104 (it is refused)
async def test_others_than_this_machine_are_served_neither_in_the_open_nor_without_keys(host: str) -> None:
    with pytest.raises(CannotServe, match="TLS is needed"):
        await serve_http(new_app(), host, 0)
    with pytest.raises(CannotServe, match=r"without keys .* only loopback"):
        await serve_http(new_app(anyone=OWNER), host, 0)


@pytest.mark.parametrize("host", ["example.com", "", "127.0.0.1:80"])
async def test_what_is_no_address_is_not_served(host: str) -> None:
    with pytest.raises(CannotServe, match=r"is no address: use 127\.0\.0\.1"):
        await serve_http(new_app(), host, 0)


def test_the_rig_names_its_port(capsys: pytest.CaptureFixture[str]) -> None:
    async def once() -> Rig:
        async with running() as rig:
            return rig

    rig = asyncio.run(once())
    assert capsys.readouterr().err == f"Listening on {rig.url} (MCP at /mcp, for old clients at /sse).\n"
