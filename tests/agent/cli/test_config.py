from pathlib import Path

from agent.cli.conftest import Run

BROKEN = """
[server]
prot = 80
[[connections]]
id = "work"
provider = "openai"
key = "obviously-fake"
tier = "gold"
"""


def test_the_path_is_told_even_of_a_broken_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "config" / "omniroute-agent" / "config.toml"
    shown = run("config", "path")
    assert (shown.code, shown.out) == (0, f"{file}\n")
    assert "does not exist yet" in shown.err
    file.parent.mkdir(parents=True)
    file.write_text(BROKEN)
    assert run("config", "path", "--json").json == {"file": str(file), "found": True}


def test_every_problem_of_a_file_is_told_with_its_line_and_no_secret(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(BROKEN)
    shown = run("--config", str(tmp_path / "mine.toml"), "config", "check")
    assert (shown.code, shown.out) == (2, "")
    assert "mine.toml:3: server.prot: there is no such setting. Did you mean `server.port`?" in shown.err
    assert "mine.toml:8: connections[0].tier: expected" in shown.err
    assert "obviously-fake" not in shown.err
    as_json = run("--config", str(tmp_path / "mine.toml"), "config", "check", "--json")
    assert (as_json.error["code"], len(as_json.error["facts"]["problems"])) == ("settings", 2)


def test_every_command_refuses_a_broken_file_in_the_same_words(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(BROKEN)
    for words in (("models",), ("ask", "hi"), ("mcp",), ("serve",)):
        shown = run("--config", str(tmp_path / "mine.toml"), *words)
        assert shown.code == 2
        assert "The settings cannot be used." in shown.err


def test_a_good_file_is_called_good_and_doubts_are_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[connections]]\nid = "w"\nprovider = "openai"\nkey = "obviously-fake"\n')
    shown = run("--config", str(tmp_path / "mine.toml"), "config", "check")
    assert shown.code == 0
    assert shown.out.endswith("mine.toml can be used.\n")
    assert "prefer key_env or key_file" in shown.out
    assert run("--config", str(tmp_path / "mine.toml"), "config", "check", "--json").json["ok"] is True


def test_without_a_file_the_defaults_are_good(run: Run) -> None:
    assert "the defaults and the environment can be used" in run("config", "check").out


def test_what_is_in_force_is_shown_with_its_origin_and_without_secrets(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[connections]]\nid = "w"\nprovider = "openai"\nkey = "obviously-fake"\n')
    shown = run("config", "show", "--config", str(tmp_path / "mine.toml"))
    assert shown.code == 0
    lines = {line.split()[0]: line.split()[1:] for line in shown.out.splitlines()}
    assert lines["discovery.loopback"] == ["false", "OMNIROUTE_DISCOVERY_LOOPBACK"]
    assert lines["server.port"] == ["20128", "default"]
    assert lines["connections.w.key"][0] == "***"
    assert "obviously-fake" not in shown.out + shown.err
