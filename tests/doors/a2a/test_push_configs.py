"""Hooks are written, read and deleted by the owner of their task, and what is secret in them stays so."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from a2a.compat.v0_3 import types as old
from a2a.types import a2a_pb2 as pb

from doors.a2a.push_rig import OWNER, TASK, Answer, Door, a_config, a_door, master_keys, receiver
from omniroute_agent.doors.a2a.push.configs import MOST_PER_TASK, PushConfig
from omniroute_agent.doors.a2a.push.sealed import HookSecrets
from omniroute_agent.doors.a2a.push.translate import from_0_3, from_1_0, to_1_0
from omniroute_agent.kernel.errors import CallError, InvalidRequest, LimitReached, NotFound, StoreUnavailable
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.outside.sealing import key_id_of
from omniroute_agent.providers.stored import StoredConnections
from omniroute_agent.store.connections import ConnectionRows
from patience import until

URL = "https://hook.example.com/a"
TOKEN = Secret("token-that-is-obviously-fake")
CREDENTIALS = Secret("credentials-that-are-obviously-fake")


async def test_a_hook_reads_as_it_was_written_but_for_its_credentials(tmp_path: Path) -> None:
    async with a_door(tmp_path, tells=False) as door:
        await door.task()
        config = a_config(URL, id="mine", token=TOKEN, scheme="Basic", credentials=CREDENTIALS)
        shown = replace(config, credentials=None)
        assert await door.pushes.create(OWNER, TASK, config) == shown
        assert await door.pushes.get(OWNER, TASK, "mine") == shown
        assert await door.pushes.list(OWNER, TASK) == (shown,)


async def test_a_hook_without_an_id_gets_one_of_its_own(tmp_path: Path) -> None:
    async with a_door(tmp_path, tells=False) as door:
        await door.task()
        first = await door.pushes.create(OWNER, TASK, a_config(URL))
        second = await door.pushes.create(OWNER, TASK, a_config(URL))
        assert len({first.id, second.id, ""}) == 3
        assert await door.pushes.get(OWNER, TASK) == first


async def test_a_0_3_hook_without_an_id_is_the_tasks_own(tmp_path: Path) -> None:
    async with a_door(tmp_path, tells=False) as door:
        await door.task()
        await door.pushes.create(OWNER, TASK, a_config(URL, id="older"))
        first = await door.pushes.create(OWNER, TASK, a_config(URL, "0.3"))
        again = await door.pushes.create(OWNER, TASK, a_config(f"{URL}/b", "0.3"))
        assert (first.id, again.id) == (TASK, TASK)
        assert await door.pushes.get(OWNER, TASK) == again
        assert len(await door.pushes.list(OWNER, TASK)) == 2


async def test_a_hook_remembers_the_version_it_came_in_with(tmp_path: Path) -> None:
    async with a_door(tmp_path, tells=False) as door:
        await door.task()
        await door.pushes.create(OWNER, TASK, a_config(URL, "0.3", id="old"))
        await door.pushes.create(OWNER, TASK, a_config(URL, "1.0", id="new"))
        assert {hook.id: hook.protocol for hook in await door.pushes.list(OWNER, TASK)} == {"old": "0.3", "new": "1.0"}


async def test_a_deleted_hook_is_gone_and_deleting_it_again_is_no_error(tmp_path: Path) -> None:
    async with a_door(tmp_path, tells=False) as door:
        await door.task()
        config = await door.pushes.create(OWNER, TASK, a_config(URL))
        await door.pushes.delete(OWNER, TASK, config.id)
        await door.pushes.delete(OWNER, TASK, config.id)
        assert await door.pushes.list(OWNER, TASK) == ()
        with pytest.raises(NotFound):
            await door.pushes.get(OWNER, TASK, config.id)
        with pytest.raises(NotFound):
            await door.pushes.get(OWNER, TASK)


CALLS: dict[str, Callable[[Door, str, str], Awaitable[object]]] = {
    "create": lambda door, owner, task: door.pushes.create(owner, task, a_config(URL, id="mine")),
    "get": lambda door, owner, task: door.pushes.get(owner, task, "mine"),
    "list": lambda door, owner, task: door.pushes.list(owner, task),
    "delete": lambda door, owner, task: door.pushes.delete(owner, task, "mine"),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_foreign_task_is_like_one_that_never_was(tmp_path: Path, call: str) -> None:
    async with a_door(tmp_path, tells=False) as door:
        await door.task()
        kept = await door.pushes.create(OWNER, TASK, a_config(URL, id="mine"))
        said: list[tuple[str, object]] = []
        for owner, task in (("somebody else", TASK), (OWNER, "never was")):
            with pytest.raises(NotFound) as refused:
                await CALLS[call](door, owner, task)
            said.append((refused.value.sentence(), refused.value.facts))
        assert said[0] == said[1]
        assert await door.pushes.list(OWNER, TASK) == (kept,)


async def test_a_task_has_only_so_many_hooks(tmp_path: Path) -> None:
    async with a_door(tmp_path, tells=False) as door:
        await door.task()
        for number in range(MOST_PER_TASK):
            await door.pushes.create(OWNER, TASK, a_config(URL, id=f"h{number}"))
        with pytest.raises(LimitReached):
            await door.pushes.create(OWNER, TASK, a_config(URL, id="one more"))
        await door.pushes.create(OWNER, TASK, a_config(f"{URL}/b", id="h3"))
        assert len(await door.pushes.list(OWNER, TASK)) == MOST_PER_TASK


BAD: dict[str, PushConfig] = {
    "a missing url": a_config(""),
    "a long url": a_config(f"{URL}?{'x' * 3000}"),
    "a long id": a_config(URL, id="x" * 300),
    "an id that does not print": a_config(URL, id="a\nb"),
    "a scheme that is none": a_config(URL, scheme="Bea rer"),
    "a scheme with a line break": a_config(URL, scheme="Bearer\r\nx: y"),
    "credentials without a scheme": a_config(URL, credentials=CREDENTIALS),
    "a token with a line break": a_config(URL, token=Secret("a\r\nx-injected: 1")),
    "a token that is no ASCII": a_config(URL, token=Secret("schlüssel")),
    "a long token": a_config(URL, token=Secret("endless-hook-token-" * 600)),
    "credentials with a null byte": a_config(URL, scheme="Bearer", credentials=Secret("a\x00b")),
}


@pytest.mark.parametrize("bad", BAD)
async def test_what_cannot_be_kept_or_sent_is_refused(tmp_path: Path, bad: str) -> None:
    async with a_door(tmp_path, tells=False) as door:
        await door.task()
        with pytest.raises(InvalidRequest) as refused:
            await door.pushes.create(OWNER, TASK, BAD[bad])
        assert refused.value.facts["field"]
        for secret in (BAD[bad].token, BAD[bad].credentials):
            assert secret is None or secret.reveal() not in refused.value.sentence()


async def test_no_secret_stands_in_the_files_the_log_or_a_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with receiver(Answer(500), Answer(410)) as hook, a_door(tmp_path, hook.origin) as door:
        await door.task()
        config = a_config(hook.url, token=TOKEN, scheme="Bearer", credentials=CREDENTIALS)
        await door.pushes.create(OWNER, TASK, config)
        row = await door.settled(1)
        assert TOKEN.reveal() not in repr(row)
        await door.later(10)
        row = await door.settled(2)
        assert row.finished
        assert TOKEN.reveal() not in repr(await door.pushes.list(OWNER, TASK))
    assert hook.seen[0].headers["authorization"] == f"Bearer {CREDENTIALS.reveal()}"
    files = await asyncio.to_thread(_everything, tmp_path)
    for secret in (TOKEN, CREDENTIALS):
        assert secret.reveal().encode() not in files
        assert secret.reveal() not in caplog.text


def _everything(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "change", ["url = 'https://evil.example/'", "scheme = 'X'", "protocol = '0.3'", "generation = 'older'", "id = 'x'"]
)
async def test_a_row_that_somebody_changed_does_not_open(tmp_path: Path, change: str) -> None:
    async with a_door(tmp_path, tells=False) as door:
        await door.task()
        config = a_config(URL, id="mine", token=TOKEN, scheme="Bearer", credentials=CREDENTIALS)
        await door.pushes.create(OWNER, TASK, config)
    with sqlite3.connect(tmp_path / "storage.sqlite") as connection:
        connection.execute(f"UPDATE a2a_push SET {change}")  # noqa: S608 (ours)
    connection.close()
    async with a_door(tmp_path) as door:
        door.pushes.kick()
        row = await door.settled(1)
        assert row.finished
        assert (row.fault or "").startswith("its secrets do not open")
        (shown,) = await door.pushes.list(OWNER, TASK)
        assert shown.token is None


async def test_a_rotated_master_key_seals_the_hooks_too(tmp_path: Path) -> None:
    async with receiver() as hook:
        async with a_door(tmp_path, hook.origin, tells=False) as door:
            await door.task()
            config = a_config(hook.url, id="mine", token=TOKEN, scheme="Basic", credentials=CREDENTIALS)
            await door.pushes.create(OWNER, TASK, config)
            await door.pushes.create(OWNER, TASK, replace(config, id="broken"))
            await door.rows.database.write(
                lambda c: c.execute("UPDATE a2a_push SET url = 'https://evil.example/' WHERE id = 'broken'")
            )
            before = (await door.hook(hook_id="mine")).sealed or b""
            keys = master_keys(tmp_path)
            stored = StoredConnections(
                ConnectionRows(door.rows.database), keys, door.ports, allow=lambda _: None, neighbours=(HookSecrets(),)
            )
            await stored.rotate()
            after = (await door.hook(hook_id="mine")).sealed or b""
            assert key_id_of(before) != key_id_of(after)
        async with a_door(tmp_path, hook.origin) as door:
            await until(lambda: len(hook.seen) == 1)
            assert (await door.pushes.get(OWNER, TASK, "mine")).token == TOKEN
    assert hook.seen[0].headers["authorization"] == f"Basic {CREDENTIALS.reveal()}"


async def test_without_the_master_key_nothing_is_kept_in_the_open(tmp_path: Path) -> None:
    async with a_door(tmp_path, tells=False) as door:
        await door.task()
        await door.rows.database.write(
            lambda c: c.execute(
                "INSERT INTO connection (id, version, provider, sealed_key, created_at, changed_at) "
                "VALUES ('c', 1, 'p', ?, 1, 1)",
                (b"\x01" + b"k" * 8 + b"n" * 40,),
            )
        )
        with pytest.raises(StoreUnavailable) as refused:
            await door.pushes.create(OWNER, TASK, a_config(URL, token=TOKEN))
        assert str(tmp_path) not in refused.value.sentence()
        assert await door.pushes.list(OWNER, TASK) == ()
        await door.pushes.create(OWNER, TASK, a_config(URL))


async def test_two_that_write_at_once_keep_the_limit(tmp_path: Path) -> None:
    async with a_door(tmp_path, tells=False) as door:
        await door.task()
        results = await asyncio.gather(
            *(door.pushes.create(OWNER, TASK, a_config(URL)) for _ in range(2 * MOST_PER_TASK)),
            return_exceptions=True,
        )
        assert sum(isinstance(result, PushConfig) for result in results) == MOST_PER_TASK
        assert all(isinstance(result, PushConfig | CallError) for result in results)


async def test_both_versions_may_listen_to_one_task(tmp_path: Path) -> None:
    async with receiver() as hook, a_door(tmp_path, hook.origin) as door:
        task = await door.task()
        await door.pushes.create(OWNER, TASK, a_config(hook.url, "1.0", id="new"))
        await door.pushes.create(OWNER, TASK, a_config(hook.url, "0.3", id="old"))
        await until(lambda: len(hook.seen) == 2)
        await door.moves(task, "completed")
        await until(lambda: len(hook.seen) == 4)
    assert sorted(hook.states[2:]) == ["TASK_STATE_COMPLETED", "completed"]


def test_a_1_0_hook_is_translated_there_and_back() -> None:
    there = pb.TaskPushNotificationConfig(task_id=TASK, id="mine", url=URL, token="t")
    there.authentication.scheme = "Basic"
    there.authentication.credentials = "c"
    config = from_1_0(there)
    assert config == PushConfig(
        protocol="1.0", url=URL, id="mine", token=Secret("t"), scheme="Basic", credentials=Secret("c")
    )
    assert to_1_0(config, TASK) == there
    bare = to_1_0(a_config(URL, id="mine"), TASK)
    assert not bare.HasField("authentication")
    assert from_1_0(bare) == a_config(URL, id="mine")


def test_a_0_3_hook_is_translated() -> None:
    there = old.PushNotificationConfig(
        id="mine",
        url=URL,
        token="t",
        authentication=old.PushNotificationAuthenticationInfo(schemes=["Basic"], credentials="c"),
    )
    config = from_0_3(there)
    assert config == PushConfig(
        protocol="0.3", url=URL, id="mine", token=Secret("t"), scheme="Basic", credentials=Secret("c")
    )
    bare = old.PushNotificationConfig(url=URL)
    assert from_0_3(bare) == a_config(URL, "0.3")


@pytest.mark.parametrize(
    ("schemes", "chosen"), [([], ""), (["Basic"], "Basic"), (["Basic", "bearer"], "bearer"), (["X", "Y"], "X")]
)
def test_of_several_0_3_schemes_the_one_with_means_is_taken(schemes: list[str], chosen: str) -> None:
    info = old.PushNotificationAuthenticationInfo(schemes=schemes)
    assert from_0_3(old.PushNotificationConfig(url=URL, authentication=info)).scheme == chosen


def test_credentials_for_one_of_several_schemes_are_refused() -> None:
    info = old.PushNotificationAuthenticationInfo(schemes=["Basic", "Bearer"], credentials="c")
    with pytest.raises(InvalidRequest):
        from_0_3(old.PushNotificationConfig(url=URL, authentication=info))
