"""The command line itself: words in, exit codes and clear sentences out."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.conftest import Run
from omniroute_agent import __version__
from omniroute_agent.cli import commands, window
from omniroute_agent.cli.start import Start, hoisted, read_quickly
from programs import Ended

COMMANDS = (
    ("mcp",),
    ("serve",),
    ("install",),
    ("uninstall",),
    ("bundle",),
    ("ask",),
    ("explain",),
    ("demo",),
    ("doctor",),
    ("models", "list"),
    ("models", "pull"),
    ("combos", "list"),
    ("combos", "switch"),
    ("costs",),
    ("quota",),
    ("metrics",),
    ("resilience",),
    ("config", "show"),
    ("config", "path"),
    ("config", "check"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_says_what_it_does_and_shows_an_example(command: tuple[str, ...], run: Run) -> None:
    shown = run(*command, "--help")
    assert shown.code == 0
    assert "Examples:\n    omniroute-agent " in shown.out
    if command != ("mcp",):
        assert "--json" in shown.out


def test_without_a_command_the_help_lists_them_all(run: Run) -> None:
    shown = run()
    assert shown.code == 0
    assert all(f"\n  {command[0]} " in shown.out for command in COMMANDS)
    assert "..." not in shown.out.partition("Commands:")[2], "a summary is cut off"


def test_the_version_is_shown(run: Run) -> None:
    assert run("--version") == Ended(0, f"omniroute-agent {__version__}\n", "")


def test_a_mistyped_command_is_guessed(run: Run) -> None:
    shown = run("modles")
    assert (shown.code, shown.out) == (2, "")
    assert "Did you mean 'models'?" in shown.err


def test_a_wrong_option_says_where_to_look(run: Run) -> None:
    shown = run("ask", "--max-token", "5", "hello")
    assert shown.code == 2
    assert "--max-tokens" in shown.err
    assert "Try `omniroute-agent ask --help`." in shown.err


def test_an_error_is_json_on_stderr_when_json_is_wanted(run: Run) -> None:
    shown = run("ask", "--max-tokens", "none", "--json", "hello")
    assert (shown.code, shown.out) == (2, "")
    assert shown.error["code"] == "usage"
    assert shown.error["hint"] == "Try `omniroute-agent ask --help`."


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("ask",), "There is no prompt."),
        (("ask", "--budget", "much", "hi"), "--budget takes an amount of USD"),
        (("ask", "--budget", "-1", "hi"), "--budget takes an amount of USD"),
        (("ask", "--deadline", "0", "hi"), "--deadline must be greater than 0."),
        (("ask", "--model", "m", "--combo", "c", "hi"), "not both"),
        (("ask", "-", "and", "-"), "may be given once"),
        (("ask", "--task", "cooking", "hi"), "coding"),
        (("mcp", "--scopes", "everything"), "`everything` is not a scope or preset"),
        (("serve", "--host", "192.0.2.1"), "`host` is no loopback address"),
        (("serve", "--host", "gateway"), "expected an address of this machine"),
        (("models", "--capability", "flight"), "vision"),
        (("config", "chek"), "Did you mean 'check'?"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_opens(
    words: tuple[str, ...], complaint: str, run: Run, tmp_path: Path
) -> None:
    shown = run(*words)
    assert (shown.code, shown.out) == (2, "")
    assert complaint in shown.err
    assert not (tmp_path / "data").exists()


def test_the_settings_file_and_the_directory_may_be_named_anywhere(run: Run, tmp_path: Path) -> None:
    file, directory = tmp_path / "mine.toml", tmp_path / "there"
    file.write_text("[server]\nport = 4711\n")
    found = [
        {row["key"]: row for row in run(*words).json["settings"]}
        for words in (
            ("--config", str(file), "--data-dir", str(directory), "config", "show", "--json"),
            ("config", "show", "--json", f"--config={file}", f"--data-dir={directory}"),
            ("config", "--config", str(file), "show", "--data-dir", str(directory), "--json"),
        )
    ]
    assert found[0] == found[1] == found[2]
    assert found[0]["server.port"]["value"] == "4711"
    assert found[0]["storage.directory"] == {
        "key": "storage.directory",
        "value": str(directory),
        "origin": "--data-dir",
        "variable": "OMNIROUTE_STORAGE_DIRECTORY",
    }


def test_words_behind_two_dashes_belong_to_the_prompt() -> None:
    assert hoisted(["ask", "--data-dir", "d", "--", "--config", "x"]) == [
        "--data-dir",
        "d",
        "ask",
        "--",
        "--config",
        "x",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["mcp", "--help"],
        ["mcp", "--scopes"],
        ["mcp", "--scopes", "full", "--scopes", "readonly"],
        ["--scopes", "full", "mcp"],
        ["mcp", "more"],
        ["mcp", "--json"],
        ["--version"],
        ["ask", "mcp"],
        [],
        ["mcp", "--config="],
    ],
)
def test_an_unusual_way_to_start_the_server_is_left_to_the_command_tree(words: list[str]) -> None:
    assert read_quickly(words) is None


_VALUES = st.text(alphabet="abc/.:-,=", min_size=1).filter(lambda text: not text.startswith("-"))


@given(
    config=st.none() | _VALUES,
    data_dir=st.none() | _VALUES,
    scopes=st.none() | _VALUES,
    glued=st.booleans(),
    alone=st.booleans(),
)
def test_the_quick_way_reads_what_the_command_tree_reads(
    config: str | None, data_dir: str | None, scopes: str | None, glued: bool, alone: bool
) -> None:
    def flag(name: str, value: str | None) -> list[str]:
        return [] if value is None else [f"{name}={value}"] if glued else [name, value]

    words = [*flag("--config", config), "mcp", *flag("--scopes", scopes), *flag("--data-dir", data_dir)]
    words += ["--no-forward"] if alone else []
    seen: list[tuple[Start, str, bool]] = []

    def remember(start: Start, wanted: str, *, forward: bool) -> int:
        seen.append((start, wanted, forward))
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "open_window", remember)
        commands.run_commands(hoisted(words))
    quick = read_quickly(words)
    assert quick is not None
    assert [(quick.start, quick.scopes, quick.forward)] == seen


def test_an_unforeseen_failure_is_owned_up_to(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("omniroute_agent.cli.config.show", broken)
    shown = run("config", "show", "--json")
    assert (shown.code, shown.out) == (1, "")
    assert json.loads(shown.err.splitlines()[-1])["error"]["code"] == "internal"
    assert "Traceback" in shown.err
