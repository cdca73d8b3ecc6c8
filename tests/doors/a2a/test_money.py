"""The money contract at the door: budget handles by JSON-RPC, tasks that they pay for, and the codes of failures."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doors.a2a.rig import Door, as_caller, at_the_door, envelope, old_says, says, state
from doors.house_rig import KEYS
from fakes import Upstream, openai_stream
from omniroute_agent.doors.a2a import legacy, modern
from omniroute_agent.doors.a2a.codes import CODES, INTERNAL, code_of
from omniroute_agent.doors.a2a.money import METHODS
from omniroute_agent.doors.holders import Holder
from omniroute_agent.kernel import errors
from omniroute_agent.kernel.errors import CallError, LimitReached, NotFound

READS, AGENT = "ork_reads-only", "ork_agent"
MORE_KEYS: Mapping[str, Holder] = {
    **KEYS,
    READS: Holder(id="reader", scopes=frozenset(("read:health",))),
    AGENT: Holder(id="agent", scopes=frozenset(("execute:completions",))),
}


async def made(door: Door, amount: str = "1", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = await door.ask("omniroute/budgetHandles/create", {"amount_usd": amount, **more})
    return found


async def looked(door: Door, handle: str) -> dict[str, Any]:
    found: dict[str, Any] = await door.ask("omniroute/budgetHandles/get", {"handle": handle})
    return found


async def test_a_handle_is_made_split_looked_at_and_revoked(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        handle = await made(door, "0.5", label="project", expires_in_seconds=3600)
        assert handle.pop("handle").startswith("orbh_")
        assert handle == {
            "id": handle["id"],
            "label": "project",
            "state": "good",
            "amount_usd": "0.5",
            "spent_usd": "0",
            "reserved_usd": "0",
            "given_usd": "0",
            "returned_usd": "0",
            "left_usd": "0.5",
            "created_at": "2026-11-21T12:00:00+00:00",
            "expires_at": "2026-11-21T13:00:00+00:00",
        }
        child = await door.ask("omniroute/budgetHandles/split", {"handle": handle["id"], "amount_usd": "0.2"})
        seen = await looked(door, handle["id"])
        assert (seen["left_usd"], seen["given_usd"], seen["more_children"]) == ("0.3", "0.2", "0")
        assert [each["id"] for each in seen["children"]] == [child["id"]]
        assert "handle" not in seen
        ended = await door.ask("omniroute/budgetHandles/revoke", {"handle": handle["id"], "child": child["id"]})
        assert (ended["state"], ended["left_usd"], ended["returned_usd"]) == ("revoked", "0", "0.2")
        assert (await looked(door, handle["id"]))["left_usd"] == "0.5"


@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_a_task_is_paid_by_the_handle_in_its_metadata(version: str, tmp_path: Path) -> None:
    async with at_the_door(tmp_path, Upstream([openai_stream("Hi.", usage=(100, 50))])) as door:
        handle = (await made(door))["handle"]
        options = {"model": "one/alpha", "max_tokens": 100, "budget": {"amount_usd": "0.01", "handle": handle}}
        if version == "1.0":
            task = (await door.ask("SendMessage", says("Greet me.", options=options)))["task"]
        else:
            params = old_says("Greet me.")
            params["message"]["metadata"] = says("", options=options)["message"]["metadata"]
            task = await door.ask("message/send", params)
        assert state(task) in ("TASK_STATE_COMPLETED", "completed")
        spent = (await looked(door, handle))["spent_usd"]
        assert spent == envelope(task)["cost_envelope"]["actual"] == "0.0002"
        assert handle not in str(task)
        secret = handle.split("_", 2)[2].encode()
        files = [path for path in (tmp_path / "data").iterdir() if path.is_file()]
        assert [path.name for path in files if secret in path.read_bytes()] == []


async def test_a_task_whose_handle_has_too_little_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hi.")])
    async with at_the_door(tmp_path, upstream) as door:
        handle = (await made(door, "0.000001"))["handle"]
        options = {"model": "one/alpha", "max_tokens": 100, "budget": {"handle": handle}}
        task = (await door.ask("SendMessage", says("Greet me.", options=options)))["task"]
        assert envelope(task)["policy_verdict"]["allowed"] is False
        assert envelope(task)["error"] == "limit_reached"
        assert (await looked(door, handle))["left_usd"] == "0.000001"
    assert upstream.seen == []


async def test_an_agent_spends_what_it_was_given_and_whoever_gave_it_sees_it(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hi.", usage=(100, 50))])
    async with at_the_door(tmp_path, upstream, keys=MORE_KEYS) as door:
        handle = (await made(door))["handle"]
        share = await door.ask("omniroute/budgetHandles/split", {"handle": handle, "amount_usd": "0.1"})
        async with as_caller(door.rig, AGENT) as http:
            agent = replace(door, http=http)
            options = {"model": "one/alpha", "max_tokens": 100, "budget": {"handle": share["handle"]}}
            await agent.ask("SendMessage", says("Greet me.", options=options))
            foreign = await agent.fault("omniroute/budgetHandles/get", {"handle": share["id"]})
            unknown = await agent.fault("omniroute/budgetHandles/get", {"handle": "bh-zzzzzzzzzz"})
        seen = await looked(door, handle)
    assert (seen["spent_usd"], seen["total_spent_usd"], seen["left_usd"]) == ("0", "0.0002", "0.9")
    assert foreign == unknown
    assert (foreign["code"], foreign["data"][0]["reason"]) == (-32011, "BUDGET_HANDLE_UNKNOWN")


async def test_what_does_not_fit_and_what_has_ended_have_codes_of_their_own(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        handle = (await made(door))["handle"]
        much = await door.fault("omniroute/budgetHandles/split", {"handle": handle, "amount_usd": "1.5"})
        assert (much["code"], much["data"][0]["reason"]) == (-32010, "LIMIT_REACHED")
        assert much["data"][0]["metadata"]["left_usd"] == "1"
        await door.ask("omniroute/budgetHandles/revoke", {"handle": handle})
        dead = await door.fault("omniroute/budgetHandles/split", {"handle": handle, "amount_usd": "0.5"})
        assert (dead["code"], dead["data"][0]["reason"]) == (-32012, "BUDGET_HANDLE_ENDED")
        assert dead["data"][0]["metadata"]["state"] == "revoked"


async def test_a_key_that_may_not_spend_gets_no_handle(tmp_path: Path) -> None:
    async with at_the_door(tmp_path, key=READS, keys=MORE_KEYS) as door:
        answer = await door.post("omniroute/budgetHandles/create", {"amount_usd": "1"})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == -32014


@pytest.mark.parametrize(
    ("method", "params", "complaint"),
    [
        ("create", {}, "`amount_usd` is needed"),
        ("create", {"amount_usd": 1}, "as text"),
        ("create", {"amount_usd": 0.5}, "as text"),
        ("create", {"amount_usd": True}, "as text"),
        ("create", {"amount_usd": "0"}, "above 0"),
        ("create", {"amount_usd": "-1"}, "above 0"),
        ("create", {"amount_usd": "1e3"}, "as text"),
        ("create", {"amount_usd": "0.0000000001"}, "nine decimals"),
        ("create", {"amount_usd": "NaN"}, "as text"),
        ("create", {"amount_usd": "9999999"}, "up to 9000000"),
        ("create", {"amount_usd": "٣"}, "as text"),
        ("create", {"amount_usd": "1", "expires_in_seconds": 0}, "whole number of seconds"),
        ("create", {"amount_usd": "1", "expires_in_seconds": "60"}, "whole number of seconds"),
        ("create", {"amount_usd": "1", "expires_in_seconds": 10**9}, "whole number of seconds"),
        ("create", {"amount_usd": "1", "label": ""}, "`label` must be"),
        ("create", {"amount_usd": "1", "label": "a\u001b[2Jb"}, "in one line"),
        ("create", {"amount_usd": "1", "caller": "owner"}, "`caller` is not known here"),
        ("split", {"amount_usd": "1"}, "`handle` is needed"),
        ("split", {"amount_usd": "1", "handle": {"a": 1}}, "`handle` must be"),
        ("get", {"handle": "nonsense"}, "cut off or mistyped"),
        ("get", {"handle": "x" * 201}, "`handle` must be"),
        ("revoke", {"handle": "nonsense", "child": 7}, "`child` must be"),
    ],
)
async def test_parameters_that_cannot_be_meant_are_named(
    method: str, params: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    async with at_the_door(tmp_path) as door:
        fault = await door.fault(f"omniroute/budgetHandles/{method}", params)
        kept = await door.house.parts.handles.all(every=True)
    assert fault["code"] == -32602
    assert complaint in fault["message"]
    assert list(kept) == []


def test_the_methods_are_of_neither_version() -> None:
    theirs = {*modern.ANSWERS, *modern.STREAMS, *legacy.ANSWERS, *legacy.STREAMS}
    assert theirs.isdisjoint(METHODS)


def test_every_way_a_call_can_fail_has_a_code_that_nothing_else_has() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CallError)}
    assert set(CODES) == kinds - {CallError}
    assert len({code.code for code in CODES.values()}) == len(CODES)
    ours = [code.code for code in CODES.values() if code.code not in (-32602, -32603)]
    assert all(-32099 <= code <= -32010 for code in ours)
    for kind, code in CODES.items():
        assert code_of(kind("x")) == code
    assert code_of(CallError("x")) == INTERNAL
    assert code_of(NotFound("x", facts={"budget_handle": None, "state": "unknown"})).code == -32011
    assert code_of(LimitReached("x", facts={"budget_handle": "bh-1", "state": "good"})).code == -32010
