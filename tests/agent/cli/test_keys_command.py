"""`keys`: made, listed, changed and taken back from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.cli.conftest import Run
from omniroute_agent.store.database import FILE


def made(run: Run, *words: str, name: str = "laptop") -> dict[str, Any]:
    found: dict[str, Any] = run("keys", "create", "--name", name, *words, "--json").json
    return found


def test_a_key_is_shown_once_and_alone_on_stdout(run: Run, tmp_path: Path) -> None:
    shown = run("keys", "create", "--name", "laptop")
    key = shown.out.strip()
    assert (shown.code, shown.out) == (0, f"{key}\n")
    assert key.startswith("ork_")
    assert "one time it is shown" in shown.err
    assert "may: agent" in shown.err
    listed = run("keys", "list").out + run("keys", "list", "--json").out
    assert "laptop" in listed
    assert key[15:] not in listed
    assert key[15:].encode() not in next(tmp_path.rglob(FILE)).read_bytes()


def test_what_a_key_may_is_said_in_full_for_programs(run: Run) -> None:
    key = made(
        run, "--scopes", "read:health,write:budget", "--expires", "2027-01-31", "--toolsets", "core", "--read-only"
    )
    assert key["scopes"] == ["read:health", "write:budget"]
    assert key["expires_at"] == "2027-01-31T23:59:59+00:00"
    assert (key["toolsets"], key["read_only"], key["revoked_at"]) == (["core"], True, None)
    (row,) = run("keys", "list", "--json").json["keys"]
    assert {**row, "key": key["key"]} == {**key, "state": "good"}


def test_a_preset_stands_for_its_scopes_and_a_span_for_its_end(run: Run) -> None:
    key = made(run, "--preset", "monitor", "--expires", "30d")
    assert key["scopes"] == ["read:health", "read:quota", "read:usage"]
    assert key["expires_at"] is not None


def test_a_key_is_changed_and_what_is_not_given_stays(run: Run) -> None:
    made(run, "--scopes", "read:health", "--tools", "get_health", "--expires", "30d")
    changed = run("keys", "set", "laptop", "--scopes", "full", "--json").json
    assert (changed["scopes"], changed["tools"]) == (["*"], ["omniroute_get_health"])
    assert changed["expires_at"] is not None
    again = run(
        "keys", "set", "laptop", "--expires", "never", "--tools", "none", "--exclude-tools", "cost_report", "--json"
    ).json
    assert (again["expires_at"], again["tools"], again["exclude_tools"]) == (None, [], ["omniroute_cost_report"])


def test_a_revoked_key_is_no_longer_listed_and_its_name_is_free(run: Run) -> None:
    first = made(run)
    assert run("keys", "revoke", "laptop").code == 0
    assert run("keys", "list", "--json").json == {"keys": []}
    (kept,) = run("keys", "list", "--all", "--json").json["keys"]
    assert (kept["id"], kept["state"]) == (first["id"], "revoked")
    second = made(run)
    assert second["id"] != first["id"]
    assert run("keys", "revoke", str(first["id"])).code == 3
    assert "not good any more" in run("keys", "set", str(first["id"]), "--scopes", "full").err


def test_without_keys_the_list_says_how_to_make_one(run: Run) -> None:
    assert "keys create --name laptop" in run("keys").out


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("create",), 2, "--name"),
        (("create", "--name", "a b"), 2, "64 letters"),
        (("create", "--name", "a", "--scopes", "read:everything"), 2, "is not a scope or preset"),
        (("create", "--name", "a", "--scopes", ""), 2, "opens nothing"),
        (("create", "--name", "a", "--preset", "god"), 2, "readonly, agent, monitor, full"),
        (("create", "--name", "a", "--preset", "agent", "--scopes", "full"), 2, "--scopes or --preset"),
        (("create", "--name", "a", "--expires", "soon"), 2, "30d, 12h or 45m"),
        (("create", "--name", "a", "--expires", "2020-01-01"), 2, "over already"),
        (("create", "--name", "a", "--toolsets", "cors"), 2, "core"),
        (("create", "--name", "a", "--tools", "get_helth"), 3, "get_health"),
        (("set", "a", "--scopes", "full"), 3, "No key"),
        (("set", "a"), 2, "Nothing is to be changed"),
        (("revoke", "a"), 3, "No key"),
    ],
)
def test_what_cannot_be_done_says_what_can(run: Run, words: tuple[str, ...], code: int, complaint: str) -> None:
    shown = run("keys", *words)
    assert (shown.code, shown.out) == (code, "")
    assert complaint in shown.err


def test_two_living_keys_do_not_share_a_name(run: Run) -> None:
    made(run)
    shown = run("keys", "create", "--name", "laptop", "--json")
    assert (shown.code, json.loads(shown.err)["error"]["code"]) == (1, "conflict")


def test_a_key_is_made_with_a_budget_of_its_own(run: Run) -> None:
    shown = run("keys", "create", "--name", "swarm", "--budget", "5", "--budget-period", "week")
    assert "All it does may cost 5 USD a week." in shown.err
    (row,) = run("keys", "list", "--json").json["keys"]
    assert (row["budget"]["limit_usd"], row["budget"]["period"], row["budget"]["left_usd"]) == ("5", "week", "5")
    guards = {guard["guard"]: guard for guard in run("budget", "ls", "--json").json["guards"]}
    guard = guards[row["id"]]
    assert (guard["caller"], guard["action"], guard["limit_usd"]) == (row["id"], "block", "5")
    assert "5 of 5 USD a week left" in run("keys").out


def test_a_budget_is_changed_and_taken_away_and_what_is_not_said_of_it_stays(run: Run) -> None:
    key = made(run, "--budget", "5")
    assert (key["budget"]["period"], key["budget"]["spent_usd"]) == ("day", "0")
    assert run("keys", "set", "laptop", "--scopes", "full", "--json").json["budget"]["limit_usd"] == "5"
    changed = run("keys", "set", "laptop", "--budget-period", "month", "--json").json["budget"]
    assert (changed["limit_usd"], changed["period"]) == ("5", "month")
    changed = run("keys", "set", "laptop", "--budget", "7.5", "--json").json["budget"]
    assert (changed["limit_usd"], changed["period"]) == ("7.5", "month")
    assert "full for up to 7.5 USD a month" in run("keys", "set", "laptop", "--scopes", "full").out
    assert run("keys", "set", "laptop", "--budget", "none", "--json").json["budget"] is None
    assert key["id"] not in run("budget", "ls").out


def test_a_revoked_keys_budget_goes_with_it(run: Run) -> None:
    key = made(run, "--budget", "5")
    assert run("keys", "revoke", "laptop", "--json").json["budget"] is None
    assert key["id"] not in run("budget", "ls").out


def test_a_key_that_cannot_be_made_leaves_no_budget_behind(run: Run) -> None:
    made(run)
    before = run("budget", "ls", "--json").json
    assert run("keys", "create", "--name", "laptop", "--budget", "5").code != 0
    assert run("budget", "ls", "--json").json == before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("create", "--name", "a", "--budget", "much"), "is not a limit"),
        (("create", "--name", "a", "--budget", "-1"), "is not a limit"),
        (("create", "--name", "a", "--budget", "none"), "is not a limit"),
        (("create", "--name", "a", "--budget-period", "week"), "goes with --budget"),
        (("create", "--name", "a", "--budget", "1", "--budget-period", "session"), "session"),
        (("set", "laptop", "--budget-period", "week"), "has no budget yet"),
    ],
)
def test_a_budget_that_is_none_is_refused(run: Run, words: tuple[str, ...], complaint: str) -> None:
    made(run)
    refused = run("keys", *words)
    assert refused.code != 0
    assert complaint in refused.err
