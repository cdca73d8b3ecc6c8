"""Calls that say nothing before their answer: the wire does not tell whether the SDK's own way served them."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp_types import JSONRPCRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from doors.asgi import knock
from doors.http_rig import MODERN_META, call, modern_headers
from doors.small_tools import OWNER, TOOLS, parts_of
from omniroute_agent.doors.mcp.quiet import SILENT_SECONDS, WATCH_AFTER, Quiet, wants_no_word
from omniroute_agent.doors.mcp.server import make_server
from virtual_time import run_virtual

LEFT: Message = {"type": "http.disconnect"}
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{}}'


@dataclass
class Tool:
    """An app that takes its time, and remembers how that ended."""

    seconds: float
    status: int = 200
    outcome: str = "runs"

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["body"] == b"{}"
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.outcome = "cancelled"
            raise
        self.outcome = "done"
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": ANSWER})


@dataclass
class Client:
    """Posts one request, leaves after so many seconds, and takes what is sent, each piece in `slowness` seconds."""

    leaves_after: float = float("inf")
    slowness: float = 0.0
    got: list[Message] = field(default_factory=list)
    looked: int = 0
    posted: bool = False

    async def asks(self, app: ASGIApp) -> float:
        """Seconds until the app was through with it."""
        began = asyncio.get_running_loop().time()
        await Quiet(app)({"type": "http"}, self._receive, self._send)
        return round(asyncio.get_running_loop().time() - began, 3)

    async def _receive(self) -> Message:
        if not self.posted:
            self.posted = True
            return {"type": "http.request", "body": b"{}", "more_body": False}
        self.looked += 1
        if self.leaves_after == float("inf"):
            await asyncio.Event().wait()
        await asyncio.sleep(self.leaves_after - asyncio.get_running_loop().time())
        return LEFT

    async def _send(self, message: Message) -> None:
        await asyncio.sleep(self.slowness)
        self.got.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.got)


def test_a_quick_answer_goes_out_as_it_is_and_nobody_looks_for_the_client() -> None:
    client = Client()
    run_virtual(client.asks(Tool(WATCH_AFTER / 2, status=404)))
    assert [message["type"] for message in client.got] == ["http.response.start", "http.response.body"]
    assert (client.got[0]["status"], client.got[0]["headers"], client.body) == (404, [(b"x-own", b"1")], ANSWER)
    assert client.looked == 0


def test_an_answer_within_the_silence_is_a_plain_document() -> None:
    client = Client()
    run_virtual(client.asks(Tool(SILENT_SECONDS - 1)))
    assert (client.got[0]["headers"], client.body, client.looked) == ([(b"x-own", b"1")], ANSWER, 1)


@pytest.mark.parametrize("status", [200, 400])
def test_a_long_silence_is_filled_with_comments_and_the_answer_is_the_one_event(status: int) -> None:
    client = Client()
    run_virtual(client.asks(Tool(2 * SILENT_SECONDS + 1, status)))
    assert client.got[0]["status"] == 200
    assert dict(client.got[0]["headers"])[b"content-type"] == b"text/event-stream"
    assert client.body == b": ping\r\n\r\n" * 2 + b"event: message\r\ndata: " + ANSWER + b"\r\n\r\n"
    assert [message.get("more_body", False) for message in client.got[1:]] == [True, True, False]


@pytest.mark.parametrize("after", [0.5, SILENT_SECONDS + 1])
def test_who_leaves_cancels_the_call_at_once(after: float) -> None:
    client, tool = Client(leaves_after=after), Tool(1000)
    _, took = run_virtual(client.asks(tool))
    assert (tool.outcome, took) == ("cancelled", after)
    assert ANSWER not in client.body


def test_who_left_before_anybody_looked_is_noticed_at_the_first_look() -> None:
    client, tool = Client(leaves_after=0), Tool(1000)
    assert run_virtual(client.asks(tool))[1] == WATCH_AFTER
    assert tool.outcome == "cancelled"


def test_a_cancelled_server_cancels_the_call_and_stops_looking() -> None:
    client, tool = Client(), Tool(1000)

    async def story() -> None:
        serving = asyncio.create_task(client.asks(tool))
        await asyncio.sleep(1)
        serving.cancel()
        await asyncio.wait((serving,))
        assert serving.cancelled()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(story())
    assert tool.outcome == "cancelled"


@pytest.mark.parametrize("slowness", [0.5, 1, 2, 3, 20])
@pytest.mark.parametrize("seconds", [SILENT_SECONDS - 0.5, SILENT_SECONDS + 0.5, SILENT_SECONDS + 1.5])
def test_a_client_that_reads_slowly_gets_one_beginning_and_one_end(slowness: float, seconds: float) -> None:
    """The answer may come while a comment is on its way."""
    client = Client(slowness=slowness)
    run_virtual(client.asks(Tool(seconds)))
    kinds = [message["type"] for message in client.got]
    assert kinds.count("http.response.start") == 1
    assert kinds[0] == "http.response.start"
    streams = dict(client.got[0]["headers"]).get(b"content-type") == b"text/event-stream"
    assert client.body.endswith(b"data: " + ANSWER + b"\r\n\r\n" if streams else ANSWER)
    assert [message.get("more_body", False) for message in client.got[1:]][-1] is False


@pytest.mark.parametrize(
    ("method", "meta", "quiet"),
    [
        ("tools/call", {}, True),
        ("tools/list", {}, True),
        ("tools/call", {"progressToken": "a"}, False),
        ("tools/call", {"progressToken": 0}, False),
        ("tools/call", {"io.modelcontextprotocol/logLevel": "info"}, False),
        ("subscriptions/listen", {}, False),
    ],
)
def test_who_wants_word_of_progress_or_listens_is_served_the_other_way(
    method: str, meta: Mapping[str, Any], quiet: bool
) -> None:
    params = {"_meta": {**MODERN_META, **meta}}
    assert wants_no_word(JSONRPCRequest(jsonrpc="2.0", id=1, method=method, params=params)) is quiet


@pytest.mark.parametrize("params", [None, {}, {"_meta": None}, {"_meta": "x"}])
def test_a_request_without_the_envelope_is_left_to_the_sdk(params: dict[str, Any] | None) -> None:
    assert not wants_no_word(JSONRPCRequest(jsonrpc="2.0", id=1, method="tools/call", params=params))


def of(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "é", "method": method, "params": {"_meta": MODERN_META} | params}


REQUESTS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "a call": (call("ok"), {}),
    "a call with text": (call("ok", {"text": "é\n\u2028 line"}), {}),
    "a failing call": (call("fail", {"how": "budget"}), {}),
    "an unknown tool": (call("nothing"), {}),
    "wrong arguments": (call("ok", {"times": 0}), {}),
    "arguments that are no object": (of("tools/call", name="omniroute_ok", arguments=[1]), {}),
    "no name": (of("tools/call"), {}),
    "a name that is none": (of("tools/call", name=7), {}),
    "a list": (of("tools/list"), {}),
    "a greeting": (of("server/discover"), {}),
    "an unknown method": (of("tools/nothing"), {}),
    "another version inside": (of("tools/list", _meta={**MODERN_META, next(iter(MODERN_META)): "2025-11-25"}), {}),
    "an unknown version": (of("tools/list"), {"MCP-Protocol-Version": "2099-01-01"}),
    "another method in the header": (of("tools/list"), {"Mcp-Method": "tools/call"}),
    "another name in the header": (call("ok"), {"Mcp-Name": "omniroute_fail"}),
    "a stray parameter header": (call("ok"), {"Mcp-Param-Text": "hello"}),
    "an id that is null": ({**of("tools/list"), "id": None}, {}),
    "a notification": ({"jsonrpc": "2.0", "method": "notifications/initialized"}, {}),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_the_answer_is_byte_for_byte_that_of_the_sdk(name: str) -> None:
    server = make_server(TOOLS, parts_of(), OWNER, door="mcp-http", version="1.2.3")
    own, quick = (StreamableHTTPSessionManager(app=server, json_response=plain) for plain in (False, True))
    message, odd = REQUESTS[name]
    headers = {**modern_headers("ok"), "Mcp-Method": message["method"], **odd}
    if "Mcp-Name" not in odd and message["method"] == "tools/call":
        headers["Mcp-Name"] = str(message["params"].get("name", ""))
    async with own.run(), quick.run():
        expected = await knock(StreamableHTTPASGIApp(own), headers=headers, body=message)
        assert await knock(Quiet(StreamableHTTPASGIApp(quick)), headers=headers, body=message) == expected


def test_the_stream_begins_and_is_kept_alive_as_the_sdk_does_it() -> None:
    """Read off the SDK itself, so that a release of it that does otherwise is noticed."""

    async def answers() -> tuple[list[Message], list[Message]]:
        server = make_server(TOOLS, parts_of(), OWNER, door="mcp-http", version="1.2.3")
        handle = server.get_request_handler("tools/list")
        assert handle is not None

        async def late(*given: Any) -> Any:
            await asyncio.sleep(2 * SILENT_SECONDS + 1)
            return await handle.handler(*given)

        server.add_request_handler("tools/list", handle.params_type, late)
        own, quick = (StreamableHTTPSessionManager(app=server, json_response=plain) for plain in (False, True))
        async with own.run(), quick.run():
            return (
                await _sent(StreamableHTTPASGIApp(own)),
                await _sent(Quiet(StreamableHTTPASGIApp(quick))),
            )

    theirs, ours = run_virtual(answers())[0]
    assert ours[0] == theirs[0]
    assert [message["body"] for message in ours[1:]] == [message["body"] for message in theirs[1:]]


async def _sent(app: ASGIApp) -> list[Message]:
    sent: list[Message] = []
    unread = [{"type": "http.request", "body": json.dumps(of("tools/list")).encode(), "more_body": False}]

    async def receive() -> Message:
        if not unread:
            await asyncio.Event().wait()
        return unread.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    named = {**modern_headers("ok"), "Mcp-Method": "tools/list", "Content-Type": "application/json"}
    headers = [(name.lower().encode(), value.encode()) for name, value in named.items() if name != "Mcp-Name"]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    return sent
