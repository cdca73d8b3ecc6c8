"""Commands about callers: the owner sees what all of them did, and names one of them as its key is called."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.cli.conftest import Run
from fakes import CountedIds, FakeClock, Upstream, openai_stream
from houses import OWNER, a_house, ask
from omniroute_agent.kernel.caller import Caller

FULL = frozenset(("*",))


class Used:
    """Commands over a house in which callers do something."""

    def __init__(self, run: Run, home: Path) -> None:
        self._run = run
        self._home = home
        self._ids = CountedIds()

    def __call__(self, *words: str) -> Any:
        return self._run(f"--config={self._home / 'config.toml'}", *words)

    def key(self, name: str) -> str:
        """A new key's id."""
        found: str = self("keys", "create", "--name", name, "--json").json["id"]
        return found

    def costs(self, *words: str) -> Any:
        """Of the last hour."""
        return self("costs", "--since", (datetime.now(UTC) - timedelta(hours=1)).isoformat(), *words)

    def do(self, *callers: str) -> None:
        """Each asks for something that costs 0.012 USD, and calls a tool."""

        async def traffic() -> None:
            upstream = Upstream([openai_stream("Hi", usage=(1000, 100)) for _ in callers])
            clock = FakeClock(wall=datetime.now(UTC))  # the commands see the real one
            async with a_house(self._home, upstream, clock=clock, ids=self._ids) as house:
                for name in callers:
                    caller = OWNER if name == "owner" else Caller(id=name, scopes=FULL, session="s")
                    await house.parts.turn.take(ask(house, model="two/beta", caller=caller))
                    house.parts.audit.record_call(
                        at=house.parts.ports.now().timestamp(),
                        caller=caller,
                        door="mcp-http",
                        tool="omniroute_route_request",
                        arguments={},
                        outcome="ok",
                        duration_ms=1.0,
                        request_id=None,
                    )

        asyncio.run(traffic())


@pytest.fixture
def used(run: Run, tmp_path: Path) -> Used:
    made = Used(run, tmp_path)
    made.do()
    return made


def test_the_owner_sees_what_a_key_spent(used: Used) -> None:
    laptop, other = used.key("laptop"), used.key("other")
    used.do(laptop, laptop, "owner")
    shown = used.costs()
    assert shown.out.startswith("0.036 USD for 3 requests, ")
    assert "all callers: 3,000 tokens in, 300 out" in shown.out
    assert ["beta", "0.036", "3"] in [line.split()[:3] for line in shown.out.splitlines()]
    assert f"caller laptop ({laptop}): 2,000 tokens in" in used.costs("--caller", "laptop").out
    for said, cost, requests in (
        ("laptop", "0.024", 2),
        (laptop, "0.024", 2),
        ("owner", "0.012", 1),
        (other, "0", 0),
        ("token:alice", "0", 0),
    ):
        found = used.costs("--caller", said, "--json").json
        assert (found["totals"]["cost"], found["totals"]["requests"]) == (cost, requests)
        assert sum(group["requests"] for group in found["groups"]) == requests


def test_the_report_of_everyone_has_what_the_tools_report_has(used: Used) -> None:
    used.do("owner")
    everyone, owner = (
        used("costs", "--period", "month", *words, "--json").json for words in ((), ("--caller", "owner"))
    )
    assert {**everyone, "scope": "", "until": ""} == {**owner, "scope": "", "until": ""}
    until = ("--since", "2026-01-01", "--until", "2026-01-02", "--by", "task")
    assert used("costs", *until, "--json").json["totals"]["requests"] == 0


def test_what_a_key_did_is_erased_by_its_name(used: Used) -> None:
    before = used.key("laptop")
    used.do(before, "owner")
    used("keys", "revoke", "laptop")
    now = used.key("laptop")
    used.do(now, now)
    calls = used("audit", "--caller", "laptop", "--json").json["calls"]
    assert [call["caller"] for call in calls] == [now, now, before]
    assert len(used("audit", "--caller", "laptop", "--limit", "1", "--json").json["calls"]) == 1
    assert used("audit", "clear", "--caller", "laptop").out == f"Erased 3 recorded calls of laptop ({now}, {before}).\n"
    assert [call["caller"] for call in used("audit", "--json").json["calls"]] == ["owner"]


@pytest.mark.parametrize(
    "command",
    [("audit",), ("audit", "clear"), ("cache", "clear"), ("costs",), ("budget", "set", "daily", "--limit", "1")],
)
def test_an_unknown_caller_gets_the_nearest_names(used: Used, command: tuple[str, ...]) -> None:
    used.key("laptop")
    refused = used(*command, "--caller", "labtop", "--json")
    assert refused.code == 3
    assert refused.error["message"] == "No caller is called `labtop`."
    assert "`laptop`" in refused.error["hint"]


def test_a_guard_for_a_key_is_set_by_its_name(used: Used) -> None:
    laptop = used.key("laptop")
    used.do(laptop, "owner")
    guard = used("budget", "set", "daily", "--limit", "1", "--caller", "laptop", "--json").json["guard"]
    assert guard["caller"] == laptop
    (listed,) = (each for each in used("budget", "ls", "--json").json["guards"] if each["guard"] == "daily")
    assert (listed["caller"], listed["spent_usd"]) == (laptop, "0.012")
