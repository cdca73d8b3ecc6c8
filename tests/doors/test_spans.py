"""Spans as a collector gets them: one per tool call, one per upstream call below it, and no word of any prompt."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from collector import Collector, collecting
from doors.test_audit import client_of
from fakes import Upstream, openai_error, openai_stream
from houses import TWO_TARGETS, a_house
from omniroute_agent.app import House

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
PROMPT = "a prompt that nobody else shall read"
SERVER, CLIENT = 2, 3


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@asynccontextmanager
async def traced(directory: Path, collector: Collector, upstream: Upstream) -> AsyncIterator[House]:
    settings = f'[otel]\nendpoint = "{collector.url}"\n{TWO_TARGETS}'
    async with a_house(directory, upstream, settings=settings) as house:
        yield house


def routed() -> dict[str, Any]:
    return {"combo": "both", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 50}


async def test_an_upstream_call_hangs_below_the_tool_call_that_caused_it(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(503, "down"), openai_stream("An answer that nobody else shall read.")])
    async with collecting() as collector:
        async with traced(tmp_path, collector, upstream) as house, client_of(house) as client:
            answer = await client.call_tool("omniroute_route_request", routed())
        tool = collector.named("tools/call omniroute_route_request")
        broken, good = collector.named("chat alpha"), collector.named("chat beta")
    assert answer.structured_content is not None
    request_id = answer.structured_content["request_id"]
    assert tool.kind == SERVER
    assert tool.attributes["mcp.method.name"] == "tools/call"
    assert tool.attributes["gen_ai.tool.name"] == "omniroute_route_request"
    assert tool.attributes["gen_ai.operation.name"] == "execute_tool"
    assert tool.attributes["mcp.protocol.version"] == "2026-07-28"
    assert tool.attributes["network.transport"] == "pipe"
    assert tool.attributes["omniroute.request_id"] == request_id
    assert not tool.failed
    for span in (broken, good):
        assert span.kind == CLIENT
        assert (span.trace_id, span.parent_id) == (tool.trace_id, tool.span_id)
        assert span.attributes["omniroute.request_id"] == request_id
        assert span.attributes["gen_ai.provider.name"] == "custom-openai"
        assert span.attributes["gen_ai.request.max_tokens"] == 50
    assert broken.failed
    assert broken.attributes["error.type"] == "overloaded"
    assert not good.failed
    assert good.attributes["gen_ai.usage.input_tokens"] == 10
    assert good.attributes["gen_ai.usage.output_tokens"] == 5
    assert good.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert good.attributes["gen_ai.response.model"] == "fake-model"
    assert collector.resource["service.name"] == "omniroute-agent"
    assert b"nobody else shall read" not in collector.raw
    assert b"obviously-fake" not in collector.raw


async def test_the_trace_of_the_client_goes_on(tmp_path: Path) -> None:
    meta: Any = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    nonsense: Any = {"traceparent": "nonsense"}
    async with collecting() as collector:
        async with traced(tmp_path, collector, Upstream()) as house, client_of(house) as client:
            await client.call_tool("omniroute_ok", {}, meta=meta)
            await client.call_tool("omniroute_list_combos", {}, meta=nonsense)
        named, lost = collector.named("tools/call omniroute_ok"), collector.named("tools/call omniroute_list_combos")
    assert (named.trace_id, named.parent_id) == (TRACE, PARENT)
    assert lost.trace_id != TRACE
    assert lost.parent_id == ""


async def test_a_call_that_fails_is_marked_and_an_invented_name_names_no_span(tmp_path: Path) -> None:
    async with collecting() as collector:
        async with traced(tmp_path, collector, Upstream()) as house, client_of(house) as client:
            await client.call_tool("omniroute_fail", {"how": "budget"})
            with suppress(MCPError):
                await client.call_tool("omniroute_invented_0815", {})
        failed, unknown = collector.named("tools/call omniroute_fail"), collector.named("tools/call")
    assert failed.failed
    assert failed.attributes["error.type"] == "tool_error"
    assert failed.attributes["omniroute.outcome"] == "limit_reached"
    assert unknown.attributes["error.type"] == "-32602"
    assert unknown.attributes["rpc.response.status_code"] == "-32602"
    assert b"invented_0815" not in collector.raw


async def test_a_collector_that_is_not_there_breaks_nothing(tmp_path: Path) -> None:
    async with collecting() as collector:
        pass
    async with asyncio.timeout(30):
        async with traced(tmp_path, collector, Upstream([openai_stream("Hi.")])) as house, client_of(house) as client:
            answer = await client.call_tool("omniroute_route_request", routed())
    assert not answer.is_error
