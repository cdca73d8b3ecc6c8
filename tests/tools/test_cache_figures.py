"""What the tools tell of kept answers: counted, never assumed."""

import asyncio
from pathlib import Path
from typing import Any

from fakes import Upstream, openai_stream
from houses import TWO_TARGETS, a_house
from tools.test_tools import HELLO, caller_of

COLD: dict[str, Any] = {"combo": "both", "messages": HELLO, "temperature": 0}


async def test_health_counts_what_was_kept_given_again_and_joined(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([lambda _: openai_stream("Hi", usage=(12, 2))])) as house:
        call = caller_of(house)
        before = (await call("get_health"))["cache"]
        await asyncio.gather(*(call("route_request", **COLD) for _ in range(3)))
        await call("route_request", **COLD)
        await call("route_request", **{**COLD, "temperature": 1})
        after = await call("get_health")
        held = await house.parts.reuse.rows.entries("owner", at=0, limit=10)
    assert before == {"entries": 0, "bytes": 0, "hits": 0, "joined": 0, "misses": 0}
    assert after["cache"] == {"entries": 1, "bytes": held[0].bytes, "hits": 1, "joined": 2, "misses": 1}
    assert "cache" not in after["not_measured"]


async def test_health_says_when_there_is_no_cache(tmp_path: Path) -> None:
    async with a_house(tmp_path, settings=f"[cache]\nenabled = false\n{TWO_TARGETS}") as house:
        found = await caller_of(house)("get_health")
    assert found["cache"] is None
    assert "[cache] enabled" in found["not_measured"]["cache"]


async def test_a_kept_answer_is_explained_by_the_request_it_came_from(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hi", usage=(12, 2)), openai_stream("Anew")])
    async with a_house(tmp_path, upstream) as house:
        call = caller_of(house)
        first = await call("route_request", **COLD)
        again = await call("route_request", **COLD)
        told = await call("explain_route", request_id=again["request_id"])
        anew = await call("route_request", **COLD, cache=False)
        report = await call("cost_report", period="day")
    assert (again["text"], again["receipt"]["cost"], again["receipt"]["reused"]) == ("Hi", "0", "cached")
    assert told["receipt"]["answer_of"] == first["request_id"]
    assert (told["state"], told["plan"]) == ("answered", None)
    assert (anew["text"], anew["receipt"]["reused"]) == ("Anew", None)
    assert report["totals"]["attempts"] == 2
