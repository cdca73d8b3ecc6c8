"""`a2a`: our own agent as a process and in the test's loop, and agents of others."""

import asyncio
import io
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agent.cli.conftest import Run
from agent.cli.foreign_agent import Events, Refused, a_foreign_agent, status, task, words
from doors.a2a.cards import new_signer
from doors.a2a.rig import Door, at_the_door
from doors.house_rig import OWNER_KEY
from fakes import Upstream, openai_stream
from loopback import Reply, begins, loopback, says
from omniroute_agent.doors.a2a.words import EXTENSION
from programs import Ended, ended, started, told

Ask = Callable[..., Awaitable[Ended]]
WORKING = {"result": {"task": task("WORKING")}}


@pytest.fixture
def ask(run: Run, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """A command line on a thread, while the test's loop serves the agent."""

    async def one(*line: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        return await asyncio.to_thread(run, "a2a", *line)

    return one


@dataclass(frozen=True)
class Own:
    """Our agent, and commands that go to it."""

    door: Door
    url: str
    one: Ask

    async def __call__(self, command: str, *line: str, **more: Any) -> Ended:
        return await self.one(command, "--url", self.url, *line, **more)


@asynccontextmanager
async def own(ask: Ask, home: Path, *replies: httpx2.Response, key: str = OWNER_KEY) -> AsyncGenerator[Own, None]:
    (home / "key").write_text(key, encoding="utf-8")
    (home / "key").chmod(0o600)

    async def one(command: str, *line: str, stdin: bytes = b"") -> Ended:
        return await ask(command, "--key-file", str(home / "key"), *line, stdin=stdin)

    async with at_the_door(home / "house", Upstream(replies or (openai_stream("Hello."),))) as door:
        yield Own(door, door.rig.url, one)


@pytest.mark.skipif(sys.platform == "win32", reason="a signal ends the process there")
async def test_the_own_agent_is_found_words_stream_and_who_breaks_off_cancels_the_task(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    held = Reply([begins("Hello,\n\n"), go_on, says("world.").pieces[0]])
    async with loopback(held, Reply([begins("Once upon\n\n"), asyncio.Event()])) as upstream:
        settings = upstream.settings()
        async with started(tmp_path, "serve", "--port", "0", "--json", settings=settings) as server:
            assert server.stdout
            await asyncio.wait_for(server.stdout.readline(), 30)
            async with started(tmp_path, "a2a", "call", "Greet", "me", settings=settings) as program:
                assert program.stdout
                async with asyncio.timeout(30):
                    assert await program.stdout.readexactly(6) == b"Hello,"
                assert not go_on.is_set(), "the first words were shown before the last were said"
                go_on.set()
                shown = await ended(program)
            assert (shown.code, shown.out) == (0, "\n\nworld.\n")
            first, *_, receipt = shown.err.splitlines()
            assert first.startswith("task 0")
            assert first.endswith("· working")
            assert receipt.startswith("served by fake/fake-model · 0.00002 USD · 10 + 5 tokens · ")

            async with started(tmp_path, "a2a", "call", "Tell", settings=settings) as program:
                assert program.stdout
                await asyncio.wait_for(program.stdout.readexactly(9), 30)
                program.send_signal(signal.SIGINT)
                broken = await ended(program)
            assert (broken.code, broken.err.splitlines()[-1]) == (130, "Cancelled.")
            async with asyncio.timeout(10):
                await upstream.left.wait()
            listed = await told(tmp_path, "a2a", "tasks", "--json", settings=settings)
            states = [each["status"]["state"] for each in listed.json["tasks"]]
            assert states == ["TASK_STATE_CANCELED", "TASK_STATE_COMPLETED"]


async def test_without_a_running_server_the_way_out_is_told(ask: Ask) -> None:
    shown = await ask("call", "Hi")
    assert shown.code == 1
    assert shown.err.startswith("Error: No `serve` that can be asked runs on this data directory.")
    assert "--url" in shown.err


async def test_the_card_is_shown_and_its_signature_checked(ask: Ask, tmp_path: Path) -> None:
    async with own(ask, tmp_path) as agent:
        shown = await agent("card", "--verify")
        assert shown.code == 0
        assert shown.out.startswith("OmniRoute Agent ")
        assert f"JSONRPC 1.0 at {agent.url}/a2a" in shown.out
        assert "Its signature is good" in shown.err
        whole = (await agent("card", "--verify", "--json")).json
        assert whole["verified"] is True
        assert whole["card"]["capabilities"]["extendedAgentCard"] is True
        mine = (await agent("card", "--extended")).out
    assert "You are owner and may *." in mine


async def test_the_card_needs_no_key(ask: Ask, tmp_path: Path) -> None:
    async with own(ask, tmp_path) as agent:
        assert (await ask("card", "--url", agent.url)).code == 0
        refused = await ask("card", "--extended", "--url", agent.url, "--no-key")
    assert refused.code == 1
    assert refused.err == "Error: A key is needed.\nGive one with --key-file, --key-env or --key-stdin.\n"


async def test_json_is_one_object_with_text_routing_and_receipt(ask: Ask, tmp_path: Path) -> None:
    async with own(ask, tmp_path, openai_stream("Hello.")) as agent:
        for more in ((), ("--no-stream",)):
            shown = await agent("call", "--json", "--budget", "0.01", "--model", "one/alpha", *more, "Hi")
            found = shown.json
            assert (shown.code, shown.err) == (0, "")
            assert (found["state"], found["text"]) == ("completed", "Hello.")
            assert found["receipt"]["served_by"] == "one/alpha"
            assert found["routing"]["policy_verdict"]["reason"] == "Within the budget of 0.01 USD for this request."


async def test_what_is_piped_in_is_asked_of_the_skill_that_is_named(ask: Ask, tmp_path: Path) -> None:
    async with own(ask, tmp_path) as agent:
        shown = await agent("call", "--skill", "list-capabilities", "--context", "c-1", "-", stdin=b"What now?\n")
        assert shown.code == 0
        assert "smart-routing" in shown.out
        assert "context c-1 · working" in shown.err
        assert shown.err.splitlines()[-1].endswith("no model was asked.")


async def test_what_cannot_be_served_is_an_error_with_the_exit_code_of_its_kind(ask: Ask, tmp_path: Path) -> None:
    async with own(ask, tmp_path) as agent:
        for line, code, said in (
            (("call", "--skill", "nope", "Hi"), 3, "No skill is called `nope`."),
            (("call", "--model", "nope/x", "Hi"), 3, "No model or combo is called `nope/x`."),
            (("call", "--task", "nope", "Hi"), 3, "Task not found"),
            (("tasks", "nope"), 3, "Task not found"),
            (("cancel", "nope"), 3, "Task not found"),
            (("call", "--model", "a", "--combo", "b", "Hi"), 2, "not both"),
            (("call", "--budget", "much", "Hi"), 2, "amount of USD"),
            (("call", "--handle-env", "NOBODY_SETS_THIS", "Hi"), 2, "no budget handle"),
            (("call",), 2, "There is no prompt."),
            (("tasks", "--after", "soon"), 2, "--after: expected a day"),
            (("tasks", "--state", "sleeping"), 2, "--state takes one of auth-required, canceled"),
        ):
            shown = await agent(*line)
            assert (shown.code, shown.out) == (code, ""), line
            assert said in shown.err, line
        failed = await agent("call", "--json", "--model", "nope/x", "Hi")
        assert failed.error["code"] == "not_found"
        assert set(failed.error["facts"]) == {"task_id", "context_id"}


async def test_tasks_are_listed_page_by_page_shown_and_canceled(ask: Ask, tmp_path: Path) -> None:
    async with own(ask, tmp_path) as agent:
        for text in ("First.", "Second.", "A long question " * 9):
            assert (await agent("call", "--context", "c-1", text)).code == 0
        page = await agent("tasks", "--limit", "2", "--context", "c-1")
        _, newest, before = page.out.splitlines()
        assert newest.endswith("A long question A long question A long question…")
        assert before.endswith("Second.")
        cursor = page.err.partition("--cursor=")[2].partition("`")[0]
        last = (await agent("tasks", "--context", "c-1", "--cursor", cursor, "--json")).json
        assert (len(last["tasks"]), last["total"], last["next_cursor"]) == (1, 3, None)
        shown = await agent("tasks", last["tasks"][0]["id"])
        assert (shown.code, shown.out) == (0, "Hello.\n")
        assert shown.err.startswith("completed\nserved by one/alpha")
        over = await agent("cancel", last["tasks"][0]["id"])
        assert (over.code, over.err.splitlines()[0]) == (1, "Error: The task is over.")
        nothing = await agent("tasks", "--state", "input-required")
        assert nothing.out == "There are no such tasks.\n"


async def test_a_question_of_the_agent_says_how_to_answer_it(ask: Ask) -> None:
    asks = Events((WORKING, status("INPUT_REQUIRED", "May it cost 2 USD?\x1b[2J")))
    async with a_foreign_agent(replies={"SendStreamingMessage": asks}) as agent:
        shown = await ask("call", "--url", agent.url, "--no-key", "Hi")
        as_json = await ask("call", "--url", agent.url, "--no-key", "--json", "Hi")
        await ask("call", "--url", agent.url, "--no-key", "--task", "t1", "--context", "c1", "yes")
    assert shown.code == 1
    assert shown.err.splitlines()[-2:] == [
        "Error: May it cost 2 USD?[2J",
        "Answer with `omniroute-agent a2a call --task t1 TEXT`.",
    ]
    assert as_json.error["code"] == "input_required"
    assert as_json.error["facts"] == {"task_id": "t1", "context_id": "c1"}
    sent = agent.calls[-1]["params"]["message"]
    assert (sent["taskId"], sent["contextId"], sent["parts"]) == ("t1", "c1", [{"text": "yes"}])


async def test_what_an_agent_says_in_pieces_again_and_in_several_artifacts_is_shown_once(ask: Ask) -> None:
    told_by = Events(
        (
            WORKING,
            words("One, "),
            words("two.", append=True),
            words("One, two.", append=False),
            words("Three.", artifact="b"),
            {"result": {"artifactUpdate": {"artifact": {"artifactId": "d", "parts": [{"data": {"x": 1}}]}}}},
            status("COMPLETED"),
        )
    )
    async with a_foreign_agent(replies={"SendStreamingMessage": told_by}) as agent:
        shown = await ask("call", "--url", agent.url, "--no-key", "Hi")
        found = (await ask("call", "--url", agent.url, "--no-key", "--json", "Hi")).json
    assert (shown.code, shown.out) == (0, "One, two.\nThree.\n")
    assert shown.err.splitlines()[-1] == "completed, without a receipt"
    assert (found["text"], found["data"], found["receipt"]) == ("One, two.\n\nThree.", {"d": {"x": 1}}, None)


async def test_an_agent_that_answers_with_a_message_or_a_whole_task_is_understood(ask: Ask) -> None:
    said = {"result": {"message": {"messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": "Just this."}]}}}
    whole = {"result": {"task": task("COMPLETED", "All ", "of it.")}}
    for reply, text in ((said, "Just this.\n"), (whole, "All \nof it.\n")):
        async with a_foreign_agent(replies={"SendStreamingMessage": reply, "SendMessage": reply}) as agent:
            for more in ((), ("--no-stream",)):
                shown = await ask("call", "--url", agent.url, "--no-key", *more, "Hi")
                assert (shown.code, shown.out) == (0, text)


async def test_a_stream_that_breaks_off_is_read_to_its_end_by_asking_for_the_task(ask: Ask) -> None:
    broken = Events((WORKING, words("One, ", artifact="a0")), cut=True)
    for state, code in (("COMPLETED", 0), ("WORKING", 1)):
        later = {"result": task(state, "One, two.")}
        async with a_foreign_agent(replies={"SendStreamingMessage": broken, "GetTask": later}) as agent:
            shown = await ask("call", "--url", agent.url, "--no-key", "Hi")
        assert (shown.code, shown.out) == (code, "One, two.\n")
        assert ("the task may go on" in shown.err) is bool(code)


async def test_a_key_goes_to_nobody_but_the_server_that_the_card_came_from(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_KEY", "a-key-for-one-agent")
    interface = {"url": "http://127.0.0.1:9/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    async with a_foreign_agent(card={"supportedInterfaces": [interface]}) as agent:
        shown = await ask("call", "--url", agent.url, "--key-env", "AGENT_KEY", "Hi")
        assert shown.code == 1
        assert "which is another server: it gets no key." in shown.err
        assert all("authorization" not in request.headers for request in agent.seen)


async def test_a_key_never_travels_in_the_open(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_KEY", "a-key-for-one-agent")
    for line in (("--key-env", "AGENT_KEY"), ("--no-key", "--handle-env", "AGENT_KEY")):
        shown = await ask("call", "--url", "http://agent.example", *line, "Hi")
        assert shown.code == 2
        assert "would travel in the open" in shown.err


async def test_a_key_is_never_taken_from_the_command_line(ask: Ask) -> None:
    shown = await ask("call", "--key", "orak_0123456789", "Hi")
    assert shown.code == 2
    assert "orak_" not in shown.err


async def test_an_agent_of_another_version_is_told_apart(ask: Ask) -> None:
    old = {"name": "Old", "url": "http://127.0.0.1:9/", "protocolVersion": "0.3.0", "preferredTransport": "JSONRPC"}
    async with a_foreign_agent(card=old) as agent:
        shown = await ask("call", "--url", agent.url, "--no-key", "Hi")
    assert (shown.code, "does not speak A2A 1.0" in shown.err) == (1, True)


@pytest.mark.parametrize(
    ("reply", "code", "said"),
    [
        ({"error": {"code": -32602, "message": "No."}}, 2, "No."),
        ({"error": {"code": -32603, "message": "Oh\x07 no."}}, 1, "Oh no."),
        ({"result": 5}, 1, "is no object"),
        (Refused(502, b"<html>"), 1, "answered with status 502."),
        (Refused(429, b'{"error":{"code":"too_many_requests","message":"Too much.","hint":"Wait."}}'), 1, "Wait."),
        (Refused(200, b"not json"), 1, "not JSON"),
    ],
    ids=["bad", "internal", "shape", "html", "limits", "text"],
)
async def test_whatever_an_agent_answers_is_told_in_a_sentence(ask: Ask, reply: Any, code: int, said: str) -> None:
    async with a_foreign_agent(replies={"SendStreamingMessage": reply}) as agent:
        shown = await ask("call", "--url", agent.url, "--no-key", "Hi")
    assert shown.code == code
    assert said in shown.err
    assert "Traceback" not in shown.err


async def test_an_agent_that_is_not_there_is_told_in_a_sentence(ask: Ask) -> None:
    shown = await ask("call", "--url", "http://127.0.0.1:9", "--no-key", "Hi")
    assert shown.code == 1
    assert shown.err.startswith("Error: http://127.0.0.1:9/.well-known/agent-card.json cannot be read.")


async def test_a_signature_counts_only_with_keys_of_the_cards_own_server(ask: Ask, tmp_path: Path) -> None:
    async with own(ask, tmp_path) as ours:
        signed = (await ours("card", "--json")).json["card"]
    async with a_foreign_agent(card={"name": "Bare"}) as agent:
        bare = await ask("card", "--verify", "--url", agent.url)
        agent.card = signed
        borrowed = await ask("card", "--verify", "--url", agent.url)
    assert (bare.code, bare.err.splitlines()[0]) == (1, "Error: The card is not signed.")
    assert borrowed.code == 1
    assert "which is another server: anybody could have signed it." in borrowed.err


async def test_a_changed_card_is_found_out(ask: Ask) -> None:
    signer = new_signer()
    async with a_foreign_agent(documents={"/.well-known/jwks.json": signer.jwks()}) as agent:
        card: dict[str, Any] = {"name": "Agent", "version": "1", "skills": [{"id": "s"}]}
        signed = {**card, "signatures": signer.sign_card(card, f"{agent.url}/.well-known/jwks.json")}
        agent.card = signed
        good = await ask("card", "--verify", "--url", agent.url)
        agent.card = {**signed, "skills": [{"id": "t"}]}
        changed = await ask("card", "--verify", "--json", "--url", agent.url)
    assert (good.code, f"key {signer.key_id}, from the same server" in good.err) == (0, True)
    assert (changed.code, changed.out, changed.error["code"]) == (1, "", "bad_signature")
    assert "changed after it was signed" in changed.error["message"]


async def test_the_options_of_a_call_stand_under_the_extension(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PURSE", "orbh_pays_for_it")
    done = Events((WORKING, status("COMPLETED")))
    async with a_foreign_agent(replies={"SendStreamingMessage": done}) as agent:
        line = ("--skill", "s", "--combo", "c", "--role", "coding", "--budget", "0.50", "--handle-env", "PURSE")
        assert (await ask("call", "--url", agent.url, "--no-key", *line, "Hi")).code == 0
    (sent,) = agent.calls
    assert sent["params"]["message"]["metadata"][EXTENSION] == {
        "skill": "s",
        "combo": "c",
        "role": "coding",
        "budget": {"amount_usd": "0.5", "handle": "orbh_pays_for_it"},
        "receipt": True,
    }
    headers = agent.seen[-1].headers
    assert (headers["a2a-version"], headers["a2a-extensions"]) == ("1.0", EXTENSION)
