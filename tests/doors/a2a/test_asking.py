"""A guard that asks: the task waits for its caller, and goes on when the owner has allowed it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from doors.a2a.rig import Door, JsonObject, as_caller, at_the_door, envelope, old_says, says, state, text
from doors.a2a.test_tasks import Held
from doors.house_rig import OTHER_KEY
from fakes import CountedIds, Upstream, openai_stream
from houses import TWO_TARGETS
from omniroute_agent.doors.a2a.intake import Intake
from omniroute_agent.doors.a2a.words import EXTENSION
from omniroute_agent.store.tasks import TaskRow, TaskRows

ASKING = TWO_TARGETS + '[[guards]]\nname = "little"\nlimit_usd = "0.000001"\naction = "ask"\n'


async def parked(door: Door) -> JsonObject:
    task: JsonObject = (await door.ask("SendMessage", says("Say hello.", options={"combo": "both"})))["task"]
    assert state(task) == "TASK_STATE_INPUT_REQUIRED"
    return task


async def test_the_question_carries_the_price_of_each_option(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, settings=ASKING) as door:
        task = await parked(door)
    (said,) = task["status"]["message"]["parts"]
    assert "Only the owner may allow this" in said["text"]
    assert "artifacts" not in task
    asked = envelope(task)
    assert asked["policy_verdict"]["allowed"] is False
    options = asked["consent"]["options"]
    assert [option["target"] for option in options] == ["one/alpha", "two/beta"]
    assert all(float(option["worst_usd"]) > 0 for option in options)


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_the_owners_yes_resumes_the_same_task(version: str, tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("Done.")]), settings=ASKING) as door:
        task = await parked(door)
        if version == "1.0":
            done = (await door.ask("SendMessage", says("Yes.", task=task["id"])))["task"]
        else:
            done = await door.ask("message/send", old_says("yes", task=task["id"]))
        assert done["id"] == task["id"]
        assert done["contextId"] == task["contextId"]
        assert state(done) in ("TASK_STATE_COMPLETED", "completed")
        assert text(done) == "Done."
        assert "consent" not in envelope(done)
        assert len(done["history"]) == 2


async def test_what_another_key_says_is_no_consent(tmp_path: Path) -> None:
    """An agent must not widen its own limits; the owner may, in the terminal."""
    async with (
        at_the_door(tmp_path, Upstream([openai_stream("Done.")]), settings=ASKING, key=OTHER_KEY) as door,
    ):
        task = await parked(door)
        again = (await door.ask("SendMessage", says("allow this once", task=task["id"])))["task"]
        assert (again["id"], state(again)) == (task["id"], "TASK_STATE_INPUT_REQUIRED")
        await door.house.parts.consents.answer(envelope(again)["consent"]["code"], approved=True)
        done = (await door.ask("SendMessage", says("go on", task=task["id"])))["task"]
        assert (state(done), text(done)) == ("TASK_STATE_COMPLETED", "Done.")


async def test_a_no_of_the_owner_ends_the_task(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, settings=ASKING) as door:
        task = await parked(door)
        ended = (await door.ask("SendMessage", says("no", task=task["id"])))["task"]
        assert state(ended) == "TASK_STATE_REJECTED"
        assert "said no" in ended["status"]["message"]["parts"][0]["text"]


async def test_one_of_the_options_can_be_chosen(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("Done.", model="beta")]), settings=ASKING) as door:
        task = await parked(door)
        asked = (await door.ask("SendMessage", says("two/beta", task=task["id"])))["task"]
        assert [option["target"] for option in envelope(asked)["consent"]["options"]] == ["two/beta"]
        done = (await door.ask("SendMessage", says("yes", task=task["id"])))["task"]
        assert "two" in envelope(done)["routing_explanation"]


async def test_a_parked_task_outlives_the_server(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, settings=ASKING) as door:
        task = await parked(door)
    ids = CountedIds(1_000_000)
    async with at_the_door(tmp_path, Upstream([openai_stream("Done.")]), settings=ASKING, ids=ids) as door:
        assert state(await door.ask("GetTask", {"id": task["id"]})) == "TASK_STATE_INPUT_REQUIRED"
        told = await door.told("SubscribeToTask", {"id": task["id"]})
        assert [state(each["task"]) for each in told] == ["TASK_STATE_INPUT_REQUIRED"]
        done = (await door.ask("SendMessage", says("yes", task=task["id"])))["task"]
    assert text(done) == "Done."


async def test_a_parked_task_can_be_canceled(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, settings=ASKING) as door:
        task = await parked(door)
        assert state(await door.ask("CancelTask", {"id": task["id"]})) == "TASK_STATE_CANCELED"
        assert (await door.fault("SendMessage", says("yes", task=task["id"])))["code"] == -32004


async def test_a_parked_task_is_nobody_elses(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, settings=ASKING) as door, as_caller(door.rig, OTHER_KEY) as other:
        task = await parked(door)
        stranger = Door(door.rig, door.house, door.clock, other)
        foreign = await stranger.fault("SendMessage", says("yes", task=task["id"]))
        unknown = await stranger.fault("SendMessage", says("yes", task="no-such-task"))
        assert foreign == unknown
        assert foreign["code"] == -32001
        assert state(await door.ask("GetTask", {"id": task["id"]})) == "TASK_STATE_INPUT_REQUIRED"


async def test_a_follow_up_of_another_context_is_refused(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, settings=ASKING) as door:
        task = await parked(door)
        fault = await door.fault("SendMessage", says("yes", task=task["id"], context="another"))
        assert fault["code"] == -32602
        assert state(await door.ask("GetTask", {"id": task["id"]})) == "TASK_STATE_INPUT_REQUIRED"


async def test_what_the_request_asked_for_beside_the_message_still_holds_when_the_task_goes_on(tmp_path: Path) -> None:
    """Options may stand in the metadata of the request; losing them resumed the task outside its combo's guard."""
    narrow = ASKING.replace("[[guards]]\n", '[[guards]]\ncombo = "both"\n')
    async with at_the_door(tmp_path, Upstream([openai_stream("Done.")]), settings=narrow) as door:
        for words in ("Say hello.", "Say it again."):
            sent = await door.ask("SendMessage", says(words, metadata={EXTENSION: {"combo": "both"}}))
            assert state(sent["task"]) == "TASK_STATE_INPUT_REQUIRED", "each of them is asked about"
            done = (await door.ask("SendMessage", says("yes", task=sent["task"]["id"])))["task"]
            assert (state(done), text(done)) == ("TASK_STATE_COMPLETED", "Done.")


async def test_a_follow_up_that_cannot_be_meant_leaves_the_task_waiting(tmp_path: Path) -> None:
    """It used to be picked up first, and nobody could answer it again."""
    async with at_the_door(tmp_path, Upstream([openai_stream("Done.")]), settings=ASKING) as door:
        task = await parked(door)
        wrong = says("yes", task=task["id"])
        wrong["message"]["metadata"] = {EXTENSION: "no object"}
        assert (await door.fault("SendMessage", wrong))["code"] == -32602
        done = (await door.ask("SendMessage", says("yes", task=task["id"])))["task"]
    assert (state(done), text(done)) == ("TASK_STATE_COMPLETED", "Done.")
    assert [each["artifactId"] for each in done["artifacts"]] == ["answer"]


async def test_a_cancel_that_comes_before_the_answer_is_told_to_who_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = Upstream([openai_stream("Done.")])
    async with at_the_door(tmp_path, upstream, settings=ASKING) as door:
        task = await parked(door)
        verdict = Intake._verdict

        async def meanwhile(*given: Any) -> Any:
            assert state(await door.ask("CancelTask", {"id": task["id"]})) == "TASK_STATE_CANCELED"
            return await verdict(*given)

        monkeypatch.setattr(Intake, "_verdict", meanwhile)
        fault = await door.fault("SendMessage", says("yes", task=task["id"]))
        assert fault["code"] == -32004
        assert state(await door.ask("GetTask", {"id": task["id"]})) == "TASK_STATE_CANCELED"
    assert not upstream.seen


async def test_a_cancel_that_meets_the_question_cancels_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = TaskRows.put
    asking, go_on = asyncio.Event(), asyncio.Event()

    async def held(rows: TaskRows, row: TaskRow, *, expected: int | None) -> None:
        if row.state == "input-required":
            asking.set()
            await go_on.wait()
        await put(rows, row, expected=expected)

    monkeypatch.setattr(TaskRows, "put", held)
    async with at_the_door(tmp_path, settings=ASKING) as door:
        question = says("Say hello.", options={"combo": "both"}, configuration={"returnImmediately": True})
        task = (await door.ask("SendMessage", question))["task"]
        await asyncio.wait_for(asking.wait(), 10)
        canceling = asyncio.create_task(door.ask("CancelTask", {"id": task["id"]}))
        await asyncio.sleep(0.05)
        go_on.set()
        canceled = await canceling
        assert state(canceled) == "TASK_STATE_CANCELED"
        assert canceled["history"] == task["history"]
        assert state(await door.ask("GetTask", {"id": task["id"]})) == "TASK_STATE_CANCELED"


async def test_who_polls_while_the_task_goes_on_again_does_not_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = TaskRows.put
    async with at_the_door(tmp_path, Upstream([openai_stream("Done.")]), settings=ASKING) as door:
        task = await parked(door)

        async def polled(rows: TaskRows, row: TaskRow, *, expected: int | None) -> None:
            await put(rows, row, expected=expected)
            if row.state == "working":
                assert state(await door.ask("GetTask", {"id": task["id"]})) == "TASK_STATE_WORKING"

        monkeypatch.setattr(TaskRows, "put", polled)
        done = (await door.ask("SendMessage", says("yes", task=task["id"])))["task"]
    assert state(done) == "TASK_STATE_COMPLETED"


async def test_a_task_in_the_hands_of_a_dead_process_is_answered_at_once(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("Done.")]), settings=ASKING) as door:
        task = await parked(door)
        rows = TaskRows(door.house.parts.database)
        found = await rows.find("owner", task["id"])
        assert found is not None
        assert await rows.take("owner", task["id"], version=found.row.version, instance="one-that-died") is not None
        done = (await door.ask("SendMessage", says("yes", task=task["id"])))["task"]
    assert state(done) == "TASK_STATE_COMPLETED"


async def test_a_task_that_goes_on_is_not_swept_away_for_having_waited_long(tmp_path: Path) -> None:
    held = Held()
    async with at_the_door(tmp_path, Upstream([held.answer]), settings=ASKING) as door:
        task = await parked(door)
        await door.ask("SendMessage", says("yes", task=task["id"], configuration={"returnImmediately": True}))
        await asyncio.wait_for(held.begun.wait(), 10)
        found = await TaskRows(door.house.parts.database).find("owner", task["id"])
        held.go_on.set()
    assert found is not None
    assert found.row.expires_at is None
