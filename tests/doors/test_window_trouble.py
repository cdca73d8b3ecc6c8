"""A window whose gateway answers nonsense, lets it in no more, or takes no header as long as a name."""

import asyncio
import json
import queue
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from doors.http_rig import KEY, running
from doors.keyed import keyed
from doors.windows import INITIALIZE, Pipes, window
from omniroute_agent.doors.mcp.forward.lanes import MOST_LANES, Call, Lanes
from omniroute_agent.doors.mcp.forward.link import Link
from omniroute_agent.doors.mcp.forward.message import Message

BOTH_ERAS = pytest.mark.parametrize("modern", [False, True], ids=["legacy", "2026-07-28"])


@asynccontextmanager
async def gateway_that_says(said: bytes) -> AsyncGenerator[str, None]:
    """Its address. Request 1 is answered so, with status 500; every other one as it should be."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = head.partition("content-length: ")[2].partition("\r\n")[0]
                asked = json.loads(await reader.readexactly(int(length or 0)) or b"{}")
                good = {"jsonrpc": "2.0", "id": asked.get("id"), "result": {"tools": []}}
                body = said if asked.get("id") == 1 else json.dumps(good).encode()
                status = "500 No" if asked.get("id") == 1 else "200 OK"
                writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n".encode())
                writer.write(b"mcp-session-id: one\r\ncontent-type: text/plain\r\n\r\n" + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@BOTH_ERAS
@pytest.mark.parametrize("said", [b"Internal Server Error", b"3", b"[" * 100_000], ids=["words", "number", "deep"])
async def test_an_answer_that_is_no_json_is_told_and_the_next_call_is_answered(modern: bool, said: bytes) -> None:
    async with gateway_that_says(said) as url, window(url, KEY, modern=modern) as pipes:
        if not modern:
            await pipes.tell(INITIALIZE)
            assert "result" in await pipes.hear()
        error = (await pipes.ask("tools/list", {}))["error"]
        assert (error["code"], error["data"]) == (-32000, {"code": "gateway_ended"})
        assert (await pipes.ask("tools/list", {}))["result"] == {"tools": []}


async def test_a_window_survives_nonsense_in_place_of_its_greeting() -> None:
    async with gateway_that_says(b"Internal Server Error") as url, window(url, KEY, modern=False) as pipes:
        await pipes.tell({**INITIALIZE, "id": 1})
        said = await pipes.end()
    assert said.startswith("handed over: ")
    assert "initialize" in said


def test_a_defect_in_one_call_leaves_its_lane_to_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    served: queue.SimpleQueue[object] = queue.SimpleQueue()

    def work(call: Call, _: Link) -> None:
        if call.message.id == 0:
            raise RuntimeError("a secret")
        served.put(call.message.id)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        lanes = Lanes(lambda: Link("127.0.0.1", port, {}), work)
        for number in range(MOST_LANES + 1):
            lanes.start(Call(Message(kind="request", line=b"", id=number, params={}), {}))
        assert sorted(str(served.get(timeout=10)) for _ in range(MOST_LANES)) == sorted(
            str(number) for number in range(1, MOST_LANES + 1)
        )
        for number in range(MOST_LANES):  # every lane, also that one
            lanes.start(Call(Message(kind="request", line=b"", id=f"again {number}", params={}), {}))
        assert len({served.get(timeout=10) for _ in range(MOST_LANES)}) == MOST_LANES
    told = capsys.readouterr().err
    assert "RuntimeError" in told
    assert "secret" not in told


@BOTH_ERAS
async def test_a_window_that_is_no_longer_let_in_goes_on_by_itself(modern: bool, tmp_path: Path) -> None:
    async with keyed(tmp_path, begin=False) as door, running(door.app) as rig:
        row, key = await door.new_key()
        async with window(rig.url, key, modern=modern) as pipes:
            await pipes.greet()
            assert len((await pipes.ask("tools/list", {}))["result"]["tools"]) > 1
            await door.change(row, revoked_at=1.0)
            door.clock.advance(5)
            await pipes.begin("tools/call", {"name": "omniroute_ok", "arguments": {"text": "the one"}})
            said = await pipes.end()
            assert await heard_nothing(pipes)
    assert said.startswith("handed over: ")
    assert said.count("the one") == 1
    assert ("initialize" in said) is not modern


async def test_a_window_with_a_wrong_key_goes_on_by_itself_from_its_first_call() -> None:
    async with running() as rig, window(rig.url, "no-key", modern=True) as pipes:
        await pipes.begin("tools/list", {})
        await pipes.begin("resources/list", {})
        said = await pipes.end()
        assert await heard_nothing(pipes)
    assert said.startswith("handed over: ")
    assert (said.count("tools/list"), said.count("resources/list")) == (1, 1)


async def heard_nothing(pipes: Pipes) -> bool:
    assert pipes.process.stdout
    return await pipes.process.stdout.read() == b""


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("tools/call", {"name": "x" * 70_000, "arguments": {}}, -32602),
        ("tools/call", {"name": "\N{SNOWMAN}" * 17_000, "arguments": {}}, -32602),
        ("resources/read", {"uri": "omniroute://" + "x" * 70_000}, -32602),
        ("prompts/get", {"name": "x" * 70_000}, -32602),
        ("x" * 70_000, {}, -32601),
    ],
)
async def test_an_endless_name_through_a_window_is_refused_in_words(
    method: str, params: dict[str, object], code: int
) -> None:
    async with running() as rig, window(rig.url, KEY, modern=True) as pipes:
        error = (await pipes.ask(method, params))["error"]
        assert error["code"] == code
        assert "look before you ask again" not in error["message"]
        assert len(error["message"]) < 500
        answer = await pipes.ask("tools/call", {"name": "omniroute_ok", "arguments": {"text": "still here"}})
        assert answer["result"]["structuredContent"]["said"] == "still here"
