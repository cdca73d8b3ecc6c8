"""Hooks hear how their task stands: in their own version of A2A, signed, again until they have it."""

import asyncio
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from doors.a2a.push_rig import ISSUER, OWNER, TASK, Answer, a_config, a_door, receiver
from omniroute_agent.doors.a2a.push.outbox import PER_HOST
from omniroute_agent.doors.a2a.push.sender import JWT_HEADER, TOKEN_HEADER
from omniroute_agent.kernel.secret import Secret
from patience import until


async def test_a_hook_of_1_0_gets_the_task_as_a_stream_item(tmp_path: Path) -> None:
    async with receiver() as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        await door.pushes.create(task.owner, task.id, a_config(hook.url))
        await until(lambda: hook.states == ["TASK_STATE_WORKING"])
        await door.moves(task, "completed")
        await until(lambda: len(hook.seen) == 2)
    request = hook.seen[-1]
    assert request.headers["content-type"] == "application/a2a+json"
    assert list(request.body) == ["task"]
    told = request.body["task"]
    assert told["id"] == TASK
    assert told["contextId"] == "context-1"
    assert told["status"]["state"] == "TASK_STATE_COMPLETED"
    assert told["artifacts"][0]["parts"] == [{"text": "Grüße"}]
    assert (request.method, request.path) == ("POST", "/hook")


async def test_a_hook_of_0_3_gets_the_task_itself(tmp_path: Path) -> None:
    async with receiver() as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        await door.moves(task, "input-required", "Which of the two?")
        await door.pushes.create(task.owner, task.id, a_config(hook.url, "0.3"))
        await until(lambda: len(hook.seen) == 1)
    request = hook.seen[0]
    assert request.headers["content-type"] == "application/json"
    told = request.body
    assert (told["kind"], told["id"], told["contextId"]) == ("task", TASK, "context-1")
    assert told["status"]["state"] == "input-required"
    assert told["status"]["message"]["parts"] == [{"kind": "text", "text": "Which of the two?"}]
    assert told["artifacts"][0]["parts"] == [{"kind": "text", "text": "Grüße"}]


async def test_a_hook_without_a_scheme_is_authenticated_by_a_signed_token(tmp_path: Path) -> None:
    async with receiver() as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        await door.pushes.create(task.owner, task.id, a_config(hook.url, token=Secret("my-own-token")))
        await until(lambda: len(hook.seen) == 1)
        request = hook.seen[0]
        scheme, _, token = request.headers["authorization"].partition(" ")
        claims = door.claims(token, hook.origin)
    assert scheme == "Bearer"
    assert request.headers[TOKEN_HEADER.lower()] == "my-own-token"
    assert claims["iss"] == ISSUER
    assert claims["taskId"] == TASK
    assert claims["exp"] - claims["iat"] == 300
    assert claims["request_body_sha256"] == sha256(request.content).hexdigest()
    assert JWT_HEADER.lower() not in request.headers


async def test_a_hook_with_credentials_gets_them_and_the_signed_token_beside(tmp_path: Path) -> None:
    async with receiver() as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        config = a_config(hook.url, scheme="Basic", credentials=Secret("b2JvZTpmYWtl"))
        await door.pushes.create(task.owner, task.id, config)
        await until(lambda: len(hook.seen) == 1)
        request = hook.seen[0]
        assert request.headers["authorization"] == "Basic b2JvZTpmYWtl"
        assert door.claims(request.headers[JWT_HEADER.lower()], hook.origin)["taskId"] == TASK
        assert TOKEN_HEADER.lower() not in request.headers


async def test_two_tries_carry_two_tokens(tmp_path: Path) -> None:
    async with receiver(Answer(500), Answer()) as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        await door.pushes.create(task.owner, task.id, a_config(hook.url))
        await door.settled(1)
        await door.later(6)
        await until(lambda: len(hook.seen) == 2)
        first, second = (
            door.claims(request.headers["authorization"].split()[1], hook.origin)["jti"] for request in hook.seen
        )
    assert first != second


async def test_a_failed_notification_comes_again_after_longer_and_longer_waits(tmp_path: Path) -> None:
    async with receiver(Answer(503)) as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        await door.pushes.create(task.owner, task.id, a_config(hook.url))
        waits: list[float] = []
        for tries in range(1, 9):
            row = await door.settled(tries)
            assert (row.tries, row.fault) == (tries, "it answered with status 503")
            waits.append(row.due_at - door.clock.now().timestamp())
            await door.later(waits[-1] - 0.5)
            await asyncio.sleep(0.02)
            assert len(hook.seen) == tries, "it came too early"
            await door.later(1.0)
            await until(lambda tries=tries: len(hook.seen) == tries + 1)  # type: ignore[misc]
    for number, wait in enumerate(waits):
        assert 2.5 * 2**number <= wait <= 5 * 2**number


async def test_a_hook_that_asks_to_be_left_alone_is_left_alone(tmp_path: Path) -> None:
    async with receiver(Answer(429, ("retry-after: 600",)), Answer()) as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        await door.pushes.create(task.owner, task.id, a_config(hook.url))
        row = await door.settled(1)
        assert row.due_at - door.clock.now().timestamp() == pytest.approx(600)
        await door.later(601)
        await until(lambda: len(hook.seen) == 2)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_hook_that_is_gone_is_given_up_at_once(tmp_path: Path, status: int) -> None:
    async with receiver(Answer(status)) as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        await door.pushes.create(task.owner, task.id, a_config(hook.url))
        row = await door.settled(1)
        assert row.finished
        assert row.given_up_at is not None
        assert row.fault == f"it answered with status {status}"
        await door.moves(task, "completed")
        await door.later(90_000)
        await asyncio.sleep(0.05)
    assert len(hook.seen) == 1


async def test_a_hook_is_given_up_a_day_after_it_began_to_fail(tmp_path: Path) -> None:
    async with receiver(Answer(500)) as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        await door.pushes.create(task.owner, task.id, a_config(hook.url))
        await door.settled(1)
        await door.later(86_399)
        row = await door.settled(2)
    assert row.finished
    assert len(hook.seen) == 2


async def test_a_hook_that_was_given_up_is_told_again_once_it_is_written_anew(tmp_path: Path) -> None:
    async with receiver(Answer(410), Answer()) as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        config = await door.pushes.create(task.owner, task.id, a_config(hook.url))
        await door.settled(1)
        await door.pushes.create(task.owner, task.id, config)
        await until(lambda: len(hook.seen) == 2)


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async with receiver() as trap:
        answer = Answer(307, (f"location: {trap.url}",))
        async with receiver(answer) as hook, a_door(tmp_path, hook.origin, trap.origin) as door:
            task = await door.task()
            await door.pushes.create(task.owner, task.id, a_config(hook.url))
            row = await door.settled(1)
    assert row.fault == "it answered with status 307"
    assert trap.seen == []


async def test_what_changes_while_a_hook_fails_is_told_once_as_it_is_then(tmp_path: Path) -> None:
    async with receiver(Answer(500), Answer()) as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task(state="submitted")
        await door.pushes.create(task.owner, task.id, a_config(hook.url))
        await door.settled(1)
        for state in ("working", "input-required", "working", "completed"):
            task = await door.moves(task, state)
        await asyncio.sleep(0.02)
        await door.later(6)
        await until(lambda: len(hook.seen) == 2)
        row = await door.settled(9)
        assert row.finished
    assert hook.states == ["TASK_STATE_SUBMITTED", "TASK_STATE_COMPLETED"]


async def test_what_changes_while_it_is_told_is_told_next(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with receiver(Answer(waits=gate), Answer()) as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        await door.pushes.create(task.owner, task.id, a_config(hook.url))
        await until(lambda: len(hook.seen) == 1)
        await door.moves(task, "completed")
        gate.set()
        await until(lambda: len(hook.seen) == 2)
    assert hook.states == ["TASK_STATE_WORKING", "TASK_STATE_COMPLETED"]
    assert hook.most_at_once == 1


async def test_a_finished_task_is_told_to_a_hook_that_comes_too_late(tmp_path: Path) -> None:
    async with receiver() as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task(state="completed")
        await door.pushes.create(task.owner, task.id, a_config(hook.url))
        await until(lambda: hook.states == ["TASK_STATE_COMPLETED"])
        row = await door.settled(9)
        assert row.finished


async def test_an_answer_without_end_costs_neither_the_success_nor_the_place(tmp_path: Path) -> None:
    async with receiver(Answer(endless=True)) as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task(state="completed")
        await door.pushes.create(task.owner, task.id, a_config(hook.url))
        row = await door.settled(9)
    assert row.fault is None
    assert len(hook.seen) == 1


async def test_a_hook_that_cannot_be_reached_is_tried_again(tmp_path: Path) -> None:
    async with receiver() as hook:
        origin, url = hook.origin, hook.url
    async with a_door(tmp_path, origin) as door:
        task = await door.task()
        await door.pushes.create(task.owner, task.id, a_config(url))
        row = await door.settled(1)
    assert row.fault == "it could not be reached (ConnectError)"
    assert not row.finished


async def test_a_deleted_hook_hears_nothing_more(tmp_path: Path) -> None:
    async with receiver() as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        config = await door.pushes.create(task.owner, task.id, a_config(hook.url))
        await until(lambda: len(hook.seen) == 1)
        await door.pushes.delete(task.owner, task.id, config.id)
        await door.moves(task, "completed")
        await asyncio.sleep(0.05)
    assert hook.states == ["TASK_STATE_WORKING"]


async def test_one_slow_hook_delays_no_other(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with receiver(Answer(waits=gate)) as slow, receiver() as quick:
        other = f"http://localhost:{quick.port}"
        async with a_door(tmp_path, slow.origin, other) as door:
            for number in range(20):
                task = await door.task(id=f"slow-{number}")
                await door.pushes.create(task.owner, task.id, a_config(slow.url))
            await until(lambda: slow.at_once == PER_HOST)
            await door.task(id="quick")
            await door.pushes.create(OWNER, "quick", a_config(f"{other}/hook"))
            await until(lambda: quick.states == ["TASK_STATE_WORKING"])
            assert (slow.most_at_once, len(slow.seen)) == (PER_HOST, PER_HOST)
            gate.set()
            await until(lambda: len(slow.seen) == 20)


async def test_a_call_for_telling_waits_for_nothing(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with receiver(Answer(waits=gate)) as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        await door.pushes.create(task.owner, task.id, a_config(hook.url))
        await until(lambda: hook.at_once == 1)
        for _ in range(10_000):
            door.pushes.kick()
        task = await door.moves(task, "completed")
        assert hook.at_once == 1
        gate.set()
        await until(lambda: len(hook.seen) == 2)
    assert hook.seen[1].body["task"]["status"]["state"] == "TASK_STATE_COMPLETED"


async def test_a_notification_that_cannot_be_made_stands_in_nobodys_way(tmp_path: Path) -> None:
    async with receiver() as hook, a_door(tmp_path, hook.origin) as door:
        for name in ("broken", "whole"):
            task = await door.task(id=name)
            if name == "broken":
                broken = replace(task, body=b"\xff\xff\xff", version=2)
                await door.tasks.put(broken, expected=1)
            await door.pushes.create(OWNER, name, a_config(hook.url))
        await until(lambda: len(hook.seen) == 1)
        row = await door.settled(1, "broken")
        assert row.fault == "it could not be made; the log says why"
        assert not row.finished
    assert hook.seen[0].body["task"]["id"] == "whole"


async def test_a_store_that_cannot_be_read_for_a_while_delays_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiver() as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        await door.rows.database.write(lambda c: c.execute("ALTER TABLE a2a_push RENAME TO away"))
        door.pushes.kick()
        await until(lambda: "Push notifications wait" in caplog.text)
        await door.rows.database.write(lambda c: c.execute("ALTER TABLE away RENAME TO a2a_push"))
        await door.pushes.create(task.owner, task.id, a_config(hook.url))
        await until(lambda: len(hook.seen) == 1)
