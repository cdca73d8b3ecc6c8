"""The local model as a connection: what it says of itself, and the one child that real processes share."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from local_models import eventually, real_models
from omniroute_agent.kernel.errors import NoRoute
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.outside.addresses import AllowedOrigins, origin_of
from omniroute_agent.outside.ports import real_ports
from omniroute_agent.providers.local import server as local_server
from omniroute_agent.providers.local.child import LIFE_LOCK, LOG, NOTE, read_note
from omniroute_agent.providers.local.facts import FACTS, SMOLLM2
from omniroute_agent.providers.local.server import LocalModel
from omniroute_agent.providers.model import Endpoint
from omniroute_agent.store.locks import FileLock


@pytest.fixture
def origins() -> AllowedOrigins:
    return AllowedOrigins()


@pytest.fixture
async def ports(origins: AllowedOrigins) -> AsyncGenerator[Ports]:
    real = real_ports(origins)
    yield real
    await real.http.aclose()


def local_model(directory: Path, ports: Ports, origins: AllowedOrigins, models: Path | None = None) -> LocalModel:
    return LocalModel(directory, ports=ports, origins=origins, child_environment=dict(os.environ), models=models)


def child_is_gone(directory: Path) -> bool:
    lock = FileLock(directory / LIFE_LOCK)
    try:
        return lock.try_shared() and not (directory / NOTE).exists()
    finally:
        lock.release()


def is_empty(directory: Path) -> bool:
    return not any(directory.iterdir())


def test_without_the_model_the_connection_says_which_command_fetches_it(
    tmp_path: Path, ports: Ports, origins: AllowedOrigins, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = local_model(tmp_path, ports, origins)
    assert model.connection().unavailable == (
        "To use it, fetch the model with `omniroute-agent models pull smollm2-135m`."
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert local_model(tmp_path, ports, origins).connection().unavailable == (
        "To use it, install its engine with `pip install 'omniroute-agent[local]'` "
        "and fetch the model with `omniroute-agent models pull smollm2-135m`."
    )
    # Looking leaves nothing behind.
    assert is_empty(tmp_path)


def test_the_connection_is_free_last_and_knows_its_one_model(
    tmp_path: Path, ports: Ports, origins: AllowedOrigins
) -> None:
    connection = local_model(tmp_path, ports, origins).connection()
    assert (connection.id, connection.source, connection.tier) == ("local", "local", "free")
    assert connection.last_resort
    assert connection.models == (SMOLLM2.id,)
    assert connection.provider.auth == "bearer"


async def test_reaching_a_model_that_is_missing_starts_nothing_and_downloads_nothing(
    tmp_path: Path, ports: Ports, origins: AllowedOrigins
) -> None:
    with pytest.raises(NoRoute) as caught:
        await local_model(tmp_path, ports, origins).reach()
    assert "omniroute-agent models pull smollm2-135m" in caught.value.sentence()
    assert is_empty(tmp_path)


async def test_a_damaged_model_file_is_named_and_not_loaded(
    tmp_path: Path, ports: Ports, origins: AllowedOrigins
) -> None:
    (tmp_path / "models").mkdir()
    with (tmp_path / "models" / SMOLLM2.file_name).open("wb") as file:
        file.truncate(SMOLLM2.size)
    model = local_model(tmp_path, ports, origins)
    with pytest.raises(NoRoute, match="is damaged"):
        await model.reach()
    await model.close()
    assert not (tmp_path / LIFE_LOCK).exists()


async def test_a_child_that_cannot_start_is_said_with_the_place_of_its_log(
    tmp_path: Path, ports: Ports, origins: AllowedOrigins, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    with (tmp_path / "models" / SMOLLM2.file_name).open("wb") as file:
        file.truncate(SMOLLM2.size)
    monkeypatch.setattr(local_server, "is_whole", lambda _directory, _model: True)
    model = local_model(tmp_path, ports, origins)
    with pytest.raises(NoRoute, match="did not start") as caught:
        await model.reach()
    await model.close()
    assert str(tmp_path / LOG) in caught.value.hint
    assert "Failed to" in (tmp_path / LOG).read_text()
    await eventually(lambda: child_is_gone(tmp_path))


def told_at_start(pid: int) -> bytes:
    """Arguments and environment of a process, where the system shows them."""
    process = Path(f"/proc/{pid}")
    return (process / "cmdline").read_bytes() + (process / "environ").read_bytes() if process.exists() else b""


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


async def chat(ports: Ports, endpoint: Endpoint, **more: object) -> tuple[str, dict[str, object]]:
    """The streamed text and the usage."""
    assert endpoint.secret is not None
    body = {
        "model": SMOLLM2.id,
        "messages": [{"role": "user", "content": "Say hello."}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 24,
        **more,
    }
    headers = {**dict(endpoint.headers), "authorization": f"Bearer {endpoint.secret.reveal()}"}
    text = ""
    usage: dict[str, object] = {}
    done = False
    async with ports.http.stream(
        "POST", f"{endpoint.base_url}/chat/completions", json=body, headers=headers, timeout=60
    ) as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            if not line.startswith("data: "):
                continue
            if line == "data: [DONE]":
                done = True
                continue
            event = json.loads(line.removeprefix("data: "))
            usage = event.get("usage") or usage
            for choice in event["choices"]:
                text += choice["delta"].get("content") or ""
    assert done
    return text, usage


@pytest.mark.local_model
async def test_the_real_model_answers_is_shared_and_leaves_with_its_last_user(
    tmp_path: Path, ports: Ports, origins: AllowedOrigins
) -> None:
    models = await real_models()
    (tmp_path / LOG).write_text("an earlier run")
    one, other = (local_model(tmp_path, ports, origins, models) for _ in range(2))
    # Two windows that start at the same time start one child.
    endpoint, same = await asyncio.gather(one.reach(), other.reach())
    assert endpoint == same
    files_open = open_files()
    for _ in range(20):
        assert await one.reach() == endpoint
    assert open_files() == files_open
    assert endpoint.loopback
    note = read_note(tmp_path)
    assert note is not None
    assert (tmp_path / NOTE).stat().st_mode & 0o777 == 0o600
    assert one.state().running

    for _ in range(5):
        text, usage = await chat(ports, endpoint)
        assert text.strip()
        assert usage["completion_tokens"]

    # The log was begun anew, and does not grow for ever.
    log = tmp_path / LOG
    assert "an earlier run" not in log.read_text()
    log.write_bytes(bytes(2 << 20))
    await eventually(lambda: log.stat().st_size < 1 << 20)

    # Without its key it answers nobody.
    assert (await ports.http.get(f"{endpoint.base_url}/models")).status_code == 401
    # The key is on no command line and in no environment.
    assert note.key.encode() not in told_at_start(note.pid)

    await one.close()
    assert not child_is_gone(tmp_path)
    again = local_model(tmp_path, ports, origins, models)
    assert await again.reach() == endpoint
    await asyncio.gather(other.close(), again.close())
    await eventually(lambda: child_is_gone(tmp_path))
    assert not origins.allows(origin_of(note.origin))


@pytest.mark.local_model
async def test_a_child_that_died_is_replaced_at_the_next_use(
    tmp_path: Path, ports: Ports, origins: AllowedOrigins
) -> None:
    models = await real_models()
    model, other = (local_model(tmp_path, ports, origins, models) for _ in range(2))
    first, _ = await model.reach(), await other.reach()
    note = read_note(tmp_path)
    assert note is not None
    os.kill(note.pid, signal.SIGKILL)
    await eventually(lambda: not model.state().running)
    second = await model.reach()
    assert second != first
    # The other window finds the new one, though a child lives again when it looks.
    assert await other.reach() == second
    assert (await chat(ports, second))[0]
    # Told to end, it takes its note along.
    fresh = read_note(tmp_path)
    assert fresh is not None
    os.kill(fresh.pid, signal.SIGTERM)
    await eventually(lambda: child_is_gone(tmp_path))
    await asyncio.gather(model.close(), other.close())


async def test_a_data_directory_that_cannot_be_made_is_a_missing_route_and_no_crash(
    tmp_path: Path, ports: Ports, origins: AllowedOrigins
) -> None:
    (tmp_path / "file").touch()
    with (tmp_path / SMOLLM2.file_name).open("wb") as file:
        file.truncate(SMOLLM2.size)
    with pytest.raises(NoRoute, match="did not start"):
        await local_model(tmp_path / "file" / "data", ports, origins, tmp_path).reach()


@pytest.mark.local_model
async def test_answers_keep_to_a_json_schema_as_the_facts_claim(
    tmp_path: Path, ports: Ports, origins: AllowedOrigins
) -> None:
    assert FACTS.json_schema
    model = local_model(tmp_path, ports, origins, await real_models())
    endpoint = await model.reach()
    schema = {
        "type": "object",
        "properties": {"yes": {"type": "boolean"}},
        "required": ["yes"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    for seed in range(3):
        text, _ = await chat(ports, endpoint, response_format=wanted, seed=seed, max_tokens=200)
        assert set(json.loads(text)) == {"yes"}
    await model.close()
    await eventually(lambda: child_is_gone(tmp_path))


USER = """
import asyncio, os, sys, time
from pathlib import Path
from omniroute_agent.outside.addresses import AllowedOrigins
from omniroute_agent.outside.ports import real_ports
from omniroute_agent.providers.local.server import LocalModel

async def main():
    origins = AllowedOrigins()
    model = LocalModel(Path(sys.argv[1]), ports=real_ports(origins), origins=origins,
                       child_environment=dict(os.environ), models=Path(sys.argv[2]))
    await model.reach()
    print("in use", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


def user_process(directory: Path, models: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(directory), str(models)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.local_model
async def test_the_child_ends_when_every_user_was_killed(tmp_path: Path) -> None:
    models = await real_models()
    users = [user_process(tmp_path, models) for _ in range(2)]
    try:
        for user in users:
            assert user.stdout is not None
            assert await asyncio.to_thread(user.stdout.readline) == b"in use\n"
        note = read_note(tmp_path)
        assert note is not None
        users[0].kill()
        users[0].wait()
        assert not child_is_gone(tmp_path)
    finally:
        for user in users:
            user.kill()
            user.communicate()
    await eventually(lambda: child_is_gone(tmp_path))
