"""`cache`: what is kept, and erasing it."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.cli.conftest import Run
from loopback import loopback, says
from omniroute_agent.app import open_house
from omniroute_agent.engine.request import Request
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.chat import Chat, Message, Text
from omniroute_agent.settings.sources import load


async def fill(home: Path, *callers: str) -> list[str]:
    """One kept answer for each caller, in the data directory that the commands use; gives the requests' ids."""
    asked: list[str] = []
    async with loopback(says("Kept.")) as upstream:
        home.joinpath("fill.toml").write_text(upstream.settings() + "[secrets]\nkeyring = false\n", "utf-8")
        settings = load(config=home / "fill.toml", data_dir=home / "data", environment={})
        async with open_house(settings, door="test", environment={}, caretakers=False) as house:
            for caller in callers:
                request = Request(
                    id=house.parts.ports.new_id(),
                    caller=Caller(id=caller, scopes=frozenset(("*",)), session="s"),
                    door="test",
                    chat=Chat(model="fake/fake-model", messages=(Message("user", (Text("Hi"),)),), temperature=0.0),
                    deadline=house.parts.ports.monotonic() + 30,
                )
                await house.parts.turn.take(request)
                await house.parts.turn.take(replace(request, id=house.parts.ports.new_id()))
                asked.append(request.id)
    return asked


def test_an_empty_cache_says_what_fills_it(run: Run) -> None:
    shown = run("cache")
    assert (shown.code, shown.out) == (0, "No answer is kept. Requests of temperature 0 fill the cache.\n")
    assert run("cache", "ls", "--json").json == {"enabled": True, "entries": 0, "bytes": 0, "answers": []}


@pytest.fixture
async def kept(tmp_path: Path) -> list[str]:
    return await fill(tmp_path, "owner", "token:other")


def test_what_is_kept_is_listed_without_its_content(run: Run, kept: list[str]) -> None:
    shown = run("cache")
    assert "2 of 2 answers" in shown.out
    assert "Kept." not in shown.out
    lines = {line.split()[0]: line for line in shown.out.splitlines()}
    assert all(request in lines for request in kept)
    assert "fake/fake-model" in lines[kept[0]]
    found = run("cache", "ls", "--limit", "1", "--json").json
    assert (found["entries"], len(found["answers"])) == (2, 1)
    assert found["answers"][0]["uses"] == 1
    assert "document" not in found["answers"][0]


def test_one_callers_answers_are_erased_without_the_others(run: Run, kept: list[str]) -> None:
    assert kept
    assert run("cache", "clear", "--caller", "token:other").out == "Erased 1 kept answer.\n"
    assert [entry["caller"] for entry in run("cache", "ls", "--json").json["answers"]] == ["owner"]
    assert run("cache", "clear", "--json").json == {"erased": 1}
    assert run("cache", "clear").out == "Erased 0 kept answers.\n"


def test_a_cache_that_is_off_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIROUTE_CACHE_ENABLED", "false")
    assert "The cache is off" in run("cache").out
    assert run("cache", "ls", "--json").json["enabled"] is False
