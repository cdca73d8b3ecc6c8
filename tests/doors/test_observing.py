"""What a supervisor and Prometheus see, through the gate and over a real port."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from doors.http_rig import KEYS, OTHER_KEY, Rig, call, modern_headers, running
from fakes import Upstream, openai_error, openai_stream
from houses import TWO_TARGETS, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.doors.exposition import CONTENT_TYPE, Reading, exposition
from omniroute_agent.doors.holders import Holder, key_digest
from omniroute_agent.doors.mcp.http import caller_of, http_app
from omniroute_agent.doors.mcp.server import make_server
from omniroute_agent.doors.observing import HEALTH_PATHS, observing_routes
from omniroute_agent.kernel.errors import CallError, StoreUnavailable
from omniroute_agent.kernel.meter import Family, Meter
from omniroute_agent.kernel.secret import Secret

NARROW_KEY = "narrow-key-for-tests"
NARROW = Holder(id="narrow", scopes=frozenset(("read:models",)))


@asynccontextmanager
async def served(house: House, *, open_health: bool = False) -> AsyncIterator[Rig]:
    async def parts() -> Any:
        return house.parts

    app = http_app(
        lambda door: make_server(house.tools, parts, caller_of, door=door, version="1.0.0"),
        {**KEYS, key_digest(Secret(NARROW_KEY)): NARROW},
        house.parts.ports,
        routes=observing_routes(house.parts),
        open_paths=HEALTH_PATHS if open_health else frozenset(),
    )
    async with running(app) as rig:
        yield rig


async def scraped(rig: Rig) -> dict[str, float]:
    """Every sample by its name and labels; the page is checked for its form on the way."""
    async with rig.http() as http:
        answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == CONTENT_TYPE
    assert answer.text.endswith("\n")
    found: dict[str, float] = {}
    for line in answer.text.splitlines():
        if line.startswith("# "):
            assert re.fullmatch(r"# (?:HELP [a-z_]+ .+|TYPE [a-z_]+ (?:counter|gauge|histogram))", line), line
            continue
        sample = re.fullmatch(r'([a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)+\})?) (\S+)', line)
        assert sample, line
        assert sample[1] not in found
        found[sample[1]] = float(sample[2])
    return found


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_without_a_key_nothing_is_told(tmp_path: Path, path: str) -> None:
    async with a_house(tmp_path) as house, served(house) as rig, rig.http({}) as http:
        assert (await http.get(path)).status_code == 401


async def test_open_health_tells_anybody_one_word_and_no_more(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, served(house, open_health=True) as rig, rig.http({}) as http:
        health, ready, metrics = [await http.get(path) for path in ("/healthz", "/readyz", "/metrics")]
        assert (await http.post("/healthz")).status_code == 405
        assert (await http.get("/healthz", headers={"host": "evil.example"})).status_code == 421
    assert (health.status_code, health.text) == (200, "ok\n")
    assert (ready.status_code, ready.text) == (200, "ready\n")
    assert metrics.status_code == 401


async def test_a_key_without_the_scope_learns_one_word_and_no_figures(tmp_path: Path) -> None:
    narrow = {"Authorization": f"Bearer {NARROW_KEY}"}
    async with a_house(tmp_path) as house, served(house) as rig, rig.http(narrow) as http:
        assert (await http.get("/readyz")).text == "ready\n"
        refused = await http.get("/metrics")
    assert refused.status_code == 403
    assert "read:health" in refused.json()["error"]["message"]


async def test_ready_means_a_database_that_can_be_written_and_something_that_can_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = {"Authorization": f"Bearer {OTHER_KEY}"}
    async with a_house(tmp_path) as house, served(house) as rig, rig.http(reader) as http:
        good = await http.get("/readyz")
        assert good.json() == {"ready": True, "database": "ok", "connections": 2, "usable": 2}

        async def refuse() -> Any:
            raise StoreUnavailable("The disk is full.", hint="Free some space.")

        monkeypatch.setattr(house.parts.database, "check", refuse)
        assert (await http.get("/readyz")).status_code == 200, "asked again within five seconds"
        await house.parts.ports.sleep(6)
        bad = await http.get("/readyz")
    assert bad.status_code == 503
    assert bad.json()["database"] == "The disk is full. Free some space."


async def test_without_a_connection_nothing_is_ready(tmp_path: Path) -> None:
    async with a_house(tmp_path, settings="") as house, served(house) as rig, rig.http() as http:
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["usable"] == 0


async def test_a_connection_whose_breaker_is_open_is_not_usable(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(500, "down")])
    async with a_house(tmp_path, upstream) as house, served(house) as rig:
        for _ in range(8):
            with pytest.raises(CallError):
                await house.parts.turn.take(ask(house))
        figures = await scraped(rig)
        async with rig.http() as http:
            assert (await http.get("/readyz")).status_code == 503
    assert figures['omniroute_breaker_state{connection="one",state="open"}'] == 1
    assert figures['omniroute_breaker_state{connection="one",state="closed"}'] == 0
    assert figures['omniroute_connection_usable{provider="custom-openai",connection="one"}'] == 0


async def test_the_figures_are_those_of_what_happened(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(503, "down"), openai_stream("Hello.", usage=(1000, 100))])
    async with a_house(tmp_path, upstream) as house, served(house) as rig:
        request = {"combo": "both", "messages": [{"role": "user", "content": "Hi"}]}
        async with rig.http() as http:
            name = "route_request"
            answer = await http.post("/mcp", json=call(name, request), headers=modern_headers(name))
            assert answer.status_code == 200
            await http.post("/mcp", json=call("invented"), headers=modern_headers("invented"))
        figures = await scraped(rig)
    one, two = ('provider="custom-openai",connection="one"', 'provider="custom-openai",connection="two"')
    assert figures['omniroute_requests_total{combo="both",state="answered"}'] == 1
    assert figures['omniroute_request_seconds_count{combo="both"}'] == 1
    assert figures[f'omniroute_attempts_total{{{one},outcome="failed"}}'] == 1
    assert figures[f'omniroute_faults_total{{{one},fault="overloaded"}}'] == 1
    assert figures[f'omniroute_attempts_total{{{two},outcome="answered"}}'] == 1
    assert figures[f"omniroute_attempt_seconds_count{{{two}}}"] == 1
    assert figures[f"omniroute_first_token_seconds_count{{{two}}}"] == 1
    assert figures[f'omniroute_tokens_total{{{two},kind="input"}}'] == 1000
    assert figures[f'omniroute_tokens_total{{{two},kind="output"}}'] == 100
    assert figures[f'omniroute_cost_usd_total{{{two},state="exact"}}'] == pytest.approx(0.012)
    assert figures['omniroute_tool_calls_total{tool="omniroute_route_request",outcome="ok"}'] == 1
    assert figures['omniroute_tool_calls_total{tool="(unknown)",outcome="unknown_tool"}'] == 1
    assert figures['omniroute_calls_in_flight{connection="two"}'] == 0
    assert figures['omniroute_call_places{connection="two"}'] >= 1
    assert figures["omniroute_database_commit_seconds_count"] == figures["omniroute_database_commits_total"] > 0
    assert figures["omniroute_database_up"] == 1
    assert not any("invented" in name or "beta" in name or "alpha" in name for name in figures)


async def test_a_request_that_fails_is_counted_with_its_code_and_a_cached_one_as_a_hit(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hello."), openai_error(400, "no")])
    async with a_house(tmp_path, upstream, settings=TWO_TARGETS) as house, served(house) as rig:
        request = {"combo": "both", "temperature": 0, "messages": [{"role": "user", "content": "Hi"}]}
        async with rig.http() as http:
            for _ in range(2):
                await http.post("/mcp", json=call("route_request", request), headers=modern_headers("route_request"))
        with pytest.raises(CallError):
            await house.parts.turn.take(ask(house, "Something else"))
        figures = await scraped(rig)
    assert figures['omniroute_cache_requests_total{result="hit"}'] == 1
    assert figures['omniroute_cache_requests_total{result="miss"}'] == 1
    assert figures["omniroute_cache_entries"] == 1
    assert sum(value for name, value in figures.items() if name.startswith("omniroute_request_errors_total")) == 1


async def test_figures_without_the_database_are_still_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_house(tmp_path) as house, served(house) as rig:

        async def refuse(*_: object) -> Any:
            raise StoreUnavailable("The disk is gone.")

        monkeypatch.setattr(house.parts.database, "read", refuse)
        figures = await scraped(rig)
    assert figures["omniroute_database_up"] == 0
    assert "omniroute_database_commits_total" in figures


async def test_many_scrapes_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house, served(house) as rig:
        pages = await asyncio.gather(*(scraped(rig) for _ in range(8)))
    assert len({tuple(sorted(page)) for page in pages}) == 1


def test_labels_are_escaped() -> None:
    meter = Meter()
    meter.count(Family("odd_total", "counter", "Odd.", ("name",)), 'a "quoted"\nback\\slash')
    assert exposition(meter, ()).splitlines()[-1] == 'odd_total{name="a \\"quoted\\"\\nback\\\\slash"} 1'


def test_a_histogram_is_cumulative_and_ends_with_everything() -> None:
    meter = Meter()
    family = Family("wait_seconds", "histogram", "Waiting.", ("who",), (0.5, 1.0))
    for value in (0.1, 0.7, 9.0):
        meter.observe(family, value, "a")
    assert exposition(meter, [Reading("up", "gauge", "Up.", (), (((), 1.0),))]).splitlines() == [
        "# HELP wait_seconds Waiting.",
        "# TYPE wait_seconds histogram",
        'wait_seconds_bucket{who="a",le="0.5"} 1',
        'wait_seconds_bucket{who="a",le="1"} 2',
        'wait_seconds_bucket{who="a",le="+Inf"} 3',
        'wait_seconds_sum{who="a"} 9.8',
        'wait_seconds_count{who="a"} 3',
        "# HELP up Up.",
        "# TYPE up gauge",
        "up 1",
    ]
