import json
from typing import Any

import pytest

from omniroute_agent.kernel.chat import (
    Chat,
    Finished,
    Message,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCallDelta,
    ToolChoice,
    ToolSpec,
    Usage,
    UsageSeen,
)
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.wire.dialect import ErrorReport, Quirks, StreamedError, Truncated, WireError
from omniroute_agent.wire.sse import ServerSentEvent, SseParser
from omniroute_agent.wire.table import DIALECTS
from streams import completed, delta, item, read, responses

RESPONSES = DIALECTS["openai-responses"]
HI: Any = {"model": "m", "input": "Hi"}


def write(chat: Chat, *, stream: bool = True, **quirks: Any) -> dict[str, Any]:
    return RESPONSES.write_request(chat, model="m", quirks=Quirks(**quirks), stream=stream)


# ---- requests


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"model": 7}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].file_id",
        ),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"max_output_tokens": -1}, "max_output_tokens"),
    ],
)
def test_what_cannot_be_routed_is_refused_by_its_field(more: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        RESPONSES.read_request({**HI, **more})
    assert f"`{field}`" in caught.value.message


def test_calls_text_and_reasoning_of_one_turn_are_one_message() -> None:
    chat = RESPONSES.read_request(
        {
            **HI,
            "input": [
                {"role": "user", "content": "Hi"},
                {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "e"},
                {"role": "assistant", "content": "I look."},
                {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
                {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "a", "output": "1"},
                {"type": "function_call_output", "call_id": "b", "output": "2"},
                {"role": "user", "content": "And?"},
                {"role": "developer", "content": "Be brief."},
            ],
        }
    )
    shape = [(message.role, [type(part).__name__ for part in message.parts]) for message in chat.messages]
    assert shape == [
        ("user", ["Text"]),
        ("assistant", ["Reasoning", "Text", "ToolCall", "ToolCall"]),
        ("user", ["ToolResult", "ToolResult"]),
        ("user", ["Text"]),
        ("system", ["Text"]),
    ]


def test_nothing_is_stored_unless_the_caller_says_so() -> None:
    assert write(RESPONSES.read_request(HI))["store"] is False
    assert write(RESPONSES.read_request({**HI, "store": True}))["store"] is True


def test_a_chat_of_system_text_only_is_still_input() -> None:
    body = write(Chat(model="m", messages=(Message("system", (Text("Say hi."),)),)))
    assert (body.get("instructions"), body["input"]) == (
        None,
        [{"type": "message", "role": "system", "content": "Say hi."}],
    )


def test_tools_of_other_dialects_are_not_strict_for_it_is_the_default_here() -> None:
    asked = Chat(model="m", messages=(Message("user", (Text("Hi"),)),), tools=(ToolSpec("f", "", {}),))
    assert write(asked)["tools"] == [{"type": "function", "name": "f", "parameters": {}, "strict": False}]


@pytest.mark.parametrize("choice", [ToolChoice("required"), ToolChoice("named", "f")])
def test_a_forced_choice_becomes_a_free_one_where_it_is_refused(choice: ToolChoice) -> None:
    messages = (Message("user", (Text("Hi"),)),)
    asked = Chat(model="m", messages=messages, tools=(ToolSpec("f", "", {}),), tool_choice=choice)
    assert write(asked, forced_tool_choice=False)["tool_choice"] == "auto"
    assert write(asked)["tool_choice"] != "auto"


def test_a_schema_is_asked_for_in_words_where_there_is_no_field() -> None:
    form = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
    asked: Any = {**HI, "text": {"format": form}}
    body = write(RESPONSES.read_request(asked), json_schema=False)
    assert body["text"] == {"format": {"type": "json_object"}}
    assert '{"type":"object"}' in json.dumps(body["input"][0]["content"]).replace("\\", "")


def test_an_open_models_reasoning_goes_back_to_it_in_full_and_a_bare_summary_does_not() -> None:
    shown = {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]}
    bare = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm"}]}
    user = {"type": "message", "role": "user", "content": "Hi"}
    asked: Any = {**HI, "input": [user, shown, bare]}
    body = write(RESPONSES.read_request(asked))
    assert body["input"] == [user, shown]


# ---- streams


def test_a_stream_that_tells_its_end_only_still_gives_the_whole_answer() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    message = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
    usage = {"input_tokens": 3, "output_tokens": 2}
    assert read("openai-responses", responses(completed(output=[message, call], usage=usage))) == [
        TextDelta("Hi"),
        ToolCallDelta(0, "c", "f", "{}"),
        UsageSeen(Usage(input_tokens=3, output_tokens=2)),
        Finished("tool_calls", "gpt"),
    ]


def test_items_without_pieces_are_read_from_their_end() -> None:
    content = responses(
        item("reasoning", 0, id="rs", summary=[{"text": "a"}, {"text": "b"}]),
        item("message", 1, content=[{"type": "output_text", "text": "Hi"}]),
        item("function_call", 2, call_id="c", name="f", arguments='{"q":1}'),
        completed(),
    )
    assert read("openai-responses", content) == [
        ReasoningDelta("a\n\nb"),
        TextDelta("Hi"),
        ToolCallDelta(0, "c", "f"),
        ToolCallDelta(0, arguments='{"q":1}'),
        Finished("tool_calls", "gpt"),
    ]


def test_the_parts_of_a_summary_are_paragraphs() -> None:
    def part(index: int) -> dict[str, Any]:
        return {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": index}

    content = responses(
        part(0),
        delta("reasoning_summary_text", "a"),
        part(1),
        delta("reasoning_summary_text", "b"),
        delta("output_text", "x", 1),
        completed(),
    )
    assert [event.text for event in read("openai-responses", content) if isinstance(event, ReasoningDelta)] == [
        "a",
        "\n\n",
        "b",
    ]


def test_calls_that_come_interleaved_are_kept_apart() -> None:
    content = responses(
        item("function_call", 0, "added", call_id="a", name="f", arguments=""),
        item("function_call", 1, "added", call_id="b", name="g", arguments=""),
        delta("function_call_arguments", "{", 1),
        delta("function_call_arguments", "{}", 0),
        delta("function_call_arguments", "}", 1),
        item("function_call", 0, call_id="a", name="f", arguments="{}"),
        item("function_call", 1, call_id="b", name="g", arguments="{}"),
        completed(),
    )
    assert read("openai-responses", content)[:-1] == [
        ToolCallDelta(0, "a", "f"),
        ToolCallDelta(1, "b", "g"),
        ToolCallDelta(1, arguments="{"),
        ToolCallDelta(0, arguments="{}"),
        ToolCallDelta(1, arguments="}"),
    ]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("something_new", "length")],
)
def test_an_incomplete_response_is_no_clean_stop(reason: str, finish: Any) -> None:
    end = {
        "type": "response.incomplete",
        "response": {"status": "incomplete", "incomplete_details": {"reason": reason}},
    }
    assert read("openai-responses", responses(delta("output_text", "x"), end))[-1] == Finished(finish)


def test_a_refusal_is_text_that_ends_as_a_refusal() -> None:
    assert read("openai-responses", responses(delta("refusal", "No."), completed())) == [
        TextDelta("No."),
        Finished("refusal", "gpt"),
    ]


def test_what_follows_the_end_and_unknown_events_are_ignored() -> None:
    unknown = {"type": "response.something.new", "delta": "x"}
    searched = item("web_search_call", 0, "added", id="ws")
    content = responses(unknown, searched, delta("output_text", "x"), completed(), delta("output_text", "y"))
    assert read("openai-responses", content + b"data: [DONE]\n\n") == [TextDelta("x"), Finished("stop", "gpt")]


def test_done_alone_is_no_end() -> None:
    with pytest.raises(Truncated):
        read("openai-responses", responses(delta("output_text", "x")) + b"data: [DONE]\n\n")


def test_an_answer_that_failed_is_told_in_the_providers_words() -> None:
    with pytest.raises(StreamedError, match="overloaded"):
        RESPONSES.read_answer({"object": "response", "status": "failed", "error": {"message": "overloaded"}})
    with pytest.raises(WireError, match="not a response"):
        RESPONSES.read_answer({"object": "chat.completion"})


def sent(*pieces: bytes) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in SseParser().feed(b"".join(pieces))]


def test_every_event_has_its_number_and_every_item_its_end() -> None:
    encoder = RESPONSES.encoder(id="x", model="served", created=7, include_usage=False)
    events = sent(
        encoder.encode(ReasoningDelta("a")),
        encoder.encode(TextDelta("b")),
        encoder.encode(ReasoningDelta("c", "c2ln")),
        encoder.encode(ReasoningDelta(redacted="eA==")),
        encoder.encode(ToolCallDelta(0, "i", "f")),
        encoder.encode(ToolCallDelta(1, "j", "g", "{}")),
        encoder.encode(ToolCallDelta(0, arguments="{}")),
        encoder.encode(UsageSeen(Usage(input_tokens=3, output_tokens=2))),
        encoder.encode(Finished("tool_calls")),
        encoder.finish(),
    )
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    opened = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    ended = {event["output_index"]: event["item"] for event in events if event["type"] == "response.output_item.done"}
    assert opened == list(range(6)) == sorted(ended)
    end = events[-1]
    assert end["type"] == "response.completed"
    assert end["response"]["output"] == [ended[at] for at in opened]
    assert end["response"]["usage"]["total_tokens"] == 5
    assert [entry.get("encrypted_content") for entry in end["response"]["output"]] == [
        None,
        None,
        "anthropic-messages:c2ln",
        "anthropic-sealed:eA==",
        None,
        None,
    ]


def test_a_summary_in_pieces_is_one_part() -> None:
    encoder = RESPONSES.encoder(id="x", model="served", created=7, include_usage=False)
    pieces = (ReasoningDelta("a"), ReasoningDelta("b"), TextDelta("c"), TextDelta("d"))
    kinds = [event["type"] for event in sent(*(encoder.encode(piece) for piece in pieces))]
    assert kinds.count("response.reasoning_summary_part.added") == 1
    assert kinds.count("response.reasoning_summary_part.done") == 1
    assert kinds.count("response.content_part.added") == 1


def test_a_failure_before_the_first_piece_has_a_beginning_too() -> None:
    encoder = RESPONSES.encoder(id="x", model="served", created=7, include_usage=False)
    events = sent(encoder.fail(ErrorReport(message="No.", code="no_route")))
    assert [event["type"] for event in events] == ["response.created", "response.in_progress", "response.failed"]
    assert events[-1]["response"]["error"] == {"code": "server_error", "message": "No."}
    assert list(RESPONSES.decoder(Quirks()).feed(ServerSentEvent(json.dumps(events[0])))) == []
