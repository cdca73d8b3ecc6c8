"""A task in the trace of whoever sent it."""

from pathlib import Path

import pytest

from collector import collecting
from doors.a2a.rig import at_the_door, envelope, says
from fakes import Upstream, openai_stream
from houses import TWO_TARGETS

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
CARRIED = f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize("place", ["header", "metadata"])
async def test_the_trace_of_the_sender_goes_on_to_the_upstream_call(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with collecting() as collector:
        settings = f'[otel]\nendpoint = "{collector.url}"\n{TWO_TARGETS}'
        async with at_the_door(tmp_path, Upstream([openai_stream("Hello.")]), settings=settings) as door:
            options = {"traceparent": CARRIED} if place == "metadata" else None
            headers = {"a2a-version": "1.0", **({"traceparent": CARRIED} if place == "header" else {})}
            sent = await door.post("SendMessage", says("Greet me.", options=options), headers=headers)
            task = sent.json()["result"]["task"]
        span, call = collector.named("invoke_agent smart-routing"), collector.named("chat alpha")
    assert (span.trace_id, span.parent_id) == (TRACE, PARENT)
    assert (call.trace_id, call.parent_id) == (TRACE, span.span_id)
    assert span.attributes["gen_ai.conversation.id"] == task["contextId"]
    assert span.attributes["omniroute.request_id"] == envelope(task)["request_id"]
    assert not span.failed
