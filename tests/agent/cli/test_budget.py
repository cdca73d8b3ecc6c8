"""`budget` and `approve`: the owner at the terminal."""

import asyncio
import io
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.cli.conftest import Run
from fakes import FakeClock, Upstream, openai_stream
from houses import TWO_TARGETS, a_house, ask
from omniroute_agent.kernel.errors import ConsentRequired

DEFINED = """
[[guards]]
name = "day"
limit_usd = "5"

[local]
enabled = false
"""


@pytest.fixture
def defined(tmp_path: Path) -> str:
    (tmp_path / "guards.toml").write_text(DEFINED)
    return f"--config={tmp_path / 'guards.toml'}"


def rows(run: Run, *words: str) -> dict[str, dict[str, object]]:
    return {guard["guard"]: guard for guard in run("budget", "ls", "--json", *words).json["guards"]}


def test_the_guards_are_a_table_with_what_is_left(run: Run, defined: str) -> None:
    shown = run("budget", defined)
    assert shown.code == 0
    lines = {line.split()[0]: line for line in shown.out.splitlines()}
    assert "block above 5 USD a day" in lines["environment"]
    assert lines["day"].rstrip().endswith("settings")


def test_a_guard_is_set_changed_and_removed_without_anybodys_consent(run: Run, defined: str) -> None:
    assert run("budget", "set", "month", "--limit", "40", "--period", "month", defined).code == 0
    shown = run("budget", "set", "month", "--limit", "50", "--action", "degrade", "--tier", "cheap", defined)
    assert "month: degrade to cheap above 50 USD a month." in shown.out
    found = rows(run, defined)["month"]
    assert (found["limit_usd"], found["source"], found["created_by"]) == ("50", "stored", "owner")
    assert run("budget", "rm", "month", defined).out == "month is gone.\n"
    assert "month" not in rows(run, defined)


def test_a_guard_of_the_settings_is_overridden_and_comes_back(run: Run, defined: str) -> None:
    run("budget", "set", "day", "--limit", "9", defined)
    found = rows(run, defined)["day"]
    assert (found["limit_usd"], found["overrides_settings"]) == ("9", True)
    assert "set by hand, over the settings" in run("budget", "ls", defined).out
    assert "again what the settings say: block above 5 USD a day" in run("budget", "rm", "day", defined).out
    assert rows(run, defined)["day"]["overrides_settings"] is False
    run("budget", "set", "day", "--off", defined)
    assert rows(run, defined)["day"]["enabled"] is False


def test_what_cannot_be_done_is_said_with_what_to_do(run: Run, defined: str) -> None:
    refused = run("budget", "rm", "day", defined)
    assert refused.code == 2
    assert "`omniroute-agent budget set day --off`" in refused.err
    assert "needs a limit" in run("budget", "set", "new", defined).err
    assert "is not a limit" in run("budget", "set", "new", "--limit", "lots", defined).err
    assert "degrade only" in run("budget", "set", "new", "--limit", "1", "--tier", "free", defined).err
    assert run("budget", "set", "a b", "--limit", "1", defined).code == 2
    assert run("budget", "set", "new", "--limit", "1", "--combo", "nobody", defined).code == 3
    assert run("budget", "rm", "dya", defined).err.splitlines()[1] == "Did you mean `day`?"


def test_a_guard_in_the_settings_that_cannot_be_meant_is_told_with_its_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(
        '[[guards]]\nname = "a"\nlimit_usd = "1"\ntier = "free"\n\n[[guards]]\nname = "a"\nlimit_usd = "-1"\n'
    )
    shown = run("config", "check", f"--config={path}")
    assert shown.code == 2
    assert '`tier` goes with action = "degrade" only' in shown.err
    assert '"a" is taken already' in shown.err
    assert "guards[1].limit_usd" in shown.err


async def test_a_call_that_needs_the_owner_passes_after_approve_in_another_process(run: Run, tmp_path: Path) -> None:
    settings = TWO_TARGETS + '\n[[guards]]\nname = "ask-me"\nlimit_usd = "0"\naction = "ask"\n'
    clock = FakeClock(wall=datetime.now(UTC))
    data = f"--data-dir={tmp_path / 'data'}"

    async with a_house(tmp_path, Upstream([openai_stream("Hi")]), settings=settings, clock=clock) as house:

        async def asked() -> str:
            with pytest.raises(ConsentRequired) as refused:
                await house.parts.turn.take(ask(house))
            return str(refused.value.facts["code"])

        async def approve(*words: str) -> tuple[int | None, str]:
            ended = await asyncio.to_thread(run, data, "approve", *words)
            return ended.code, ended.out + ended.err

        code = await asked()
        listed = (await approve())[1]
        assert code[:4] in listed
        assert code not in listed
        assert "May `owner` send one request for at most" in listed
        assert (await approve("--json"))[0] == 0

        unseen = await approve(code)
        assert unseen[0] == 2
        assert "Say --yes or --deny." in unseen[1]
        assert (await approve(code, "--yes", "--deny"))[0] == 2
        assert (await approve("AAAA-AAAA-AAAA", "--yes"))[0] == 3

        assert "Allowed once" in (await approve(code.lower(), "--yes"))[1]
        assert (await house.parts.turn.take(ask(house))).answer.text == "Hi"
        assert "Refused." in (await approve(await asked(), "--deny"))[1]
        assert "Nothing waits" in (await approve())[1]


@pytest.mark.parametrize(("typed", "said"), [("y\n", "Allowed once"), ("\n", "Refused."), ("no\n", "Refused.")])
async def test_a_person_is_shown_the_question_and_asked(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, said: str
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    clock = FakeClock(wall=datetime.now(UTC))
    async with a_house(tmp_path, clock=clock) as house:
        with pytest.raises(ConsentRequired) as refused:
            await house.parts.consents.require(ask(house).caller, "test", {}, "May it?")
        monkeypatch.setattr(sys, "stdin", Terminal(typed))
        code = str(refused.value.facts["code"])
        ended = await asyncio.to_thread(run, f"--data-dir={tmp_path / 'data'}", "approve", code)
        assert "May it?" in ended.err
        assert said in ended.out
