import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.kernel.chat import (
    ChatEvent,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageSeen,
)
from omniroute_agent.kernel.fold import Fold
from omniroute_agent.wire.dialect import Encoder, ErrorReport, StreamedError
from omniroute_agent.wire.sse import SseParser
from omniroute_agent.wire.table import DIALECTS
from streams import read

EVERY = sorted(DIALECTS)


def encoder(dialect: str, *, include_usage: bool = True) -> Encoder:
    return DIALECTS[dialect].encoder(id="x", model="served", created=7, include_usage=include_usage)


def written(dialect: str, *events: ChatEvent) -> bytes:
    made = encoder(dialect)
    return b"".join(made.encode(event) for event in events) + made.finish()


def folded(*events: ChatEvent) -> Fold:
    fold = Fold()
    for event in events:
        fold.add(event)
    return fold


USAGES = st.integers(0, 9).flatmap(
    lambda cached: st.builds(
        Usage,
        input_tokens=st.integers(cached, 50),
        output_tokens=st.integers(9, 50),
        cache_read_tokens=st.just(cached),
        reasoning_tokens=st.integers(0, 9),
    )
)
WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=4)


@st.composite
def answers(draw: st.DrawFn) -> list[ChatEvent]:
    """Events as a decoder gives them: pieces in any order, the pieces of parallel calls mixed."""
    events: list[ChatEvent] = draw(st.lists(st.builds(TextDelta, WORDS) | st.builds(ReasoningDelta, WORDS), max_size=5))
    calls = draw(st.integers(0, 3))
    pieces = [(call, piece) for call in range(calls) for piece in ('{"q"', ":", str(call), "}")]
    order = draw(st.permutations([call for call, _ in pieces]))
    events += (ToolCallDelta(call, f"id{call}", f"f{call}") for call in range(calls))
    left = {call: [piece for owner, piece in pieces if owner == call] for call in range(calls)}
    events += (ToolCallDelta(call, arguments=left[call].pop(0)) for call in order)
    finish: FinishReason = "tool_calls" if calls else draw(st.sampled_from(("stop", "length")))
    return [*events, UsageSeen(draw(USAGES)), Finished(finish, "served")]


@pytest.mark.parametrize("dialect", EVERY)
@given(events=answers())
def test_a_client_reads_what_was_encoded(dialect: str, events: list[ChatEvent]) -> None:
    sent = folded(*events)
    if dialect == "ollama" and sent.usage is not None:
        # It counts no more than this.
        sent.usage = Usage(input_tokens=sent.usage.input_tokens, output_tokens=sent.usage.output_tokens)
    assert folded(*read(dialect, written(dialect, *events))).answer() == sent.answer()


@given(answers())
def test_content_blocks_never_overlap(events: list[ChatEvent]) -> None:
    sent = [json.loads(event.data) for event in SseParser().feed(written("anthropic-messages", *events))]
    open_block: int | None = None
    started = -1
    for event in sent:
        match event["type"]:
            case "content_block_start":
                assert open_block is None
                started += 1
                open_block = event["index"]
                assert open_block == started
            case "content_block_delta":
                assert event["index"] == open_block
            case "content_block_stop":
                assert event["index"] == open_block
                open_block = None
            case _:
                assert open_block is None


def test_the_second_call_streams_on_once_the_first_is_complete() -> None:
    made = encoder("anthropic-messages")
    made.encode(ToolCallDelta(0, "a", "f", "{}"))
    assert b'"name":"g"' in made.encode(ToolCallDelta(1, "b", "g"))
    assert b"partial_json" in made.encode(ToolCallDelta(1, arguments="{}"))
    assert made.encode(ToolCallDelta(0, arguments=" ")) == b""


@pytest.mark.parametrize("dialect", EVERY)
def test_an_answer_without_an_end_finishes_as_an_error(dialect: str) -> None:
    with pytest.raises(StreamedError, match="broke off"):
        read(dialect, written(dialect, TextDelta("Hal")))


@pytest.mark.parametrize("dialect", EVERY)
def test_a_failure_is_an_error_event_without_a_terminal_marker(dialect: str) -> None:
    made = encoder(dialect)
    content = made.encode(TextDelta("Hal")) + made.fail(ErrorReport(message="It broke.", code="cut_off"))
    assert b"[DONE]" not in content
    assert b"message_stop" not in content
    assert b"response.completed" not in content
    assert b"finishReason" not in content
    assert b'"done":true' not in content
    with pytest.raises(StreamedError, match="It broke"):
        read(dialect, content)


def test_usage_is_told_only_to_who_asked_for_it() -> None:
    made = encoder("openai-chat", include_usage=False)
    made.encode(UsageSeen(Usage(input_tokens=1, output_tokens=1)))
    made.encode(Finished("stop"))
    assert b"usage" not in made.finish()


def test_a_refusal_in_a_stream_does_not_pass_for_an_answer() -> None:
    assert b'"finish_reason":"content_filter"' in written("openai-chat", TextDelta("No."), Finished("refusal"))
    assert b'"stop_reason":"refusal"' in written("anthropic-messages", TextDelta("No."), Finished("refusal"))
    assert b'"reason":"content_filter"' in written("openai-responses", TextDelta("No."), Finished("refusal"))
    assert b'"finishReason":"SAFETY"' in written("gemini", TextDelta("No."), Finished("refusal"))
    assert b'"done_reason":"refusal"' in written("ollama", TextDelta("No."), Finished("refusal"))


@pytest.mark.parametrize(
    ("dialect", "status", "expected"),
    [
        ("openai-chat", 429, {"error": {"message": "m", "type": "rate_limit_error", "param": None, "code": "c"}}),
        ("openai-chat", 502, {"error": {"message": "m", "type": "server_error", "param": None, "code": "c"}}),
        ("openai-chat", 422, {"error": {"message": "m", "type": "invalid_request_error", "param": None, "code": "c"}}),
        ("anthropic-messages", 402, {"type": "error", "error": {"type": "billing_error", "message": "m"}}),
        ("anthropic-messages", 503, {"type": "error", "error": {"type": "api_error", "message": "m"}}),
        ("anthropic-messages", 409, {"type": "error", "error": {"type": "invalid_request_error", "message": "m"}}),
        ("openai-responses", 429, {"error": {"message": "m", "type": "rate_limit_error", "param": None, "code": "c"}}),
        ("gemini", 429, {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}),
        ("gemini", 422, {"error": {"code": 422, "message": "m", "status": "INVALID_ARGUMENT"}}),
        ("gemini", 500, {"error": {"code": 500, "message": "m", "status": "INTERNAL"}}),
        ("ollama", 404, {"error": "m"}),
    ],
)
def test_an_error_is_written_with_the_type_of_its_status(dialect: str, status: int, expected: dict[str, Any]) -> None:
    assert DIALECTS[dialect].write_error(ErrorReport(message="m", code="c"), status) == expected


def test_a_foreign_error_type_gives_way_where_the_set_is_closed() -> None:
    report = ErrorReport(message="m", type="no_route")
    assert DIALECTS["openai-chat"].write_error(report, 503)["error"] == {
        "message": "m",
        "type": "no_route",
        "param": None,
        "code": None,
    }
    assert DIALECTS["anthropic-messages"].write_error(report, 529)["error"] == {
        "type": "overloaded_error",
        "message": "m",
    }
