"""Commands that show what the tools give."""

from pathlib import Path

import pytest

from agent.cli.conftest import Run

TWO = """
[[connections]]
id = "one"
provider = "custom-openai"
base_url = "https://one.example/v1"
key_env = "FAKE_KEY"
models = ["alpha", "beta"]

[[combos]]
name = "cheap"
targets = ["one/beta"]

[prices."one/beta"]
input = "1"
output = "2"

[local]
enabled = false
"""


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FAKE_KEY", "obviously-fake")
    (tmp_path / "two.toml").write_text(TWO)
    return f"--config={tmp_path / 'two.toml'}"


def test_the_models_are_a_table_with_unknown_things_said(run: Run, two: str) -> None:
    shown = run("models", two)
    assert shown.code == 0
    rows = {line.split()[0]: line for line in shown.out.splitlines()}
    assert "1 / 2" in rows["one/beta"]
    assert "?" in rows["one/alpha"]
    assert "2 of 2 models." in shown.out


def test_the_models_as_json_are_what_the_tool_gives(run: Run, two: str) -> None:
    found = run("models", "list", "--json", "--limit", "1", two).json
    assert [model["id"] for model in found["models"]] == ["one/alpha"]
    assert (found["total"], found["next_cursor"], found["truncated"]) == (2, "1", True)
    following = run("models", "--cursor", "1", "--json", two).json
    assert [model["id"] for model in following["models"]] == ["one/beta"]
    assert run("models", "--search", "BET", "--json", two).json["total"] == 1


def test_a_cursor_of_someone_else_is_refused(run: Run) -> None:
    shown = run("models", "--cursor", "x")
    assert shown.code == 2
    assert "That cursor is not one of ours." in shown.err


def test_combos_show_their_targets_and_what_hinders_them(run: Run, two: str) -> None:
    shown = run("combos", "--metrics", two)
    assert shown.code == 0
    assert "cheap  priority, settings\n  1. one/beta\n" in shown.out
    assert "default  priority, built-in, the default" in shown.out
    assert "last 24 hours: 0 requests, 0 attempts, 0 USD" in shown.out


def test_switching_a_combo_holds_for_the_next_run(run: Run, two: str) -> None:
    assert "cheap  priority, settings, the default, changed by hand" in run("combos", "switch", "cheap", two).out
    combos = run("combos", "--json", two).json["combos"]
    assert [combo["name"] for combo in combos if combo["is_default"]] == ["cheap"]
    refused = run("combos", "switch", "cheap", "--off", two)
    assert refused.code == 2
    assert "is the default combo and cannot be disabled" in refused.err


def test_an_unknown_combo_gets_the_nearest_names(run: Run, two: str) -> None:
    shown = run("combos", "switch", "cheep", two, "--json")
    assert (shown.code, shown.out) == (3, "")
    assert shown.error["code"] == "not_found"
    assert "`cheap`" in shown.error["hint"]


def test_an_unknown_model_gets_the_nearest_names(run: Run, two: str) -> None:
    shown = run("ask", "--model", "one/bet", "hi", two)
    assert shown.code == 3
    assert "No model or combo is called `one/bet`." in shown.err
    assert "`one/beta`" in shown.err


def test_an_unknown_request_is_not_found(run: Run) -> None:
    shown = run("explain", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert shown.code == 3
    assert "You have sent no request yet." in shown.err


def test_only_the_pinned_model_can_be_pulled(run: Run) -> None:
    shown = run("models", "pull", "smollm2")
    assert shown.code == 3
    assert "Did you mean `smollm2-135m`?" in shown.err


def test_tools_that_are_not_installed_are_a_matter_of_the_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIROUTE_TOOLS_PACKAGES", "no_such_tools")
    for words in (("models",), ("mcp",)):
        shown = run(*words)
        assert shown.code == 2
        assert "no_such_tools" in shown.err
        assert "[tools] packages" in shown.err
