"""`models` and `prices` at the command line."""

import json
from pathlib import Path

import pytest

from agent.cli.conftest import Run, RunBeside
from agent.cli.test_lists import TWO
from loopback import loopback, says

ALIASED = TWO + '\n[aliases]\nquick = "one/beta"\n\n[[models]]\nconnection = "one"\nmodel = "gamma"\n'


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FAKE_KEY", "obviously-fake")
    (tmp_path / "two.toml").write_text(ALIASED)
    return f"--config={tmp_path / 'two.toml'}"


def test_an_alias_is_added_listed_and_removed(run: Run, two: str) -> None:
    added = run("models", "alias", "add", "fast*", "quick", "--json", two).json
    assert added == {"pattern": "fast*", "target": "quick", "leads_to": ["one/beta"]}
    assert run("models", "alias", "add", "team", "combo/cheap", "--json", two).json["leads_to"] == ["combo/cheap"]
    assert [(row["pattern"], row["source"]) for row in run("models", "alias", "--json", two).json["aliases"]] == [
        ("fast*", "added by hand"),
        ("quick", "settings"),
        ("team", "added by hand"),
    ]
    assert run("models", "alias", "rm", "fast*", two).code == 0
    missing = run("models", "alias", "rm", "fast*", two)
    assert missing.code == 3
    kept = run("models", "alias", "rm", "quick", two)
    assert kept.code == 2
    assert "it stands in the settings file" in kept.err


def test_an_alias_that_would_go_in_a_circle_is_refused_and_nothing_changes(run: Run, two: str) -> None:
    assert run("models", "alias", "add", "one/beta", "x", two).code == 0
    refused = run("models", "alias", "add", "x", "quick", two)
    assert refused.code == 2
    assert "Nothing was changed: the aliases lead in a circle: `one/beta` → `x` → `quick` → `one/beta`." in refused.err
    assert [row["pattern"] for row in run("models", "alias", "--json", two).json["aliases"]] == ["one/beta", "quick"]


def test_an_alias_to_nothing_is_kept_and_said(run: Run, two: str) -> None:
    shown = run("models", "alias", "add", "later", "nobody/new", two)
    assert shown.code == 0
    assert "No connection here serves that now" in shown.out


def test_a_circle_in_the_settings_is_a_wrong_setting(run: Run, tmp_path: Path) -> None:
    (tmp_path / "loop.toml").write_text('[aliases]\na = "b"\nb = "a"\n')
    checked = run("config", "check", f"--config={tmp_path / 'loop.toml'}")
    assert checked.code == 2
    assert "the aliases lead in a circle" in checked.err


def test_a_model_is_added_with_what_is_true_of_it_and_removed(run: Run, two: str) -> None:
    words = ("models", "add", "one", "delta", "--context", "5000", "--tools", "--price-in", "1", "--price-out", "2.5")
    assert run(*words, two).code == 0
    (model,) = run("models", "--search", "delta", "--json", two).json["models"]
    assert (model["context_tokens"], model["tools"], model["vision"]) == (5000, True, None)
    assert model["price"] == {
        "input_usd_per_million": "1",
        "output_usd_per_million": "2.5",
        "source": "added by hand",
    }
    assert model["listed"] == "added by hand"
    assert run("models", "rm", "one", "delta", two).code == 0
    assert run("models", "--search", "delta", "--json", two).json["total"] == 0
    assert run("models", "rm", "one", "delta", two).code == 3
    assert "under [[models]]" in run("models", "rm", "one", "gamma", two).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("one", "x", "--price-in", "1"), "both --price-in and --price-out"),
        (("one", "x", "--price-in", "-1", "--price-out", "1"), "is no amount of USD"),
        (("one", "x", "--price-in", "1e30", "--price-out", "1"), "is no amount of USD"),
        (("nobody", "x"), "No connection is called `nobody`"),
        (("one", " "), "printable characters"),
    ],
)
def test_what_cannot_be_added_is_refused(run: Run, two: str, words: tuple[str, ...], said: str) -> None:
    shown = run("models", "add", *words, two)
    assert shown.code in (2, 3)
    assert said in shown.err


def test_a_price_set_by_hand_goes_before_the_settings_until_it_is_removed(run: Run, two: str) -> None:
    def price() -> object:
        (model,) = run("models", "--search", "beta", "--json", two).json["models"]
        return model["price"]["input_usd_per_million"], model["price"]["source"]

    assert price() == ("1", "settings")
    assert run("prices", "set", "one/beta", "--input", "0.25", "--output", "3", two).code == 0
    assert price() == ("0.25", "set by hand")
    assert [row["source"] for row in run("prices", "--json", two).json["own"]] == ["set by hand"]
    assert run("prices", "rm", "one/beta", two).code == 0
    assert price() == ("1", "settings")
    assert "under [prices]" in run("prices", "rm", "one/beta", two).err
    assert run("prices", "set", "beta", "--input", "1", "--output", "1", two).code == 2
    assert run("prices", "set", "one/beta", "--input", "much", "--output", "1", two).code == 2


def test_prices_are_synced_from_a_file_anywhere_and_back(run: Run, two: str, tmp_path: Path) -> None:
    rows = {"openai/a": {"input": "1", "output": "2"}, "openai/gpt-4o": {"input": "2.5", "output": "10"}}
    (tmp_path / "list.json").write_text(json.dumps({"prices": rows}))
    dry = run("prices", "sync", str(tmp_path / "list.json"), "--dry-run", "--json", two).json
    assert (dry["applied"], dry["unchanged"]) == (False, 1)
    assert dry["changes"] == [
        {"model": "openai/a", "change": "added", "before": None, "after": {"in": "1", "out": "2"}}
    ]
    assert run("prices", "--json", two).json["synced"] is None
    assert "Synced from list.json" in run("prices", "sync", str(tmp_path / "list.json"), two).out
    assert run("prices", "--json", two).json["synced"]["count"] == 2
    assert run("prices", "ls", "--search", "gpt-4o", "--json", two).json["matches"][0]["source"] == "list.json"
    assert "Back to the bundled prices" in run("prices", "sync", "bundled", two).out
    assert run("prices", "--json", two).json["synced"] is None
    assert run("prices", "sync", str(tmp_path / "nothing.json"), two).code == 2


async def test_the_providers_list_is_read_at_the_command_line(run_beside: RunBeside) -> None:
    async with loopback(says("Hi")) as upstream:
        synced = await run_beside("models", "sync", "fake", "--json", settings=upstream.settings())
        (report,) = synced.json["lists"]
        assert (report["connection"], report["added"], report["trouble"]) == ("fake", ["fake-model"], None)
        again = await run_beside("models", "sync", "fake", settings=upstream.settings())
        assert again.out == "✓ fake: 1 chat models\n"
    gone = await run_beside("models", "sync", "fake", settings=upstream.settings())
    assert gone.code == 1
    assert "Nothing was changed" in gone.out
    nobody = await run_beside("models", "sync", "nobody", settings=upstream.settings())
    assert nobody.code == 3


@pytest.mark.parametrize(
    "command",
    [
        *("models sync", "models add", "models rm", "models alias ls", "models alias add", "models alias rm"),
        *("prices ls", "prices set", "prices rm", "prices sync"),
    ],
)
def test_every_command_says_what_it_does_with_an_example(run: Run, command: str) -> None:
    shown = run(*command.split(), "--help")
    assert shown.code == 0
    assert f"\n    omniroute-agent {command.split(maxsplit=1)[0]}" in shown.out
    assert "--json" in shown.out
