"""Commands that show figures: spending, quota, how providers and combos did, the resilience profile."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.cli.conftest import Run
from fakes import FakeClock, Upstream, openai_error, openai_stream
from houses import a_house, ask

LIMITED = {"x-ratelimit-limit-requests-day": "50", "x-ratelimit-remaining-requests-day": "20"}


@pytest.fixture
def used(tmp_path: Path) -> str:
    """Settings whose house has served a request that fell back once."""

    async def traffic() -> None:
        upstream = Upstream([openai_error(429, "Slow down.", headers=LIMITED), openai_stream("Hi", usage=(1000, 100))])
        clock = FakeClock(wall=datetime.now(UTC))  # the commands below see the real one
        async with a_house(tmp_path, upstream, clock=clock) as house:
            await house.parts.turn.take(ask(house))

    asyncio.run(traffic())
    return f"--config={tmp_path / 'config.toml'}"


def test_the_figures_of_connections_are_a_table_with_unknown_things_said(run: Run, used: str, tmp_path: Path) -> None:
    where = f"--data-dir={tmp_path / 'data'}"
    shown = run("metrics", "--window", "7d", used, where)
    assert shown.code == 0, shown.err
    found = run("metrics", "--json", used, where).json
    assert (found["totals"]["requests"], found["totals"]["attempts"]) == (1, 2)
    assert [line.split()[:3] for line in shown.out.splitlines()[2:5]] == [
        ["all", "1", "50.0%"],
        ["one", "1", "0.0%"],
        ["two", "1", "100.0%"],
    ]
    combo = run("metrics", "--combo", "both", used, where).out
    assert "1 requests fell back" in combo
    assert "two/beta" in combo
    quota = run("quota", "--connection", "one", used, where).out
    assert "40 %  30 of 50" in quota


def test_nothing_spent_and_nothing_known_is_said(run: Run, used: str, tmp_path: Path) -> None:
    fresh = f"--data-dir={tmp_path / 'empty'}"
    assert "0 USD for 0 requests" in run("costs", used, fresh).out
    assert "one: No answer of it told one within a day." in run("quota", used, fresh).out
    shown = run("metrics", used, fresh).out
    assert "since " in shown
    assert shown.splitlines()[2].split()[:3] == ["all", "0", "?"]
    assert run("metrics", "--combo", "both", used, fresh).code == 0


def test_what_was_spent_is_told_by_group(run: Run, used: str, tmp_path: Path) -> None:
    where = f"--data-dir={tmp_path / 'data'}"
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    costs = run("costs", "--since", since, "--by", "connection", used, where)
    assert costs.code == 0, costs.err
    assert "0.012 USD for 1 requests" in costs.out
    assert [line.split()[:2] for line in costs.out.splitlines()[3:5]] == [["two", "0.012"], ["one", "0"]]
    found = run("costs", "--since", since, "--json", used, where).json
    assert {group["name"]: group["cost"] for group in found["groups"]} == {"beta": "0.012", "alpha": "0"}


def test_a_profile_is_shown_set_and_given_back_to_the_settings(run: Run, used: str) -> None:
    assert run("resilience", used).out.startswith("balanced  as the settings say\n  breaker: opens after 5 outages")
    assert "aggressive  set by owner at " in run("resilience", "aggressive", used).out
    shown = run("resilience", "--json", used).json
    assert (shown["profile"], shown["configured"], shown["calls_at_a_time"]) == ("aggressive", "balanced", 16)
    assert run("resilience", "--reset", used, "--json").json["set_by"] is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("resilience", "reckless"), "The profiles are conservative, balanced, aggressive."),
        (("resilience", "balanced", "--reset"), "Give a profile or --reset, not both."),
        (("metrics", "--provider", "one", "--combo", "both"), "Give --provider or --combo, not both."),
        (("costs", "--period", "day", "--since", "2026-11-21"), "give period or since/until, not both"),
        (("costs", "--since", "yesterday"), "give a day or a time in ISO 8601"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(run: Run, words: tuple[str, ...], says: str) -> None:
    shown = run(*words)
    assert shown.code == 2
    assert says in shown.err


def test_an_unknown_connection_gets_the_nearest_names(run: Run, used: str) -> None:
    shown = run("quota", "--connection", "onne", used)
    assert shown.code == 3
    assert "`one`" in shown.err
