"""What happens to a client's file, byte for byte, when the server goes in and out."""

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from omniroute_agent.clients.change import Change, carry_out, is_ours, plan_install, plan_uninstall
from omniroute_agent.clients.edit import put, read
from omniroute_agent.clients.files import Found, look, replace
from omniroute_agent.clients.problems import CannotEdit
from omniroute_agent.clients.table import CLIENTS, Client
from omniroute_agent.clients.values import get

COMMAND = ["/opt/o/bin/omniroute-agent", "--data-dir", "/home/me/d", "mcp"]
CURSOR = CLIENTS["cursor"]
TEXTS = {
    "json": '// mine\n{\n    "theme": "dark", // yes\n    "other": {"a": [1, 2]},\n}\n',
    "toml": '# mine\nmodel = "o4"\n\n[profiles.x]\na = 1 # yes\n',
    "yaml": "# mine\nGOOSE_MODEL: x   # yes\nlist:\n- 'a'\n-   \"b\"\n",
}


def install(client: Client, file: Path, command: list[str] | None = None, *, force: bool = False) -> Change:
    change = plan_install(client, file, "omniroute", command or COMMAND, force=force)
    carry_out(change)
    return change


def uninstall(client: Client, file: Path, *, force: bool = False) -> Change:
    change = plan_uninstall(client, file, "omniroute", force=force)
    carry_out(change)
    return change


def beside(file: Path) -> list[str]:
    return sorted(path.name for path in file.parent.iterdir() if path != file)


@pytest.mark.parametrize("client", CLIENTS.values(), ids=lambda client: client.id)
def test_each_client_s_file_gets_the_entry_once_and_is_given_back_byte_for_byte(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    original = TEXTS[client.form].encode()
    file.write_bytes(original)
    file.chmod(0o640)

    first = install(client, file)
    assert first.state == "added"
    written = file.read_bytes()
    assert get(read(written.decode(), client.form), (*client.table, "omniroute")) == first.entry
    assert first.entry == client.shape(COMMAND[0], COMMAND[1:])
    (copy,) = beside(file)
    assert (tmp_path / copy).read_bytes() == original
    assert copy.endswith(hashlib.sha256(written).hexdigest()[:12])

    second = install(client, file)
    assert (second.state, file.read_bytes(), beside(file)) == ("unchanged", written, [copy])

    assert uninstall(client, file).state == "restored"
    assert file.read_bytes() == original
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert beside(file) == []


@pytest.mark.parametrize("client", CLIENTS.values(), ids=lambda client: client.id)
def test_of_a_file_somebody_edited_since_only_our_entry_goes(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text(TEXTS[client.form], "utf-8")
    install(client, file)
    edited = file.read_text("utf-8").replace("yes", "no, edited")
    file.write_text(edited, "utf-8")
    assert uninstall(client, file).state == "removed"
    left = file.read_text("utf-8")
    assert "omniroute" not in left
    assert read(left, client.form) == {**read(TEXTS[client.form], client.form), **_empty_table(client, left)}
    assert "no, edited" in left
    assert len(beside(file)) == 1  # the copy stays for its owner to look at


def _empty_table(client: Client, left: str) -> dict[str, object]:
    """What held the servers may stay, empty."""
    return {client.table[0]: {}} if client.table[0] in read(left, client.form) else {}


@pytest.mark.parametrize("client", CLIENTS.values(), ids=lambda client: client.id)
def test_a_file_that_was_not_there_is_made_with_its_directory_and_goes_again(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "settings"
    assert install(client, file).state == "added"
    assert beside(file) == []
    assert install(client, file, ["/moved/omniroute-agent", "mcp"]).state == "updated"
    assert beside(file) == []
    assert uninstall(client, file).state == "deleted"
    assert not file.exists()
    assert uninstall(client, file).state == "absent"


@pytest.mark.parametrize("client", CLIENTS.values(), ids=lambda client: client.id)
def test_an_installation_that_moved_is_updated_and_what_its_owner_added_stays(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    original = TEXTS[client.form]
    file.write_text(original, "utf-8")
    install(client, file)
    path = (*client.table, "omniroute")
    mine = put(file.read_text("utf-8"), client.form, (*path, "cwd"), "/mine")
    if client.id == "codex":
        mine = put(mine, client.form, (*path, "tool_timeout_sec"), 5)
    file.write_text(mine, "utf-8")

    moved = install(client, file, ["/new place/omniroute-agent", "mcp"])
    assert moved.state == "updated"
    entry = get(read(file.read_text("utf-8"), client.form), path)
    wanted = client.shape("/new place/omniroute-agent", ["mcp"])
    assert entry == {**wanted, "cwd": "/mine", **({"tool_timeout_sec": 5} if client.id == "codex" else {})}


def test_after_several_installs_the_first_state_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_bytes(b'{"mcpServers": {"a": {}}}')
    for place in ("/one", "/two", "/three"):
        install(CURSOR, file, [f"{place}/omniroute-agent", "mcp"])
        assert len(beside(file)) == 1
    assert uninstall(CURSOR, file).state == "restored"
    assert file.read_bytes() == b'{"mcpServers": {"a": {}}}'
    assert beside(file) == []


def test_a_copy_that_holds_our_entry_is_never_given_back(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text('{"a": 1}')
    install(CURSOR, file)
    file.write_text(file.read_text().replace('"a": 1', '"a": 2'))  # now no copy is of what is there
    install(CURSOR, file, ["/two/omniroute-agent", "mcp"])
    assert uninstall(CURSOR, file).state == "removed"
    assert json.loads(file.read_text()) == {"a": 2, "mcpServers": {}}


SOMEBODY_ELSES = [
    {"command": "npx", "args": ["-y", "omniroute", "--mcp"]},
    {"url": "http://127.0.0.1:20128/mcp"},
    {"command": "/usr/bin/other", "args": ["mcp"]},
    {},
    "text",
]


@pytest.mark.parametrize("entry", SOMEBODY_ELSES, ids=str)
def test_a_server_of_that_name_that_is_not_ours_is_left_alone_unless_forced(entry: object, tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    text = json.dumps({"mcpServers": {"omniroute": entry, "b": 1}})
    file.write_text(text)
    for attempt in (install, uninstall):
        with pytest.raises(CannotEdit, match="is not this program"):
            attempt(CURSOR, file)
        assert (file.read_text(), beside(file)) == (text, [])
    assert install(CURSOR, file, force=True).state == "replaced"
    assert json.loads(file.read_text())["mcpServers"] == {"b": 1, "omniroute": CURSOR.shape(COMMAND[0], COMMAND[1:])}
    assert uninstall(CURSOR, file).state == "restored"
    assert file.read_text() == text


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "/x/omniroute-agent", "args": ["mcp"]},
        {"command": "C:\\x\\Scripts\\omniroute-agent.exe", "args": ["mcp"]},
        {"command": "/x/omniroute", "args": ["mcp"]},
        {"command": "/x/python", "args": ["-P", "-m", "omniroute_agent", "mcp"]},
        {"command": "uvx", "args": ["omniroute-agent", "mcp"]},
        {"type": "local", "command": ["/x/omniroute-agent", "mcp"]},
        {"cmd": "/x/omniroute-agent", "args": ["mcp"]},
    ],
    ids=str,
)
def test_our_program_is_known_wherever_it_was_installed(entry: object) -> None:
    assert is_ours(entry)


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf{}\r\n", b"{}", b'{"a": 1}\r\n'])
def test_empty_files_byte_order_marks_and_line_ends_are_respected(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_bytes(content)
    install(CURSOR, file)
    written = file.read_bytes()
    assert written.startswith(b"\xef\xbb\xbf") == content.startswith(b"\xef\xbb\xbf")
    assert json.loads(written.decode("utf-8-sig"))["mcpServers"]["omniroute"]["args"][-1] == "mcp"
    if b"\r\n" in content:
        assert written.count(b"\n") == written.count(b"\r\n")
    uninstall(CURSOR, file)
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"mcpServers": {', "not valid JSON"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b'{"mcpServers": []}', "not an object"),
        (b"mcpServers: {}", "not valid JSON"),
    ],
)
def test_a_file_that_cannot_be_understood_is_not_touched(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_bytes(content)
    for attempt in (install, uninstall) if b"[]" not in content else (install,):
        with pytest.raises(CannotEdit, match=message) as caught:
            attempt(CURSOR, file)
        assert str(file) in caught.value.message
        assert "othing was changed" in caught.value.hint
    assert (file.read_bytes(), beside(file)) == (content, [])


def test_a_read_only_file_stays_as_it_is_although_a_rename_would_replace_it(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("{}")
    file.chmod(0o444)
    with pytest.raises(CannotEdit, match="read-only"):
        install(CURSOR, file)
    assert (file.read_text(), beside(file)) == ("{}", [])


@pytest.mark.skipif(os.name != "posix", reason="links need rights on other systems")
def test_the_file_behind_a_link_is_changed_and_the_link_stays(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "cursor.json"
    real.parent.mkdir()
    real.write_text('{"mcpServers": {}}')
    (tmp_path / "home").mkdir()
    file = tmp_path / "home" / "mcp.json"
    file.symlink_to(real)
    install(CURSOR, file)
    assert file.is_symlink()
    assert "omniroute" in json.loads(real.read_text())["mcpServers"]
    assert len(beside(file)) == 1
    assert beside(real) == []
    assert uninstall(CURSOR, file).state == "restored"
    assert (file.is_symlink(), real.read_text()) == (True, '{"mcpServers": {}}')


@pytest.mark.skipif(os.name != "posix", reason="links need rights on other systems")
def test_a_link_to_nothing_is_not_followed(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.symlink_to(tmp_path / "gone.json")
    with pytest.raises(CannotEdit, match="does not exist"):
        install(CURSOR, file)
    assert beside(file) == []


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mcp.json").mkdir()
    with pytest.raises(CannotEdit, match="not a file"):
        install(CURSOR, tmp_path / "mcp.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotEdit, match="cannot be"):
        install(CURSOR, tmp_path / "file" / "mcp.json")


def test_a_file_that_changes_while_we_work_is_left_to_whoever_changed_it(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("{}")
    change = plan_install(CURSOR, file, "omniroute", COMMAND)
    file.write_text('{"new": 1}')
    with pytest.raises(CannotEdit, match="another program"):
        carry_out(change)
    assert file.read_text() == '{"new": 1}'


def test_nothing_is_left_behind_when_the_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mcp.json"
    file.write_text("{}")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotEdit, match="No space left"):
        replace(look(file), b"much")
    assert (file.read_text(), beside(file)) == ("{}", [])


def test_a_copy_can_be_read_only_by_those_who_can_read_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text('{"mcpServers": {"a": {"env": {"KEY": "sk-fake"}}}}')
    file.chmod(0o600)
    install(CURSOR, file)
    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()] == [0o600, 0o600]


def test_a_difference_shows_what_comes_and_nothing_of_the_neighbours(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    file.write_text('{\n  "mcpServers": {\n    "a": {\n      "env": {"KEY": "sk-fake"}\n    }\n  }\n}\n')
    change = plan_install(CURSOR, file, "omniroute", COMMAND)
    assert "sk-fake" not in "\n".join(change.difference())
    assert "omniroute-agent" in "\n".join(change.difference())
    assert "omniroute" not in file.read_text()


def test_opencode_s_newer_way_is_kept_where_a_file_has_it(tmp_path: Path) -> None:
    file = tmp_path / "opencode.json"
    client = CLIENTS["opencode"]
    file.write_text('{"mcp": {"servers": {"a": {"type": "local", "command": ["x"]}}}}')
    install(client, file)
    assert set(json.loads(file.read_text())["mcp"]["servers"]) == {"a", "omniroute"}
    file.write_text('{"mcp": {"servers": {"type": "local", "command": ["x"]}}}')  # a server of that name
    install(client, file)
    assert set(json.loads(file.read_text())["mcp"]) == {"servers", "omniroute"}


def test_a_missing_file_is_told_from_an_empty_one(tmp_path: Path) -> None:
    assert look(tmp_path / "none") == Found(tmp_path / "none", tmp_path / "none", None)
