"""`combos add`, `edit`, `rm`, `validate`, `templates`, `show`: by hand, kept in the database."""

from pathlib import Path

import pytest

from agent.cli.conftest import Run, RunBeside
from loopback import loopback, refuses, says

SETTINGS = """
[[connections]]
id = "one"
provider = "custom-openai"
base_url = "https://one.example/v1"
key_env = "FAKE_KEY"
models = ["alpha", "beta"]

[[connections]]
id = "two"
provider = "custom-openai"
base_url = "https://two.example/v1"
key_env = "FAKE_KEY"
models = ["gamma"]

[[combos]]
name = "file"
targets = ["one/alpha"]

[prices."one/beta"]
input = "1"
output = "2"
"""


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FAKE_KEY", "obviously-fake")
    (tmp_path / "two.toml").write_text(SETTINGS)
    return f"--config={tmp_path / 'two.toml'}"


def test_a_combo_is_added_shown_changed_and_removed(run: Run, two: str) -> None:
    added = run("combos", "add", "mine", "--target", "one/alpha", "--target", "two/gamma", "--tier", "cheap", two)
    assert (added.code, added.err) == (0, "")
    assert "mine  priority, stored\n  1. one/alpha\n  2. two/gamma\n" in added.out
    assert "ask --combo mine" in added.out
    changed = run("combos", "edit", "mine", "--strategy", "round-robin", "--option", "sticky=5", "--json", two).json
    assert (changed["combo"]["strategy"], changed["combo"]["options"]) == ("round-robin", {"sticky": 5})
    assert (changed["combo"]["tier"], changed["remarks"]) == ("cheap", [])
    shown = run("combos", "show", "mine", two).out
    assert 'options: {"sticky": 5}' in shown
    assert run("combos", "show", "mine", "--json", two).json["combo"]["strategy"] == "round-robin"
    assert [c["name"] for c in run("combos", "ls", "--json", two).json["combos"]] == ["file", "default", "mine"]
    assert run("combos", "rm", "mine", two).out == "mine is removed.\n"
    assert run("combos", "show", "mine", two).code == 3


def test_a_combo_of_the_file_is_changed_here_and_taken_back(run: Run, two: str) -> None:
    changed = run("combos", "edit", "file", "--target", "two/gamma", two)
    assert "file  priority, settings, changed by hand\n  1. two/gamma\n" in changed.out
    assert run("combos", "rm", "file", "--json", two).json == {"removed": "file", "left": "settings"}
    assert "file  priority, settings\n  1. one/alpha\n" in run("combos", two).out
    refused = run("combos", "rm", "file", two)
    assert refused.code == 2
    assert "stands in the settings file and nothing of it was changed here" in refused.err


def test_weights_and_options_are_merged_and_dropped_one_by_one(run: Run, two: str) -> None:
    words = ("--strategy", "weighted", "--option", "weights.one/alpha=3", "--option", "weights.two/gamma=1")
    run("combos", "add", "mine", "--target", "one/alpha", "--target", "two/gamma", *words, two)
    changed = run("combos", "edit", "mine", "--option", "weights.two/gamma=", "--option", "adapt=false", "--json", two)
    assert changed.json["combo"]["options"] == {"weights": {"one/alpha": 3}, "adapt": False}
    assert "Without a weight" in changed.json["remarks"][0]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("add", "x"), 2, "`x` needs targets."),
        (("add", "x", "--target", "one/alfa"), 2, "Did you mean `one/alpha`"),
        (("add", "x", "--target", "combo/fil"), 3, "Did you mean `file`?"),
        (("add", "file", "--target", "one/alpha"), 1, "There is a combo `file` already (settings)."),
        (("add", "a b", "--target", "one/alpha"), 2, "`a b` is no name for a combo."),
        (("add", "x", "--target", "one/alpha", "--strategy", "prio"), 3, "Did you mean `priority`?"),
        (("add", "x", "--target", "one/alpha", "--strategy", "cost-optimized"), 2, "needs a price"),
        (("add", "x", "--target", "one/alpha", "--option", "stiky=3"), 2, "`priority` has no option `stiky`."),
        (("add", "x", "--target", "one/alpha", "--option", "sticky"), 2, "`sticky` is no option."),
        (("add", "x", "--template", "free"), 3, "Did you mean `free-stack`?"),
        (("add", "x", "--template", "free-stack"), 1, "known to cost nothing"),
        (("edit", "fill", "--strategy", "random"), 3, "Did you mean `file`?"),
        (("edit", "file"), 2, "Nothing to change was given."),
        (("edit", "file", "--target", "combo/file"), 2, "`file` → `file`"),
        (("edit", "default", "--off"), 2, "is the default combo and cannot be disabled"),
        (("rm", "default"), 2, "is built in and nothing of it was changed here"),
        (("rm", "gone"), 3, "No combo is called `gone`."),
        (("validate", "gone"), 3, "No combo is called `gone`."),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(
    run: Run, two: str, words: tuple[str, ...], code: int, said: str
) -> None:
    shown = run("combos", *words, two)
    assert (shown.code, shown.out) == (code, "")
    assert said in shown.err
    assert run("combos", "--json", two).json["combos"][0]["overridden"] is False


def test_a_combo_another_one_nests_and_the_default_stay(run: Run, two: str) -> None:
    run("combos", "add", "inner", "--target", "one/alpha", two)
    run("combos", "add", "outer", "--target", "combo/inner", "--target", "two/gamma", two)
    assert "nested in `outer`" in run("combos", "rm", "inner", two).err
    run("combos", "switch", "outer", two)
    assert "default combo and cannot be removed" in run("combos", "rm", "outer", two).err
    assert "1. combo/inner → one/alpha" in run("combos", "show", "outer", two).out


def test_templates_show_what_they_would_choose_or_why_not(run: Run, two: str) -> None:
    rows = {row["name"]: row for row in run("combos", "templates", "--json", two).json["templates"]}
    assert list(rows) == ["free-stack", "high-availability", "cost-saver", "balanced"]
    assert rows["high-availability"]["targets"] == ["one/alpha", "two/gamma"]
    assert (rows["cost-saver"]["targets"], rows["cost-saver"]["strategy"]) == (["one/beta"], "cost-optimized")
    assert "known to cost nothing" in rows["free-stack"]["why_not"]
    drawn = run("combos", "templates", two).out
    assert "✗ No connection here has a model that is known to cost nothing." in drawn
    assert "  auto, pack = balanced\n  1. one/alpha\n  2. two/gamma\n" in drawn


def test_a_combo_made_of_a_template_says_so_and_can_be_changed(run: Run, two: str) -> None:
    added = run("combos", "add", "mine", "--template", "balanced", "--json", two).json["combo"]
    assert (added["source"], added["strategy"], added["options"]) == ("template", "auto", {"pack": "balanced"})
    words = ("--template", "balanced", "--option", "pack=ship-fast")
    other = run("combos", "add", "fast", *words, "--json", two).json["combo"]
    assert other["options"] == {"pack": "ship-fast"}
    changed = run("combos", "edit", "mine", "--target", "one/beta", "--json", two).json["combo"]
    assert (changed["source"], [t["target"] for t in changed["targets"]]) == ("stored", ["one/beta"])


def test_validate_exits_with_1_when_something_speaks_against_a_combo(run: Run, two: str, tmp_path: Path) -> None:
    good = run("combos", "validate", "file", two)
    assert (good.code, good.out) == (0, "file: nothing speaks against it.\n")
    bad = tmp_path / "bad.toml"
    bad.write_text(
        SETTINGS
        + '[[combos]]\nname = "a"\ntargets = ["combo/b", "one/alpha"]\n'
        + '[[combos]]\nname = "b"\ntargets = ["combo/a"]\n'
        + '[[combos]]\nname = "c"\ntargets = ["one/alpha"]\nstrategy = "weighted"\n[combos.options]\nsticky = 1\n'
    )
    found = run("combos", "validate", "--json", f"--config={bad}")
    assert found.code == 1
    findings = {combo["name"]: combo["findings"] for combo in found.json["combos"]}
    assert findings["file"] == findings["default"] == []
    assert "`a` → `b` → `a`" in findings["a"][0]
    assert findings["c"] == [
        "`weighted` has no option `sticky`. Known: `weights`, `adapt`.",
        "`weighted` needs the option `weights`, for example { 'one/alpha' = 3 }.",
    ]
    drawn = run("combos", "validate", "c", f"--config={bad}")
    assert drawn.code == 1
    assert "c\n  ✗ `weighted` has no option `sticky`." in drawn.out


def test_config_check_and_the_doctor_tell_what_is_wrong_with_combos(
    run: Run, two: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(
        SETTINGS
        + '[[combos]]\nname = "a"\ntargets = ["combo/b", "one/alpha"]\n'
        + '[[combos]]\nname = "b"\ntargets = ["combo/a"]\n'
        + '[[combos]]\nname = "c"\ntargets = ["one/alpha"]\noptions = { stiky = 1 }\n'
    )
    checked = run("config", "check", "--json", f"--config={bad}")
    assert (checked.code, checked.json["ok"]) == (0, True)
    assert checked.json["warnings"] == [
        "Combos nest each other in a loop: `a` → `b` → `a`.",
        "The combo `c` cannot work: `priority` has no option `stiky`. Known: `adapt`.",
    ]
    assert run("config", "check", "--json", two).json["warnings"] == []
    monkeypatch.delenv("FAKE_KEY")  # without a key the doctor calls nobody
    findings = run("doctor", "--json", f"--config={bad}").json["findings"]
    told = [finding["says"] for finding in findings if finding["about"] == "combo"]
    assert any(says.startswith("a: Combos nest each other in a loop") for says in told)
    assert "c: `priority` has no option `stiky`. Known: `adapt`." in told


async def test_every_target_can_be_tried_from_here(run_beside: RunBeside) -> None:
    async with loopback(says("OK", usage=(10, 1)), refuses(500, "boom")) as upstream:
        settings = f"""
        [[connections]]
        id = "lab"
        provider = "custom-openai"
        base_url = "{upstream.url}"
        key = "obviously-fake"

        [[combos]]
        name = "pair"
        targets = ["lab/first", "lab/second"]
        """
        seen = await run_beside("combos", "test", "pair", "--json", settings=settings)
        drawn = await run_beside("combos", "test", "pair", settings=settings)
    assert seen.code == 0
    assert seen.json["answered"] == 1
    assert sorted(chat.body["model"] for chat in upstream.chats[:2]) == ["first", "second"]
    assert drawn.code == 1
    assert "✗ lab/first: server_error: 500: boom · " in drawn.out
    assert drawn.out.endswith("0 of 2 answered.\n")
