"""Streams: what keeps them open, what ends them, and what never travels on them."""

import asyncio
import json
from pathlib import Path

import pytest

from doors.a2a.rig import at_the_door, envelope, old_says, says, state, text
from doors.a2a.test_tasks import Held
from fakes import Upstream, openai_stream
from houses import TWO_TARGETS
from omniroute_agent.doors.a2a import sse
from omniroute_agent.doors.a2a.terms import Terms
from patience import until


async def test_a_silent_stream_gets_a_comment_now_and_then(tmp_path: Path) -> None:
    held = Held()
    settings = f"{TWO_TARGETS}\n[a2a]\nheartbeat_seconds = 1\n"
    async with (
        at_the_door(tmp_path, Upstream([held.answer]), settings=settings) as door,
        door.stream("SendStreamingMessage", says("Tell.")) as events,
    ):
        await anext(events)
        await anext(events)
        last = asyncio.create_task(anext(events))
        await asyncio.sleep(1.3)
        held.go_on.set()
        await last
        assert events.comments == [": ping"]
        assert events.response.headers["cache-control"] == "no-store"
        assert events.response.headers["x-accel-buffering"] == "no"


def test_fifteen_seconds_are_the_default() -> None:
    assert Terms().heartbeat == 15.0


async def test_many_listeners_hear_the_same_in_the_same_order(tmp_path: Path) -> None:
    held = Held()
    async with at_the_door(tmp_path, Upstream([held.answer])) as door:
        sent = (await door.ask("SendMessage", says("Tell.", configuration={"returnImmediately": True})))["task"]
        await asyncio.wait_for(held.begun.wait(), 10)

        listening: list[str] = []

        async def follow() -> list[str]:
            async with door.stream("SubscribeToTask", {"id": sent["id"]}) as events:
                listening.append((await anext(events))["task"]["id"])
                return [json.dumps(each, sort_keys=True) async for each in events]

        following = [asyncio.create_task(follow()) for _ in range(8)]
        leaving = asyncio.create_task(follow())
        await until(lambda: len(listening) == 9)
        leaving.cancel()
        held.go_on.set()
        first, *others = await asyncio.gather(*following)
    assert first
    assert all(other == first for other in others)


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_a_stream_that_ends_in_a_question_says_that_it_ends(version: str, tmp_path: Path) -> None:
    settings = TWO_TARGETS + '[[guards]]\nname = "little"\nlimit_usd = "0.000001"\naction = "ask"\n'
    async with at_the_door(tmp_path, settings=settings) as door:
        if version == "1.0":
            told = await door.told("SendStreamingMessage", says("Say hello."))
            assert state(told[-1]["statusUpdate"]) == "TASK_STATE_INPUT_REQUIRED"
        else:
            told = await door.told("message/stream", old_says("Say hello."))
            assert (state(told[-1]), told[-1]["final"]) == ("input-required", True)
    assert not any("artifact" in json.dumps(each) for each in told), "some clients show the text and drop the question"


async def test_a_task_of_which_nothing_is_heard_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()
    monkeypatch.setattr("omniroute_agent.cli.agent_door._terms", lambda _: Terms(silent=0.3))
    async with at_the_door(tmp_path, Upstream([held.answer])) as door:
        task = (await door.ask("SendMessage", says("Tell.")))["task"]
        assert state(task) == "TASK_STATE_FAILED"
        assert "Nothing was heard" in task["status"]["message"]["parts"][0]["text"]
        assert held.closed.is_set()


async def test_data_and_receipt_come_on_request_only(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("Hello.")])) as door:
        plain = (await door.ask("SendMessage", says("Greet me.")))["task"]
        assert [each["artifactId"] for each in plain["artifacts"]] == ["answer"]
        asked = {"data": True, "receipt": True}
        full = (await door.ask("SendMessage", says("Greet me now.", options=asked)))["task"]
        answer, data, receipt = full["artifacts"]
        assert answer["parts"] == [{"text": "Hello."}]
        assert data["parts"][0]["data"]["served_by"] == "one/alpha"
        assert receipt["parts"][0]["data"]["cost"] == "0.00002", "money is text: numbers become floats on their way"
        assert receipt["parts"][0]["data"]["usage"]["input_tokens"] == 10


async def test_numbers_in_metadata_stay_what_they_were(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        params = says("?", options={"skill": "list-capabilities"})
        params["message"]["metadata"]["mine"] = {"whole": 42, "part": 0.5, "list": [1, 2.5], "id": "9007199254740993"}
        sent = (await door.ask("SendMessage", params))["task"]
    assert sent["history"][0]["metadata"]["mine"] == params["message"]["metadata"]["mine"]
    assert "42.0" not in json.dumps(sent)


async def test_a_budget_handle_is_not_kept_with_the_task(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("Hello.")])) as door:
        minted = await door.ask("omniroute/budgetHandles/create", {"amount_usd": "1"})
        secret = minted["handle"]
        options = {"budget": {"amount_usd": "0.5", "handle": secret}}
        task = (await door.ask("SendMessage", says("Greet me.", options=options)))["task"]
        assert text(task) == "Hello."
        assert secret not in json.dumps(task)
        assert secret not in json.dumps(await door.ask("GetTask", {"id": task["id"]}))
        left = await door.ask("omniroute/budgetHandles/get", {"handle": secret})
        assert left["total_spent_usd"] == envelope(task)["cost_envelope"]["actual"] == "0.00002"
        for place in ({"budget": secret}, {"handle": secret}, {"budget": {"handle": [secret]}}):
            misplaced = says("Greet me.", options=place)
            misplaced["message"]["parts"][0]["metadata"] = {"note": f"pay with {secret}"}
            assert secret not in json.dumps((await door.post("SendMessage", misplaced)).json())
        stored = [path.read_bytes() for path in (tmp_path / "data").glob("storage.sqlite*")]
        assert stored
        assert not any(secret.encode() in each for each in stored)
    raw = (tmp_path / "data" / "storage.sqlite").read_bytes()
    assert secret.encode() not in raw


def test_events_are_encoded_without_blanks() -> None:
    assert sse.encode({"a": "ä"}) == '{"a":"ä"}'.encode()
