"""`budget handles`: the owner sees what agents may spend, and ends it."""

import asyncio
from pathlib import Path

from agent.cli.conftest import Run
from houses import a_house
from omniroute_agent.kernel.caller import Caller

AGENT = Caller(id="key-1", scopes=frozenset(("execute:completions",)), session="s1")


def given(directory: Path) -> tuple[str, str]:
    """A handle and a share of it, made by an agent; the handle's text and its id."""

    async def make() -> tuple[str, str]:
        async with a_house(directory) as house:
            minted = await house.parts.handles.mint(AGENT, 5_000_000_000, label="project")
            await house.parts.handles.split(AGENT, minted.text.reveal(), 2_000_000_000, label="research")
            return minted.text.reveal(), minted.row.id

    return asyncio.run(make())


def test_handles_are_listed_without_their_texts_and_revoked_with_all_below(run: Run, tmp_path: Path) -> None:
    text, handle_id = given(tmp_path)
    data = (f"--config={tmp_path / 'config.toml'}", f"--data-dir={tmp_path / 'data'}")
    listed = run("budget", "handles", *data)
    assert (listed.code, text in listed.out) == (0, False)
    lines = {line.split()[1]: line.split() for line in listed.out.splitlines()}
    assert lines["project"][2:9] == ["-", "key-1", "5", "0", "0", "2", "3"]
    assert lines["research"][2] == handle_id
    found = {row["label"]: row for row in run("budget", "handles", "ls", "--json", *data).json["handles"]}
    assert (found["project"]["left_usd"], found["research"]["state"]) == ("3", "good")
    assert text not in str(found)
    said = run("budget", "handles", "revoke", handle_id, *data)
    assert said.out == f"{handle_id} is revoked with 1 that came out of it. 0 of 5 USD were spent.\n"
    assert run("budget", "handles", "--json", *data).json == {"handles": []}
    kept = run("budget", "handles", "ls", "--all", "--json", *data).json["handles"]
    assert [(row["label"], row["state"], row["left_usd"]) for row in kept] == [
        ("project", "revoked", "5"),
        ("research", "revoked", "0"),
    ]


def test_without_handles_the_list_says_who_makes_them(run: Run) -> None:
    assert "Agents make them over A2A" in run("budget", "handles").out


def test_a_handle_that_is_not_there_cannot_be_revoked(run: Run) -> None:
    refused = run("budget", "handles", "revoke", "bh-0000000000")
    assert refused.code == 3
    assert "There is no such budget handle" in refused.err
