"""The tools as a caller sees them: every figure is read from somewhere and moves when the world does."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fakes import FakeClock, Upstream, openai_error, openai_stream
from houses import OWNER, a_house
from omniroute_agent.app import House
from omniroute_agent.kernel.errors import CallError, Conflict, InvalidRequest, NotFound
from omniroute_agent.tooling.tool import ToolContext

Call = Callable[..., Awaitable[dict[str, Any]]]


def caller_of(house: House, *, told: list[str] | None = None) -> Call:
    """Calls a tool as the MCP door does: arguments validated, result as JSON."""

    async def progress(_done: float, _total: float | None, message: str) -> None:
        if told is not None:
            told.append(message)

    async def call(name: str, **arguments: Any) -> dict[str, Any]:
        tool = next(tool for tool in house.tools if tool.name == f"omniroute_{name}")
        context = ToolContext(caller=OWNER, parts=house.parts, door="test", progress=progress, listens=told is not None)
        output = await tool.run(tool.input.model_validate(arguments), context)
        assert output.summary()
        return output.model_dump(mode="json")

    return call


HELLO = [{"role": "user", "content": "Hello"}]


async def test_a_routed_request_can_be_simulated_before_and_explained_after(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(500, "boom"), openai_stream("Hi", usage=(12, 2))])
    async with a_house(tmp_path, upstream) as house:
        call = caller_of(house)
        plan = await call("simulate_route", combo="both", messages=HELLO)
        assert upstream.seen == []
        routed = await call("route_request", combo="both", messages=HELLO)
        explained = await call("explain_route", request_id=routed["request_id"])
    assert [c["target"] for c in plan["choices"]] == ["one/alpha", "two/beta"]
    assert explained["plan"] == plan
    assert explained["receipt"] == routed["receipt"]
    assert routed["text"] == "Hi"
    assert routed["receipt"]["served_by"] == "two/beta"
    # 12 tokens at 10 USD and 2 at 20 USD per million.
    assert routed["receipt"]["cost"] == "0.00016"
    assert [t["fault"] for t in routed["receipt"]["tried"]] == ["server_error", None]


async def test_progress_tells_counts_and_never_text(tmp_path: Path) -> None:
    told: list[str] = []
    async with a_house(tmp_path, Upstream([openai_stream("secret", " answer")])) as house:
        await caller_of(house, told=told)("route_request", combo="both", messages=HELLO)
    assert told == ["planned, first target one/alpha", "pieces received: 1", "pieces received: 2"]


async def test_every_argument_of_a_request_reaches_the_provider(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("ok")])
    async with a_house(tmp_path, upstream) as house:
        await caller_of(house)(
            "route_request",
            model="one/alpha",
            messages=[
                {"role": "system", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Look"},
                        {"type": "image", "data": "aGk=", "media_type": "image/png"},
                    ],
                },
                {
                    "role": "assistant",
                    "content": [{"type": "tool_call", "id": "c1", "name": "see", "arguments": '{"x": 1}'}],
                },
                {"role": "user", "content": [{"type": "tool_result", "id": "c1", "text": "seen"}]},
            ],
            tools=[{"name": "see", "description": "Looks.", "parameters": {"type": "object"}}],
            tool_choice="see",
            max_tokens=77,
            temperature=0.5,
            json_schema={"type": "object", "properties": {}},
        )
    body = upstream.bodies[0]
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "tool"]
    assert body["messages"][1]["content"][1]["image_url"]["url"] == "data:image/png;base64,aGk="
    assert body["messages"][2]["tool_calls"][0]["function"] == {"name": "see", "arguments": '{"x": 1}'}
    assert body["messages"][3]["tool_call_id"] == "c1"
    assert body["tools"][0]["function"]["name"] == "see"
    assert body["tool_choice"] == {"type": "function", "function": {"name": "see"}}
    assert body["max_tokens"] == 77
    assert body["temperature"] == 0.5
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object", "properties": {}}


async def test_the_task_budget_key_and_deadline_of_a_request_are_honoured(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("once")])
    async with a_house(tmp_path, upstream) as house:
        call = caller_of(house)
        same: dict[str, Any] = {
            "combo": "both",
            "messages": HELLO,
            "task": "coding",
            "budget_usd": 0.01,
            "deadline_seconds": 30,
            "idempotency_key": "k",
        }
        first = await call("route_request", **same)
        again = await call("route_request", **same)
        explained = await call("explain_route", request_id=first["request_id"])
        with pytest.raises(Conflict):
            await call("route_request", **(same | {"task": "review"}))
    assert explained["plan"]["task"] == "coding"
    assert explained["plan"]["choices"][0]["max_tokens"] is not None
    assert again["receipt"]["replayed"] is True
    assert len(upstream.seen) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"messages": []}, "at least 1"),
        ({"messages": HELLO, "model": "a", "combo": "b"}, "give model or combo, not both"),
        ({"messages": HELLO, "budget_usd": "-1"}, "give an amount of USD"),
        ({"messages": HELLO, "budget_usd": "nan"}, "give an amount of USD"),
        ({"messages": HELLO, "max_tokens": 0}, "greater than or equal to 1"),
        ({"messages": HELLO, "surprise": 1}, "Extra inputs"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "needs url or data and media_type"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "'system', 'user' or 'assistant'"),
    ],
)
async def test_a_wrong_argument_is_named(tmp_path: Path, arguments: dict[str, Any], words: str) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(ValidationError, match=words):
            await caller_of(house)("route_request", **arguments)


async def test_a_tool_choice_that_names_no_tool_is_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(InvalidRequest, match="not among the tools"):
            await caller_of(house)("route_request", messages=HELLO, combo="both", tool_choice="see")


async def test_a_request_that_is_not_yours_cannot_be_explained(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Hi")])) as house:
        call = caller_of(house)
        routed = await call("route_request", combo="both", messages=HELLO)
        with pytest.raises(NotFound) as caught:
            await call("explain_route", request_id="nobody")
    assert routed["request_id"] in caught.value.hint


async def test_health_moves_with_the_world(tmp_path: Path) -> None:
    clock = FakeClock()
    upstream = Upstream([openai_error(401, "bad key"), openai_stream("Hi")])
    environment = {"GROQ_API_KEY": "obviously-fake"}
    async with a_house(tmp_path, upstream, clock=clock, environment=environment) as house:
        call = caller_of(house)
        before = await call("get_health")
        assert before["status"] == "ok"
        assert {c["id"]: c["state"] for c in before["connections"]} == {"one": "ready", "two": "ready", "groq": "ready"}
        assert before["guards"][0] | {"resets_at": None} == {
            "guard": "environment",
            "action": "block",
            "state": "within",
            "source": "settings",
            "window": "day:2026-11-21",
            "limit": "5",
            "spent": "0",
            "reserved": "0",
            "left": "5",
            "resets_at": None,
        }
        await call("route_request", combo="both", messages=HELLO)
        clock.advance(60)
        after = await call("get_health")
    one = next(c for c in after["connections"] if c["id"] == "one")
    two = next(c for c in after["connections"] if c["id"] == "two")
    assert after["status"] == "degraded"
    assert (one["state"], one["last_fault"], one["cooldown_left_seconds"]) == ("locked", "unauthorized", 240)
    assert two["last_success_at"] is not None
    assert after["uptime_seconds"] == before["uptime_seconds"] + 60
    assert after["database"]["ok"] is True
    assert set(after["not_measured"]) == {"rate_limit_headroom", "quota_left"}
    assert after["cache"] == {"entries": 0, "bytes": 0, "hits": 0, "joined": 0, "misses": 0}


async def test_health_tells_what_is_left_of_rate_limits_and_quotas_and_from_where(tmp_path: Path) -> None:
    headers = {
        "x-ratelimit-limit-requests-minute": "100",
        "x-ratelimit-remaining-requests-minute": "25",
        "x-ratelimit-limit-requests-day": "1000",
        "x-ratelimit-remaining-requests-day": "900",
        "x-ratelimit-reset-requests-day": "3600",
    }
    answer, last = openai_stream("Hi"), openai_stream("Hi")
    answer.headers.update(headers)
    last.headers.update(headers | {"x-ratelimit-remaining-requests-day": "0"})
    clock = FakeClock()
    async with a_house(tmp_path, Upstream([answer, last]), clock=clock) as house:
        call = caller_of(house)
        await call("route_request", combo="both", messages=HELLO)
        clock.advance(20)
        told = await call("get_health")
        await call("route_request", combo="both", messages=HELLO)
        spent = await call("get_health")
    one, two = told["connections"]
    assert (one["rate_limit_headroom"], one["quota_left"], one["state"]) == (0.25, 0.9, "ready")
    assert one["windows"] == {
        "requests/day (alpha)": "900 of 1000 left, resets at 2026-11-21T13:00:00+00:00; "
        "header x-ratelimit-remaining-requests-day, 20 s ago",
        "requests/min (alpha)": "25 of 100 left; header x-ratelimit-remaining-requests-minute, 20 s ago",
    }
    assert (two["rate_limit_headroom"], two["quota_left"], two["windows"]) == (None, None, {})
    assert "rate_limit_headroom" in told["not_measured"]
    one = spent["connections"][0]
    assert one["quota_left"] == 0.0
    (locked,) = one["locked_models"]
    assert (locked["model"], locked["reason"], locked["seconds_left"]) == ("alpha", "model_window_exhausted", 3600)


async def test_an_empty_account_is_a_state_of_its_own(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(402, "Insufficient balance"), openai_error(429, "Weekly quota is used up")])
    async with a_house(tmp_path, upstream) as house:
        call = caller_of(house)
        with pytest.raises(CallError):
            await call("route_request", combo="both", messages=HELLO)
        states = {c["id"]: c["state"] for c in (await call("get_health"))["connections"]}
    assert states == {"one": "out_of_credit", "two": "quota_exhausted"}


async def test_nothing_to_route_to_is_down(tmp_path: Path) -> None:
    async with a_house(tmp_path, settings="") as house:
        assert (await caller_of(house)("get_health"))["status"] == "down"


async def test_combos_show_what_they_stand_for_and_what_ails_them(tmp_path: Path) -> None:
    settings = """
    [[connections]]
    id = "one"
    provider = "custom-openai"
    base_url = "https://one.example/v1"
    models = ["alpha"]
    default_model = "alpha"

    [[combos]]
    name = "half"
    strategy = "cost-optimized"
    targets = ["one/alpha", "gone/model"]
    """
    async with a_house(tmp_path, Upstream([openai_stream("Hi")]), settings=settings) as house:
        call = caller_of(house)
        await call("route_request", combo="half", messages=HELLO)
        half, default = (await call("list_combos", include_metrics=True))["combos"]
    assert (half["name"], half["strategy"], half["is_default"]) == ("half", "cost-optimized", False)
    assert [t["resolves_to"] for t in half["targets"]] == [["one/alpha"], []]
    assert half["findings"][0] == "gone/model: No connection here serves it."
    assert half["findings"][1].startswith("`cost-optimized` needs a price")
    assert half["metrics"] == {"requests": 1, "attempts": 1, "cost": None}
    assert (default["name"], default["source"], default["is_default"]) == ("default", "built-in", True)
    assert [t["target"] for t in default["targets"]] == ["one/alpha"]


async def test_switching_a_combo_changes_where_the_next_request_goes(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hi")])
    async with a_house(tmp_path, upstream) as house:
        call = caller_of(house)
        switched = await call("switch_combo", combo="both", active=True)
        routed = await call("route_request", messages=HELLO)
        explained = await call("explain_route", request_id=routed["request_id"])
        with pytest.raises(InvalidRequest):
            await call("switch_combo", combo="both", active=False)
        await call("switch_combo", combo="default", active=True)
        off = await call("switch_combo", combo="both", active=False)
        with pytest.raises(CallError, match="disabled"):
            await call("route_request", combo="both", messages=HELLO)
    assert (switched["combo"]["is_default"], switched["combo"]["overridden"]) == (True, True)
    assert explained["plan"]["combo"] == "both"
    assert off["combo"]["enabled"] is False


async def test_the_catalogue_is_filtered_and_paged(tmp_path: Path) -> None:
    async with a_house(tmp_path, environment={"OPENAI_API_KEY": "obviously-fake"}) as house:
        call = caller_of(house)
        everything = await call("list_models_catalog", limit=200)
        mini = await call("list_models_catalog", search="gpt-4o-mini", capability="vision")
        first = await call("list_models_catalog", limit=2)
        second = await call("list_models_catalog", limit=2, cursor=first["next_cursor"])
        own = await call("list_models_catalog", provider="one")
        with pytest.raises(InvalidRequest):
            await call("list_models_catalog", cursor="x")
    assert everything["total"] > 10
    assert all(model["vision"] is True for model in mini["models"])
    assert any(model["id"] == "openai/gpt-4o-mini" and model["price"] for model in mini["models"])
    assert (len(first["models"]), first["truncated"]) == (2, True)
    assert {m["id"] for m in first["models"]}.isdisjoint({m["id"] for m in second["models"]})
    assert [m["id"] for m in own["models"]] == ["one/alpha"]
    assert own["models"][0]["price"]["input_usd_per_million"] == "1"


async def test_the_cost_report_adds_up_and_names_what_it_does_not_know(tmp_path: Path) -> None:
    clock = FakeClock()
    upstream = Upstream([openai_stream("a", usage=(1000, 100)), openai_stream("b", usage=None)])
    async with a_house(tmp_path, upstream, clock=clock) as house:
        call = caller_of(house)
        await call("route_request", combo="both", messages=HELLO)
        clock.advance(1)
        await call("route_request", model="two/beta", messages=HELLO, task="coding")
        clock.advance(1)
        day = await call("cost_report", group_by="model")
        by_task = await call("cost_report", group_by="task")
        session = await call("cost_report", period="session")
        earlier = await call("cost_report", since="2026-11-20T00:00:00Z", until="2026-11-21T00:00:00Z")
        snapshot = await call("get_session_snapshot")
    costs = {group["name"]: group["cost"] for group in day["groups"]}
    assert costs["alpha"] == "0.0012"
    assert day["totals"]["requests"] == 2
    assert 0 < day["totals"]["estimated_share"] < 1
    assert {group["name"] for group in by_task["groups"]} == {None, "coding"}
    assert session["totals"]["requests"] == 2
    assert earlier["totals"]["requests"] == 0
    assert (snapshot["requests"], snapshot["answered"], snapshot["cost"]) == (2, 2, day["totals"]["cost"])
    assert {m["name"] for m in snapshot["top_models"]} == {"alpha", "beta"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"period": "day", "since": "2026-11-20T00:00:00Z"},
        {"until": "2026-11-20T00:00:00Z"},
        {"since": "2026-11-21T00:00:00Z", "until": "2026-11-20T00:00:00Z"},
        {"period": "year"},
    ],
)
async def test_an_impossible_period_is_refused(tmp_path: Path, arguments: dict[str, Any]) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(ValidationError):
            await caller_of(house)("cost_report", **arguments)
