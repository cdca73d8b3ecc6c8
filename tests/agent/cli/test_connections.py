"""`connections` as a user types it."""

import getpass
import json
import sys
from pathlib import Path

import pytest

from agent.cli.conftest import Run, RunBeside
from loopback import MODEL, Loopback, loopback, refuses, says
from programs import Ended, told
from proxies import a_proxy

KEY = "sk-obviously-fake-0123456789"
NOTHING = "[discovery]\nloopback = false\nenvironment = false\n[local]\nenabled = false\n"
PRICE = f'[prices."lab/{MODEL}"]\ninput = "1"\noutput = "2"\n'


def adding(upstream: Loopback) -> tuple[str, ...]:
    words = ("connections", "add", "lab", "--provider", "custom-openai", "--base-url", upstream.url, "--key-stdin")
    return (*words, "--models", MODEL)


async def add(run_beside: RunBeside, upstream: Loopback, *more: str) -> Ended:
    return await run_beside(*adding(upstream), *more, settings=NOTHING, stdin=f"{KEY}\n".encode())


def everything_in(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (home / "data").rglob("*") if path.is_file())


async def test_an_account_is_added_tried_listed_and_removed(tmp_path: Path) -> None:
    async with loopback(says("OK", usage=(10, 1))) as upstream:
        added = await told(tmp_path, *adding(upstream), settings=NOTHING, stdin=f"{KEY}\n".encode())
        tried = await told(tmp_path, "connections", "test", "lab", settings=NOTHING + PRICE)
        answer = await told(tmp_path, "ask", "hi", "--json", settings=NOTHING + PRICE)
    assert (added.code, added.err) == (0, "")
    assert added.out.splitlines()[0] == "lab is kept for Your own (OpenAI Chat); its secrets are sealed."
    assert tried.code == 0
    assert f"✓ lab/{MODEL} says “OK” · " in tried.out
    assert "0.000012 USD" in tried.out
    assert answer.json["receipt"]["served_by"] == f"lab/{MODEL}"
    first = upstream.chats[0]
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.body["messages"] == [{"role": "user", "content": "Reply with OK only."}]
    assert first.body.get("max_tokens", first.body.get("max_completion_tokens")) == 64
    assert KEY.encode() not in everything_in(tmp_path)
    assert KEY not in added.out + tried.out + tried.err

    listed = await told(tmp_path, "connections", "ls", settings=NOTHING)
    assert listed.out.splitlines()[1].split() == ["lab", "custom-openai", "stored", "key", MODEL, "-", "ready"]
    removed = await told(tmp_path, "connections", "rm", "lab", settings=NOTHING)
    assert removed.code == 0
    assert "There is no connection yet." in (await told(tmp_path, "connections", "ls", settings=NOTHING)).out


async def test_a_refused_key_is_what_the_test_saw_and_a_new_key_starts_clean(run_beside: RunBeside) -> None:
    async with loopback(refuses(401, "Incorrect API key"), says("OK")) as upstream:
        await add(run_beside, upstream)
        seen = await run_beside("connections", "test", "lab", "--json", settings=NOTHING)
        locked = await run_beside("connections", "test", "lab", "--json", settings=NOTHING)
        await add(run_beside, upstream, "--replace")
        again = await run_beside("connections", "test", "lab", "--json", settings=NOTHING)
    assert (seen.code, seen.json["ok"]) == (1, False)
    assert seen.json["fault"]["kind"] == "unauthorized"
    assert seen.json["fault"]["status"] == 401
    assert "Incorrect API key" in seen.json["fault"]["detail"]
    assert seen.json["cost"] is not None
    assert locked.error["code"] == "no_route"
    assert (again.code, again.json["text"], again.json["fault"]) == (0, "OK", None)
    assert again.json["latency_ms"] >= 0


def test_the_key_is_typed_at_a_hidden_prompt(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def typed(prompt: str, _: object) -> str:
        asked.append(prompt)
        return KEY

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", typed)
    added = run("connections", "add", "openai", "--json")
    assert added.json["connection"]["has_key"] is True
    assert asked == ["Key for openai (not shown): "]


def test_the_key_comes_from_a_file_or_a_variable_too(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(KEY)
    from_file = run("connections", "add", "openai", "--key-file", str(tmp_path / "key"), "--json")
    assert from_file.json["connection"]["has_key"] is True
    unset = run("connections", "add", "groq", "--key-env", "MY_KEY")
    assert (unset.code, unset.err.splitlines()[0]) == (2, "Error: The environment variable MY_KEY is not set.")
    monkeypatch.setenv("MY_KEY", KEY)
    assert run("connections", "add", "groq", "--key-env", "MY_KEY", "--json").json["connection"]["has_key"] is True


@pytest.mark.parametrize(
    "words",
    [
        ("openai", KEY),
        (KEY,),
        ("openai", "--key", KEY),
        ("openai", "--key", "short"),
        (f"--key={KEY}", "openai"),
        ("openai", "--key-env", KEY),
        ("openai", "--header", f"X-Extra={KEY}"),
        ("openai", "--default-model", "AIzaSyObviouslyFake0123456789"),
        ("openai", "--models", f"a,{KEY}"),
        ("openai", "aB3" * 12),
    ],
)
def test_a_key_on_the_command_line_is_refused_and_not_repeated(
    run: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    shown = run("connections", "add", *words)
    assert (shown.code, shown.out) == (2, "")
    assert "A key does not belong on the command line." in shown.err
    assert KEY not in shown.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("words", "says_what"),
    [
        (("a/b", "--provider", "openai", "--no-key"), "A name has up to 64 letters"),
        (("openia", "--no-key"), "No provider is called `openia`. "),
        (("local", "--no-key"), "No provider is called `local`."),
        (("lab", "--provider", "custom-openai", "--no-key"), "`custom-openai` has no address of its own."),
        (("openai", "--no-key", "--key-stdin"), "Only one of --key-stdin"),
        (("openai", "--no-key", "--base-url", "ftp://x"), "Expected an address like"),
        (("openai", "--no-key", "--expires", "soon"), "Expected a day like 2027-01-31"),
        (("openai", "--no-key", "--proxy", "x"), "Expected a proxy like"),
        (("openai", "--no-key", "--proxy", "http://me:pass@x"), "A proxy's password does not belong"),
        (("openai", "--no-key", "--header", "Authorization=x"), "carries the key; give the key as a key"),
        (("openai", "--no-key", "--header", "Host=x"), "is set with the request itself"),
        (("openai", "--no-key", "--header", "Connection=close"), "belongs to the network connection"),
        (("openai", "--no-key", "--header", "X-Title"), "has no value"),
        (("openai", "--no-key", "--header-env", "X-Title=NOT_SET"), "The environment variable NOT_SET"),
        (("openai", "--no-key", "--replace"), "No connection `openai` was added by hand."),
        (("openai", "more", "words"), "There are 2 words too many"),
        (("openai",), "There is no terminal to ask for the key."),
        (("openai", "--key-stdin"), "The key from the standard input is empty."),
    ],
)
def test_what_is_wrong_is_told_in_words(run: Run, words: tuple[str, ...], says_what: str) -> None:
    shown = run("connections", "add", *words)
    assert shown.code in (2, 3)
    assert says_what in shown.err.replace("\n", " ")


def test_a_name_is_taken_once_and_a_change_keeps_what_is_not_given(run: Run) -> None:
    first = ("connections", "add", "openai", "--no-key", "--models", "a, b", "--expires", "2027-01-31", "--json")
    assert run(*first).json["connection"]["models"] == ["a", "b"]
    taken = run(*first)
    assert (taken.code, taken.error["code"]) == (1, "conflict")
    assert "--replace" in taken.error["hint"]
    changed = run("connections", "add", "openai", "--replace", "--off", "--header", "X-Title=mine", "--json")
    assert changed.json["connection"] == {
        **run(*first[:-1], "--replace", "--json").json["connection"],
        "expires_at": "2027-01-31T23:59:59+00:00",
        "models": ["a", "b"],
        "headers": ["X-Title"],
        "enabled": False,
    }
    never = run("connections", "add", "openai", "--replace", "--expires", "never", "--json").json["connection"]
    assert never["expires_at"] is None


def test_what_was_not_added_by_hand_is_not_removed_by_hand(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "obviously-fake")
    shown = run("connections", "rm", "openai", "--json")
    assert shown.code == 2
    assert "it comes from a key in the environment" in shown.error["message"]
    assert run("connections", "add", "openai", "--no-key", "--off").code == 0
    (listed,) = run("connections", "ls", "--json").json["connections"]
    assert (listed["id"], listed["source"], listed["state"]) == ("openai", "stored", "unavailable")
    missing = run("connections", "rm", "opnai", "--json")
    assert (missing.code, missing.error["facts"]["nearest"]) == (3, ["openai"])


async def test_the_master_key_is_rotated_and_everything_opens(run_beside: RunBeside, tmp_path: Path) -> None:
    async with loopback() as upstream:
        await add(run_beside, upstream)
        old = (tmp_path / "data" / "master.key").read_text()
        rotated = await run_beside("connections", "rotate-key", "--json", settings=NOTHING)
        tried = await run_beside("connections", "test", "lab", "--json", settings=NOTHING)
    assert rotated.json == {"resealed": 1, "where": f"file {tmp_path / 'data' / 'master.key'}"}
    assert (tmp_path / "data" / "master.key").read_text() != old
    assert tried.code == 0


async def test_a_lost_master_key_is_told_by_every_command(run_beside: RunBeside, tmp_path: Path) -> None:
    async with loopback() as upstream:
        await add(run_beside, upstream)
    (tmp_path / "data" / "master.key").unlink()
    listed = await run_beside("connections", "ls", "--json", settings=NOTHING)
    assert "the master key that sealed it is gone" in listed.json["connections"][0]["note"]
    tried = await run_beside("connections", "test", "lab", "--json", settings=NOTHING)
    assert (tried.code, tried.error["code"]) == (1, "no_route")
    rotated = await run_beside("connections", "rotate-key", "--json", settings=NOTHING)
    assert (rotated.code, rotated.error["code"]) == (1, "cannot_unseal")
    assert "Nothing was changed" in rotated.error["message"]


async def test_an_expiry_is_announced_by_the_doctor_and_in_the_list(run_beside: RunBeside) -> None:
    async with loopback() as upstream:
        await add(run_beside, upstream, "--expires", "2001-01-31")
        doctor = await run_beside("doctor", "--json", settings=NOTHING)
        listed = await run_beside("connections", "ls", "--json", settings=NOTHING)
        tried = await run_beside("connections", "test", "lab", "--json", settings=NOTHING)
    (found,) = [each for each in doctor.json["findings"] if each["says"].startswith("lab: ")]
    assert found["level"] == "warning"
    assert "Its key has expired (2001-01-31T23:59Z)" in found["says"]
    assert "connections add lab --replace --expires DAY" in found["do"]
    for note in (listed.json["connections"][0]["note"], tried.json["note"]):
        assert note == "Its key has expired (2001-01-31T23:59Z): put a new one in its place."


async def test_a_proxy_with_a_password_is_kept_sealed_and_used(
    run_beside: RunBeside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with loopback(says("OK")) as upstream, a_proxy("http", upstream.port) as proxy:
        monkeypatch.setenv("MY_PROXY", proxy.url("me:obviously-fake"))
        words = ("connections", "add", "lab", "--provider", "custom-openai", "--base-url", "http://api.example.org/v1")
        more = ("--key-stdin", "--models", MODEL, "--proxy-env", "MY_PROXY", "--json")
        added = await run_beside(*words, *more, settings=NOTHING, stdin=KEY.encode())
        tried = await run_beside("connections", "test", "lab", "--json", settings=NOTHING)
    assert added.json["connection"]["proxy"] == f"http://***@127.0.0.1:{proxy.port}"
    assert tried.json["text"] == "OK"
    assert proxy.asked == ["POST http://api.example.org/v1/chat/completions"]
    assert len(proxy.passwords) == 1
    assert b"obviously-fake" not in everything_in(tmp_path)


@pytest.mark.parametrize("command", ["add", "ls", "test", "rm", "rotate-key"])
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    shown = run("connections", command, "--help")
    assert shown.code == 0
    assert f"omniroute-agent connections {command}" in shown.out
    assert "--key " not in shown.out
    assert json.dumps(KEY) not in shown.out
