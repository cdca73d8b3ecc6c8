"""`ask` as a process against a scripted provider."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from agent.cli.conftest import Run, RunBeside
from fakes import sse
from loopback import Cut, Reply, begins, loopback, refuses, says
from omniroute_agent.cli.receipt import receipt_line
from programs import ended, started, told


async def _latest(home: Path, settings: str) -> dict[str, object]:
    """The stored decision about the latest request, found as a user would."""
    hint = (await told(home, "explain", "none", settings=settings)).err
    request = hint.partition("Your latest: ")[2].partition(".")[0]
    decision: dict[str, object] = (await told(home, "explain", request, "--json", settings=settings)).json
    return decision


async def test_the_answer_streams_and_the_receipt_comes_last(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    whole = says("world.").pieces[0]
    async with (
        loopback(Reply([begins("Hello, "), go_on, whole])) as upstream,
        started(tmp_path, "ask", "Greet", "me", settings=upstream.settings()) as program,
    ):
        assert program.stdout
        async with asyncio.timeout(20):
            assert await program.stdout.readexactly(7) == b"Hello, "
        assert not go_on.is_set(), "the first words were shown before the last were sent"
        go_on.set()
        shown = await ended(program)
    assert (shown.code, shown.out) == (0, "world.\n")
    receipt = shown.err.splitlines()[-1]
    assert receipt.startswith("served by fake/fake-model · 0.00002 USD · 10 + 5 tokens · ")
    assert upstream.chats[0].body["messages"] == [{"role": "user", "content": "Greet me"}]


async def test_json_is_one_object_with_answer_and_receipt(run_beside: RunBeside) -> None:
    async with loopback(says("Hello.")) as upstream:
        words = ("ask", "--json", "--system", "Be brief.", "--max-tokens", "9", "--budget", "0.01", "hi")
        shown = await run_beside(*words, settings=upstream.settings())
    found = shown.json
    assert (shown.code, shown.err) == (0, "")
    assert (found["text"], found["finish"], found["tool_calls"], found["reasoning"]) == ("Hello.", "stop", [], None)
    assert (found["receipt"]["cost"], found["receipt"]["request_id"]) == ("0.00002", found["request_id"])
    body = upstream.chats[0].body
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    assert 9 in (body.get("max_tokens"), body.get("max_completion_tokens"))


async def test_what_is_piped_in_is_the_prompt_or_stands_where_the_dash_is(run_beside: RunBeside) -> None:
    async with loopback() as upstream:
        settings = upstream.settings()
        await run_beside("ask", settings=settings, stdin="Grüße\n".encode())
        await run_beside("ask", "Sum up:", "-", "in French", settings=settings, stdin=b"a long text")
        broken = await run_beside("ask", "-", settings=settings, stdin=b"\xff\xfe\xfd")
    prompts = [chat.body["messages"][0]["content"] for chat in upstream.chats]
    assert prompts == ["Grüße\n", "Sum up:\n\na long text\n\nin French"]
    assert broken.code == 2
    assert "not UTF-8 text (byte 0)" in broken.err


async def test_reasoning_is_shown_only_when_it_is_wanted(run_beside: RunBeside) -> None:
    def delta(**pieces: str) -> dict[str, object]:
        return {"choices": [{"index": 0, "delta": pieces}], "model": "fake-model"}

    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "model": "fake-model"}
    reply = Reply([sse(delta(reasoning_content="Hm, hm."), delta(content="Yes."), end)])
    async with loopback(reply) as upstream:
        plain, thoughtful, as_json = [
            await run_beside("ask", *words, "Is it?", settings=upstream.settings())
            for words in ((), ("--reasoning",), ("--json",))
        ]
    assert (plain.out, thoughtful.out) == ("Yes.\n", "Hm, hm.\n\nYes.\n")
    assert as_json.json["reasoning"] == "Hm, hm."


@pytest.mark.skipif(sys.platform == "win32", reason="a signal ends the process there")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_who_breaks_off_closes_the_upstream_and_the_books(number: int, code: int, tmp_path: Path) -> None:
    async with loopback(Reply([begins("Once upon"), asyncio.Event()])) as upstream:
        async with started(tmp_path, "ask", "Tell", settings=upstream.settings()) as program:
            assert program.stdout
            async with asyncio.timeout(20):
                assert await program.stdout.readexactly(9) == b"Once upon"
                program.send_signal(number)
                shown = await ended(program)
                await upstream.left.wait()
        assert (shown.code, shown.out) == (code, "\n")
        assert shown.err == ("Cancelled.\n" if number == signal.SIGINT else "")
        decision = await _latest(tmp_path, upstream.settings())
    assert decision["state"] == "cancelled"


@pytest.mark.skipif(sys.platform == "win32", reason="a signal ends the process there")
async def test_a_killed_process_leaves_an_attempt_that_the_next_one_settles_and_reports(tmp_path: Path) -> None:
    async with loopback(Reply([begins("Once upon"), asyncio.Event()])) as upstream:
        async with started(tmp_path, "ask", "Tell", settings=upstream.settings()) as program:
            assert program.stdout
            async with asyncio.timeout(20):
                await program.stdout.readexactly(9)
        shown = await told(tmp_path, "doctor", settings=upstream.settings())
        decision = await _latest(tmp_path, upstream.settings())
    assert "a process died in the middle of 1 attempt: settled as unknown" in shown.out
    assert decision["state"] == "unknown"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break differently there")
async def test_a_reader_that_leaves_ends_the_request(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    rest = [begins(" and more")] * 50
    async with (
        loopback(Reply([begins("Once"), go_on, *rest, asyncio.Event()])) as upstream,
        started(tmp_path, "ask", "Tell", settings=upstream.settings()) as program,
    ):
        assert program.stdout
        assert program.stderr
        async with asyncio.timeout(20):
            await program.stdout.readexactly(4)
            program._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
            go_on.set()
            await upstream.left.wait()
            said = await program.stderr.read()
            await program.wait()
    assert program.returncode == 1
    assert said == b""


async def test_a_cut_answer_is_an_error_that_keeps_what_came(run_beside: RunBeside) -> None:
    async with loopback(Reply([begins("Half of"), Cut()])) as upstream:
        shown = await run_beside("ask", "Tell", settings=upstream.settings())
        assert (shown.code, shown.out) == (1, "Half of\n")
        assert "The answer broke off after it had begun" in shown.err
        assert "omniroute-agent explain " in shown.err
        request = shown.err.partition("omniroute-agent explain ")[2].partition("`")[0]
        explained = await run_beside("explain", request, settings=upstream.settings())
    assert explained.code == 0
    assert "1. fake/fake-model" in explained.out
    assert "upstream_failed" in explained.out


async def test_a_failed_upstream_is_told_in_its_own_words(run_beside: RunBeside) -> None:
    async with loopback(refuses(401, "No such key, friend.")) as upstream:
        shown = await run_beside("ask", "--json", "Tell", settings=upstream.settings())
    assert (shown.code, shown.out) == (1, "")
    assert shown.error["code"] == "upstream_failed"
    assert "No such key, friend." in shown.error["message"]
    assert shown.error["facts"]["request_id"]


async def test_a_budget_that_allows_nothing_sends_nothing(run_beside: RunBeside) -> None:
    async with loopback() as upstream:
        shown = await run_beside("ask", "--budget", "0.000000001", "Tell", "--json", settings=upstream.settings())
    assert (shown.code, shown.error["code"]) == (1, "limit_reached")
    assert upstream.chats == []


def test_with_no_model_at_all_it_says_how_to_get_one(run: Run) -> None:
    shown = run("ask", "Anyone there?")
    assert (shown.code, shown.out) == (1, "")
    assert "No language model is reachable from here yet." in shown.err
    assert "OPENAI_API_KEY" in shown.err
    assert "omniroute-agent models pull smollm2-135m" in shown.err


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "served by a/m · 0.5 USD · 3 + 4 tokens · 12 ms · request r"),
        ({"cost": "0", "tried": [1, 2, 3]}, "served by a/m · free · 3 + 4 tokens · 12 ms · 2 fallbacks · request r"),
        ({"cost": None, "usage": None}, "served by a/m · cost unknown · tokens unknown · 12 ms · request r"),
        (
            {"cost_state": "estimated", "usage": {"input_tokens": 3, "output_tokens": 4, "estimated": True}},
            "served by a/m · 0.5 USD (estimated) · about 3 + 4 tokens · 12 ms · request r",
        ),
        (
            {"served_by": None, "replayed": True},
            "served by nobody · 0.5 USD · 3 + 4 tokens · 12 ms · an earlier answer again · request r",
        ),
    ],
)
def test_a_receipt_is_one_line(changes: dict[str, object], line: str) -> None:
    receipt: dict[str, object] = {
        "served_by": "a/m",
        "cost": "0.5",
        "cost_state": "exact",
        "usage": {"input_tokens": 3, "output_tokens": 4, "estimated": False},
        "latency_ms": 12,
        "tried": [1],
        "replayed": False,
        "request_id": "r",
    }
    assert receipt_line({**receipt, **changes}, "stop") == line
