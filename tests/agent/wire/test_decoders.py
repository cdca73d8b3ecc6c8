import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.kernel.chat import Finished, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta, Usage, UsageSeen
from omniroute_agent.kernel.fold import Fold
from omniroute_agent.wire.dialect import Quirks, StreamedError, Truncated, WireError
from omniroute_agent.wire.sse import ServerSentEvent
from omniroute_agent.wire.table import DIALECTS
from streams import WHOLE, anthropic, candidate, chunk, ndjson, openai, read, responses, said

EVERY = sorted(DIALECTS)
NO_DONE = Quirks(done_marker=False)
MESSAGE = {"type": "message"}
GAVE_UP = {"finishReason": "OTHER", "finishMessage": "overloaded"}


@pytest.mark.parametrize("dialect", EVERY)
def test_a_stream_cut_at_any_byte_is_an_error_and_never_a_clean_stop(dialect: str) -> None:
    whole = WHOLE[dialect]
    clean = [cut for cut in range(len(whole)) if _ends_well(dialect, whole[:cut])]
    # The last line feed closes the terminal event.
    assert clean == []
    assert _ends_well(dialect, whole)


def _ends_well(dialect: str, content: bytes) -> bool:
    try:
        events = read(dialect, content)
    except WireError:
        return False
    assert [type(event) for event in events].count(Finished) == 1
    return True


@pytest.mark.parametrize("dialect", EVERY)
def test_an_empty_stream_is_truncated(dialect: str) -> None:
    with pytest.raises(Truncated):
        read(dialect, b"")


@pytest.mark.parametrize(
    ("dialect", "content"),
    [
        ("openai-chat", openai(chunk(content="Hal"), "[DONE]")),
        ("anthropic-messages", anthropic({"type": "message_stop"})),
    ],
)
def test_a_marker_without_a_reason_is_a_proxy_closing_a_cut_stream(dialect: str, content: bytes) -> None:
    with pytest.raises(Truncated):
        read(dialect, content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
WORDS = {
    "openai-chat": (
        "error choices delta content reasoning_content reasoning refusal tool_calls index id function name arguments "
        "finish_reason usage prompt_tokens completion_tokens prompt_tokens_details cached_tokens model message"
    ),
    "anthropic-messages": (
        "error delta content index id name usage model message input_tokens output_tokens output_tokens_details "
        "thinking_tokens content_block text thinking signature data input partial_json stop_reason"
    ),
    "openai-responses": (
        "error response delta item output_index summary_index content summary text refusal call_id id name arguments "
        "encrypted_content status incomplete_details reason usage input_tokens output_tokens input_tokens_details "
        "cached_tokens output_tokens_details reasoning_tokens model output message object"
    ),
    "gemini": (
        "error candidates content parts text thought thoughtSignature functionCall id name args finishReason index "
        "finishMessage promptFeedback blockReason usageMetadata promptTokenCount candidatesTokenCount totalTokenCount "
        "thoughtsTokenCount cachedContentTokenCount modelVersion responseId response details retryDelay reason status"
    ),
    "ollama": (
        "error message content thinking tool_calls function id name arguments done done_reason model prompt_eval_count "
        "eval_count"
    ),
}
TYPES = {
    "anthropic-messages": (
        "message_start message_delta message_stop content_block_start content_block_delta content_block_stop ping "
        "error message text thinking redacted_thinking tool_use text_delta thinking_delta signature_delta "
        "input_json_delta"
    ),
    "openai-responses": (
        "response.created response.output_item.added response.output_item.done response.output_text.delta "
        "response.refusal.delta response.reasoning_summary_text.delta response.reasoning_text.delta error "
        "response.reasoning_summary_part.added response.function_call_arguments.delta response.completed "
        "response.incomplete response.failed message function_call reasoning web_search_call response"
    ),
    "gemini": "STOP MAX_TOKENS SAFETY MALFORMED_FUNCTION_CALL 3s",
}


def shaped(dialect: str) -> st.SearchStrategy[Any]:
    """Nested objects of the dialect's own words, right and wrong."""
    words, types = WORDS[dialect].split(), TYPES.get(dialect, "stop").split()
    anything = st.recursive(
        JSON | st.sampled_from(types),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(words), inner, max_size=5),
        max_leaves=20,
    )
    typed = st.builds(
        lambda kind, rest: {**rest, "type": kind},
        st.sampled_from(types),
        st.dictionaries(st.sampled_from(words), anything, max_size=4),
    )
    return anything | typed | st.dictionaries(st.sampled_from(words), typed | anything, max_size=4)


@pytest.mark.parametrize("quirks", [Quirks(), Quirks(done_marker=False, think_tags=True)], ids=["plain", "odd"])
@pytest.mark.parametrize("dialect", EVERY)
@given(data=st.data())
def test_a_decoder_breaks_on_no_event_but_with_its_own_error(dialect: str, quirks: Quirks, data: st.DataObject) -> None:
    events = data.draw(st.lists(shaped(dialect), max_size=5))
    decoder = DIALECTS[dialect].decoder(quirks)
    excerpt = ""
    try:
        for event in events:
            list(decoder.feed(ServerSentEvent(json.dumps(event))))
        decoder.close()
    except WireError as broken:
        excerpt = broken.excerpt
    assert len(excerpt) <= 200


@pytest.mark.parametrize("dialect", EVERY)
@given(data=st.text(max_size=40))
def test_a_decoder_breaks_on_no_text_but_with_its_own_error(dialect: str, data: str) -> None:
    with suppress(WireError):
        list(DIALECTS[dialect].decoder(Quirks()).feed(ServerSentEvent(data)))


@pytest.mark.parametrize("dialect", EVERY)
@pytest.mark.parametrize("data", ["<html>502</html>", '{"choices": [', "[" * 100_000, "7", '{"usage": NaN}'])
def test_what_is_no_json_object_is_shown_in_the_error(dialect: str, data: str) -> None:
    with pytest.raises(WireError) as caught:
        list(DIALECTS[dialect].decoder(Quirks()).feed(ServerSentEvent(data)))
    assert caught.value.excerpt == data[:200]


@pytest.mark.parametrize("dialect", EVERY)
@given(data=st.data())
def test_any_error_body_becomes_a_report(dialect: str, data: st.DataObject) -> None:
    assert DIALECTS[dialect].read_error(data.draw(shaped(dialect))).message


@pytest.mark.parametrize("dialect", EVERY)
@given(data=st.data())
def test_any_answer_is_read_or_refused(dialect: str, data: st.DataObject) -> None:
    body = data.draw(st.dictionaries(st.sampled_from(WORDS[dialect].split()), shaped(dialect), max_size=5))
    typed: dict[str, dict[str, Any]] = {
        "openai-responses": {"object": "response"},
        "ollama": {"done": True},
        "anthropic-messages": MESSAGE,
    }
    with suppress(WireError):
        DIALECTS[dialect].read_answer({**body, **typed.get(dialect, {})})


@pytest.mark.parametrize(
    ("dialect", "body", "expected"),
    [
        ("openai-chat", {"error": {"message": "no", "type": "t", "code": 429, "param": "p"}}, ("no", "t", "429", "p")),
        ("openai-chat", [{"error": {"message": "no", "code": "c"}}], ("no", None, "c", None)),
        ("openai-chat", {"error": "no"}, ("no", None, None, None)),
        ("openai-chat", {"error": "not_found", "message": "no"}, ("no", None, "not_found", None)),
        ("openai-chat", {"detail": "no"}, ("no", None, None, None)),
        ("openai-chat", {"object": "error", "message": "no", "type": "t"}, ("no", "t", None, None)),
        ("anthropic-messages", {"type": "error", "error": {"type": "t", "message": "no"}}, ("no", "t", None, None)),
        (
            "openai-responses",
            {"error": {"message": "no", "type": "t", "code": "c", "param": "p"}},
            ("no", "t", "c", "p"),
        ),
        ("gemini", {"error": {"code": 400, "message": "no", "status": "S"}}, ("no", "S", "400", None)),
        ("gemini", [{"error": {"code": 400, "message": "no", "status": "S"}}], ("no", "S", "400", None)),
        ("ollama", {"error": "no"}, ("no", None, None, None)),
    ],
)
def test_an_error_body_is_read(dialect: str, body: Any, expected: tuple[str | None, ...]) -> None:
    report = DIALECTS[dialect].read_error(body)
    assert (report.message, report.type, report.code, report.param) == expected


@pytest.mark.parametrize(
    ("dialect", "content"),
    [
        ("openai-chat", openai(chunk(content="Hal"), {"error": {"message": "overloaded", "type": "server_error"}})),
        ("openai-chat", openai({"error": {"message": "overloaded"}, **chunk("error")})),
        ("openai-chat", openai({"object": "error", "message": "overloaded"})),
        ("openai-chat", openai(chunk("insufficient_system_resource"))),
        (
            "anthropic-messages",
            anthropic({"type": "error", "error": {"type": "overloaded_error", "message": "overloaded"}}),
        ),
        ("openai-responses", responses({"type": "error", "code": "server_error", "message": "overloaded"})),
        ("openai-responses", responses({"type": "error", "error": {"message": "overloaded"}})),
        ("openai-responses", responses({"type": "response.failed", "response": {"error": {"message": "overloaded"}}})),
        ("openai-responses", openai({"error": {"message": "overloaded"}})),
        ("gemini", openai(candidate({"text": "Hal"}), {"error": {"code": 503, "message": "overloaded"}})),
        ("gemini", openai(candidate({"text": "Hal"}, finish="OTHER") | {"candidates": [GAVE_UP]})),
        ("ollama", ndjson(said(content="Hal"), {"error": "overloaded"})),
    ],
)
def test_an_error_within_a_stream_is_told_in_the_providers_words(dialect: str, content: bytes) -> None:
    with pytest.raises(StreamedError) as caught:
        read(dialect, content)
    assert "overloaded" in caught.value.report.message


# ---- OpenAI Chat and what servers made of it

USAGE = {"prompt_tokens": 10, "completion_tokens": 4}


def test_usage_comes_before_the_end_that_is_told_once() -> None:
    assert read(
        "openai-chat", openai(chunk(content="x"), chunk("stop"), {"choices": [], "usage": USAGE}, "[DONE]")
    ) == [
        TextDelta("x"),
        UsageSeen(Usage(input_tokens=10, output_tokens=4)),
        Finished("stop", "gpt"),
    ]


def test_without_a_done_marker_the_reason_ends_the_stream_and_usage_may_follow() -> None:
    content = openai(chunk(content="x"), chunk("stop"), chunk("stop", content="late"), {"choices": [], "usage": USAGE})
    assert read("openai-chat", content, NO_DONE) == [
        TextDelta("x"),
        Finished("stop", "gpt"),
        UsageSeen(Usage(input_tokens=10, output_tokens=4)),
    ]
    assert read("openai-chat", content + openai("[DONE]"), NO_DONE)[1] == Finished("stop", "gpt")


def test_what_follows_the_terminal_marker_is_ignored() -> None:
    assert read("openai-chat", openai(chunk("stop"), "[DONE]", chunk(content="x"), "[DONE]")) == [
        Finished("stop", "gpt")
    ]
    assert read("anthropic-messages", WHOLE["anthropic-messages"] * 2) == read(
        "anthropic-messages", WHOLE["anthropic-messages"]
    )


def test_one_chunk_may_carry_reasoning_text_and_a_call() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    both = chunk(reasoning="Hm", reasoning_content="Hm", content="Hi", tool_calls=[call])
    assert read("openai-chat", openai(both, chunk("stop"), "[DONE]")) == [
        ReasoningDelta("Hm"),
        TextDelta("Hi"),
        ToolCallDelta(0, "a", "f", "{}"),
        Finished("tool_calls", "gpt"),
    ]


def test_thinking_in_typed_content_parts_is_reasoning() -> None:
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, {"type": "text", "text": "Hi"}]
    assert read("openai-chat", openai(chunk("stop", content=content), "[DONE]"))[:2] == [
        ReasoningDelta("Hm"),
        TextDelta("Hi"),
    ]


def test_only_the_first_of_several_answers_is_read() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "length"}]}
    assert read("openai-chat", openai(chunk(content="x"), other, chunk("stop"), "[DONE]")) == [
        TextDelta("x"),
        Finished("stop", "gpt"),
    ]


def calls_of(*pieces: dict[str, Any]) -> tuple[ToolCall, ...]:
    fold = Fold()
    content = openai(*(chunk(tool_calls=[piece]) for piece in pieces), chunk("stop"), "[DONE]")
    for event in read("openai-chat", content):
        fold.add(event)
    return fold.answer().tool_calls


def test_calls_are_kept_apart_however_a_server_numbers_them() -> None:
    def begin(call_id: str, **more: int) -> dict[str, Any]:
        return {**more, "id": call_id, "function": {"name": "f", "arguments": "{"}}

    rest: dict[str, Any] = {"function": {"arguments": "}"}}
    expected = (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))
    assert calls_of(begin("a", index=0), begin("b", index=1), {"index": 0, **rest}, {"index": 1, **rest}) == expected
    assert calls_of(begin("a", index=0), {"index": 0, **rest}, begin("b", index=0), {"index": 0, **rest}) == expected
    assert calls_of(begin("a"), rest, begin("b"), rest) == expected


def test_a_call_without_an_id_gets_one_and_parsed_arguments_are_spelled_out() -> None:
    assert calls_of({"index": 0, "function": {"name": "f", "arguments": {"q": 1}}}) == (
        ToolCall("call_0", "f", '{"q":1}'),
    )


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({}, None),
        ({"prompt_tokens": 5}, None),
        ({**USAGE, "prompt_cache_hit_tokens": 6}, Usage(input_tokens=10, output_tokens=4, cache_read_tokens=6)),
        # Reasoning counted beside the completion, and a cache counted beside the prompt.
        (
            {**USAGE, "total_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 6}},
            Usage(input_tokens=10, output_tokens=10, reasoning_tokens=6),
        ),
        (
            {**USAGE, "prompt_tokens_details": {"cached_tokens": 15, "cache_write_tokens": None}},
            Usage(input_tokens=15, output_tokens=4, cache_read_tokens=15),
        ),
    ],
)
def test_usage_counts_everything_and_unknown_is_not_zero(reported: dict[str, Any], expected: Usage | None) -> None:
    events = read("openai-chat", openai(chunk("stop", reported), "[DONE]"))
    assert [event.usage for event in events if isinstance(event, UsageSeen)] == ([expected] if expected else [])


@pytest.mark.parametrize("wrong", [{"prompt_tokens": -1}, {"prompt_tokens": "9"}, {"prompt_tokens": True}])
def test_a_wrong_count_breaks_the_dialect(wrong: dict[str, Any]) -> None:
    with pytest.raises(WireError, match="prompt_tokens"):
        read("openai-chat", openai(chunk("stop", {**USAGE, **wrong}), "[DONE]"))


def test_a_refusal_is_text_that_ends_as_a_refusal() -> None:
    assert read("openai-chat", openai(chunk(refusal="No."), chunk("stop"), "[DONE]")) == [
        TextDelta("No."),
        Finished("refusal", "gpt"),
    ]


def test_half_a_surrogate_pair_cannot_break_what_is_written_later() -> None:
    events = read(
        "openai-chat",
        b'data: {"choices": [{"delta": {"content": "a\\ud83d \\ud83e\\udd8a"}}]}\n\n' + openai(chunk("stop"), "[DONE]"),
    )
    assert events[0] == TextDelta("a? 🦊")


# ---- Anthropic Messages


def test_a_broken_stream_has_told_its_input_already() -> None:
    decoder = DIALECTS["anthropic-messages"].decoder(Quirks())
    usage = {"input_tokens": 5, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 7, "output_tokens": 1}
    start = {"type": "message_start", "message": {"model": "claude", "usage": usage}}
    assert list(decoder.feed(ServerSentEvent(json.dumps(start)))) == [
        UsageSeen(Usage(input_tokens=102, output_tokens=1, cache_read_tokens=90, cache_write_tokens=7))
    ]


def test_later_counts_replace_earlier_ones_but_a_zero_erases_nothing() -> None:
    content = anthropic(
        {"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "max_tokens"},
            "usage": {"input_tokens": 0, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}},
        },
        {"type": "message_stop"},
    )
    assert read("anthropic-messages", content)[1:] == [
        UsageSeen(Usage(input_tokens=5, output_tokens=9, reasoning_tokens=4)),
        Finished("length"),
    ]


def test_blocks_of_the_providers_own_tools_and_unknown_events_are_skipped() -> None:
    content = anthropic(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use", "id": "s"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "citations_delta", "citation": {}}},
        {"type": "something_new"},
        {"type": "message_delta", "delta": {"stop_reason": "pause_turn"}},
        {"type": "message_stop"},
    )
    assert read("anthropic-messages", content) == [Finished("stop")]


def test_an_input_given_at_once_is_the_calls_arguments() -> None:
    content = anthropic(
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {"q": 1}},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    )
    assert read("anthropic-messages", content) == [
        ToolCallDelta(0, "t", "f"),
        ToolCallDelta(0, arguments='{"q":1}'),
        Finished("tool_calls"),
    ]
