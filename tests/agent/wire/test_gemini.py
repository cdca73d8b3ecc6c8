import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.kernel.chat import (
    Chat,
    Finished,
    Image,
    Message,
    Reasoning,
    ReasoningDelta,
    ResponseFormat,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    ToolSpec,
    Usage,
    UsageSeen,
)
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.wire.dialect import Quirks, StreamedError, WireError
from omniroute_agent.wire.gemini.errors import read_error
from omniroute_agent.wire.gemini.schema import as_json_schema, as_schema
from omniroute_agent.wire.gemini.thinking import manners_of
from omniroute_agent.wire.sse import SseParser
from omniroute_agent.wire.table import DIALECTS
from streams import candidate, openai, read

GEMINI = DIALECTS["gemini"]
HI: Any = {"model": "m", "contents": [{"parts": [{"text": "Hi"}]}]}
USER = Message("user", (Text("Hi"),))


def write(chat: Chat, *, model: str = "gemini-2.5-flash", **quirks: Any) -> dict[str, Any]:
    return GEMINI.write_request(chat, model=model, quirks=Quirks(**quirks), stream=True)


def asked(*messages: Message, **fields: Any) -> Chat:
    return Chat(model="m", messages=(USER, *messages), **fields)


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        ("gemini-2.5-flash", False, "/models/gemini-2.5-flash:generateContent"),
        ("models/gemini-2.5-flash", True, "/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        ("tunedModels/mine", False, "/tunedModels/mine:generateContent"),
        ("../files/x?y#z", False, "/models/..%2Ffiles%2Fx%3Fy%23z:generateContent"),
        ("tunedModels/../x", False, "/tunedModels/..%2Fx:generateContent"),
    ],
)
def test_a_model_cannot_leave_its_place_in_the_path(model: str, stream: bool, path: str) -> None:
    assert GEMINI.path_for(model, stream=stream) == path


# ---- requests


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"model": 7}, "model"),
        ({"contents": []}, "contents"),
        ({"contents": "Hi"}, "contents"),
        ({"contents": [{"role": "robot", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"executableCode": {}}]}]}, "contents[0].parts[0].text"),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "audio/wav", "data": ""}}]}]},
            "contents[0].parts[0].inlineData.mimeType",
        ),
        (
            {"contents": [{"parts": [{"fileData": {"fileUri": "gs://a/b.png"}}]}]},
            "contents[0].parts[0].fileData.fileUri",
        ),
        (
            {"contents": [{"parts": [{"fileData": {"fileUri": "https://x.example/v1beta/files/a"}}]}]},
            "contents[0].parts[0].fileData.fileUri",
        ),
        ({"systemInstruction": {"parts": [{"inlineData": {}}]}}, "systemInstruction.parts[0].text"),
        ({"cachedContent": "cachedContents/a"}, "cachedContent"),
        ({"tools": [{"googleSearch": {}}]}, "tools[0].functionDeclarations"),
        ({"generationConfig": {"candidateCount": 2}}, "generationConfig.candidateCount"),
        ({"generation_config": {"max_output_tokens": -1}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"stopSequences": [1]}}, "generationConfig.stopSequences"),
    ],
)
def test_what_cannot_be_routed_is_refused_by_its_field(more: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        GEMINI.read_request({**HI, **more})
    assert f"`{field}`" in caught.value.message


def test_a_body_nested_without_end_is_refused() -> None:
    deep: Any = {}
    for _ in range(900):
        deep = {"items": deep}
    with pytest.raises(InvalidRequest, match="too deep"):
        GEMINI.read_request({**HI, "generationConfig": {"responseSchema": deep}})


@pytest.mark.parametrize(
    ("config", "choice"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({"mode": "NONE"}, ToolChoice("none")),
        ({"mode": "any"}, ToolChoice("required")),
        ({"mode": "ANY", "allowedFunctionNames": ["f"]}, ToolChoice("named", "f")),
        ({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}, ToolChoice("required")),
        ({"mode": "VALIDATED"}, None),
    ],
)
def test_a_tool_choice_is_read_and_kept(config: dict[str, Any], choice: ToolChoice | None) -> None:
    tools: Any = [{"functionDeclarations": [{"name": "f"}]}]
    chat = GEMINI.read_request({**HI, "tools": tools, "toolConfig": {"functionCallingConfig": config}})
    assert chat.tool_choice == choice
    assert write(chat)["toolConfig"] == {"functionCallingConfig": {**config, "mode": config["mode"].upper()}}


def test_a_choice_that_the_server_refuses_becomes_a_free_one() -> None:
    chat = asked(tools=(ToolSpec("f", "", {}),), tool_choice=ToolChoice("named", "f"))
    assert write(chat, forced_tool_choice=False)["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}


def test_results_stand_first_and_in_one_turn_with_the_names_of_their_tools() -> None:
    chat = asked(
        Message("assistant", (ToolCall("a", "f", "{}"), ToolCall("b", "g", ""))),
        Message("user", (Text("See."), ToolResult("b", (Text("r"),)))),
        Message("user", (ToolResult("a", (Text("e"),), is_error=True), ToolResult("?", ()))),
    )
    assert write(chat)["contents"][2] == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "b", "name": "g", "response": {"output": "r"}}},
            {"functionResponse": {"id": "a", "name": "f", "response": {"error": "e"}}},
            {"functionResponse": {"id": "?", "name": "unknown_tool", "response": {"output": ""}}},
            {"text": "See."},
        ],
    }


def test_a_chat_of_system_text_only_is_asked_by_a_user() -> None:
    body = write(Chat(model="m", messages=(Message("system", (Text("Say hi."),)),)))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Say hi."}]}]}


def test_empty_text_is_not_sent() -> None:
    empty = (Message("system", (Text(""),)), Message("user", (Text(""), Text("Hi"))), Message("assistant", (Text(""),)))
    body = write(Chat(model="m", messages=empty))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_an_image_of_unknown_kind_is_sent_without_one() -> None:
    body = write(Chat(model="m", messages=(Message("user", (Image(url="https://example.com/a?b=c.png"),)),)))
    assert body["contents"][0]["parts"] == [{"fileData": {"fileUri": "https://example.com/a?b=c.png"}}]


def test_a_schema_is_asked_for_in_words_where_there_is_no_field() -> None:
    body = write(asked(response_format=ResponseFormat({"type": "object"})), json_schema=False)
    assert body["generationConfig"] == {"responseMimeType": "application/json"}
    assert '{"type":"object"}' in body["systemInstruction"]["parts"][0]["text"]


# ---- signatures


def model_parts(chat: Chat, model: str = "gemini-3.1-pro") -> Any:
    return [content["parts"] for content in write(chat, model=model)["contents"] if content["role"] == "model"]


def call(name: str, **more: str) -> dict[str, Any]:
    return {"functionCall": {"id": name, "name": name, "args": {}}, **more}


def test_only_the_first_of_parallel_calls_gets_the_word_for_no_signature_and_only_where_one_is_demanded() -> None:
    parallel = Message("assistant", (ToolCall("a", "a", "{}"), ToolCall("b", "b", "{}")))
    assert model_parts(asked(parallel)) == [[call("a", thoughtSignature="skip_thought_signature_validator"), call("b")]]
    assert model_parts(asked(parallel), "gemini-2.5-flash") == [[call("a"), call("b")]]


def test_a_signature_stands_on_the_call_it_came_with() -> None:
    turn = Message(
        "assistant",
        (Reasoning("Hm", "gemini:cw=="), ToolCall("a", "a", "{}"), ToolCall("b", "b", "{}")),
    )
    assert model_parts(asked(turn)) == [
        [{"text": "Hm", "thought": True}, call("a", thoughtSignature="cw=="), call("b")],
    ]


def test_a_signature_that_no_call_follows_stands_on_its_thought_or_alone() -> None:
    thought = Message("assistant", (Reasoning("Hm", "gemini:cw=="), Text("x")))
    alone = Message("assistant", (Text("x"), Reasoning("", "gemini:cw==")))
    assert model_parts(asked(thought)) == [[{"text": "Hm", "thought": True, "thoughtSignature": "cw=="}, {"text": "x"}]]
    assert model_parts(asked(alone)) == [[{"text": "x"}, {"text": "", "thoughtSignature": "cw=="}]]


def test_reasoning_of_other_providers_is_left_out() -> None:
    turn = Message("assistant", (Reasoning("Hm"), Reasoning("Hm", "c2ln"), Reasoning("", redacted="x"), Text("x")))
    assert model_parts(asked(turn)) == [[{"text": "x"}]]


# ---- thinking


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("gemini-2.5-flash-lite", "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-pro", "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        ("gemini-2.5-pro", "xhigh", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-3-pro-preview", "none", {"thinkingLevel": "low"}),
        ("gemini-3.5-flash", "none", {"thinkingLevel": "minimal"}),
        ("gemini-3.1-pro", "minimal", {"thinkingLevel": "low", "includeThoughts": True}),
        ("google/gemini-3.8-flash", "medium", {"thinkingLevel": "medium", "includeThoughts": True}),
        ("gemini-flash-latest", "xhigh", {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-12.1-ultra", "minimal", {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-2.0-flash", "high", None),
        ("gemini-1.5-pro", "high", None),
        ("gemini-2.5-flash-image", "high", None),
        ("gemma-3-27b-it", "high", None),
    ],
)
def test_effort_becomes_thinking_as_the_model_takes_it(model: str, effort: Any, config: Any) -> None:
    body = write(asked(reasoning_effort=effort), model=model)
    assert body.get("generationConfig", {}).get("thinkingConfig") == config


def from_gemini(**thinking: Any) -> Chat:
    return GEMINI.read_request({**HI, "generationConfig": {"thinkingConfig": thinking}})


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        ({"thinkingBudget": 0}, "none"),
        ({"thinkingBudget": 500}, "low"),
        ({"thinkingBudget": 5000}, "medium"),
        ({"thinkingBudget": 20_000}, "high"),
        ({"thinkingBudget": 32_768}, "xhigh"),
        ({"thinkingBudget": -1}, None),
        ({"thinkingLevel": "MINIMAL"}, "minimal"),
        ({"thinkingLevel": "high"}, "high"),
        ({"thinkingLevel": "new"}, None),
        ({"includeThoughts": True}, None),
    ],
)
def test_thinking_becomes_effort_elsewhere(thinking: dict[str, Any], effort: str | None) -> None:
    assert from_gemini(**thinking).reasoning_effort == effort


def test_a_callers_own_thinking_is_kept_as_far_as_the_model_takes_it() -> None:
    def written(chat: Chat, model: str) -> Any:
        return write(chat, model=model)["generationConfig"].get("thinkingConfig")

    budget = from_gemini(thinkingBudget=2000, includeThoughts=False)
    assert written(budget, "gemini-2.5-pro") == {"thinkingBudget": 2000, "includeThoughts": False}
    assert written(budget, "gemini-3-flash") == {"thinkingLevel": "medium", "includeThoughts": False}
    level = from_gemini(thinkingLevel="low")
    assert written(level, "gemini-3-flash") == {"thinkingLevel": "low"}
    assert written(level, "gemini-2.5-pro") == {"thinkingBudget": 1024, "includeThoughts": True}


def test_models_of_one_age_have_the_same_manners() -> None:
    assert manners_of("gemini-3-pro") == manners_of("models/gemini-4-argon") == manners_of("gemini-3.1-pro-preview")
    assert manners_of("gemini-3-flash") == manners_of("gemini-3.5-flash-lite") == manners_of("gemini-flash-lite-latest")
    assert manners_of("gemini-2.0-flash") == manners_of("gemini-embedding-001") == manners_of("gpt-5")


# ---- schemas


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "enum": ["a"]}, {"type": "STRING", "enum": ["a"]}),
        ({"type": "string", "const": "a"}, {"type": "STRING", "enum": ["a"]}),
        ({"type": ["number", "null"], "minimum": 1}, {"type": "NUMBER", "nullable": True, "minimum": 1}),
        ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
        (
            {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "examples": [[True]]},
            {"type": "ARRAY", "items": {"type": "BOOLEAN"}, "minItems": 1},
        ),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "STRING", "nullable": True}),
        (
            {"anyOf": [{"type": "string"}, {"type": "integer"}], "description": "d"},
            {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}], "description": "d"},
        ),
        (
            {"type": "object", "properties": {"type": {"type": "string"}}, "$schema": "x", "title": "t"},
            {"type": "OBJECT", "properties": {"type": {"type": "STRING"}}, "title": "t"},
        ),
    ],
)
def test_a_schema_is_said_in_the_apis_subset(schema: Any, expected: Any) -> None:
    assert as_schema(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": "integer", "enum": [1, 2]},
        {"type": ["string", "integer"]},
        {"type": "null"},
        {"type": "string", "format": "email"},
        {"type": "string", "enum": [""]},
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {}},
        {"oneOf": [{"type": "string"}]},
        {"anyOf": [{"type": "null"}]},
        {"anyOf": [{"type": "string"}], "type": "string"},
        {"type": "array", "prefixItems": []},
        {"type": "number", "multipleOf": 2},
    ],
)
def test_a_schema_that_the_subset_cannot_say_goes_as_it_is(schema: Any) -> None:
    assert as_schema(schema) is None


SCHEMAS = st.recursive(
    st.sampled_from(
        ({"type": "string"}, {"type": ["integer", "null"], "minimum": 0}, {"type": "string", "enum": ["a"]})
    ),
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(
            lambda members: {"type": "object", "properties": members, "required": sorted(members)},
            st.dictionaries(st.sampled_from(("a_b", "type", "items")), inner, min_size=1, max_size=3),
        )
    ),
    max_leaves=6,
)


@given(SCHEMAS)
def test_a_schema_comes_back_as_it_went(schema: Any) -> None:
    assert as_json_schema(as_schema(schema)) == schema


def test_a_tool_without_parameters_has_none() -> None:
    empty: list[dict[str, Any]] = [
        {},
        {"type": "object"},
        {"type": "object", "properties": {}, "additionalProperties": False, "required": []},
    ]
    tools = tuple(ToolSpec("f", "", schema) for schema in empty)
    assert write(asked(tools=tools))["tools"] == [{"functionDeclarations": [{"name": "f"}] * 3}]


# ---- answers and streams


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SOMETHING_NEW", "stop"),
    ],
)
def test_a_finish_reason_is_read(word: str, finish: Any) -> None:
    assert read("gemini", openai(candidate({"text": "x"}, finish=word))) == [TextDelta("x"), Finished(finish)]


@pytest.mark.parametrize(
    "word",
    ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "OTHER"],
)
def test_a_model_that_failed_is_no_end(word: str) -> None:
    with pytest.raises(StreamedError) as caught:
        read("gemini", openai(candidate(finish=word)))
    assert caught.value.report.type == word
    with pytest.raises(StreamedError):
        GEMINI.read_answer(candidate(finish=word))


def test_a_prompt_that_was_blocked_is_filtered_and_not_empty() -> None:
    blocked = {
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
    }
    assert read("gemini", openai(blocked)) == [
        UsageSeen(Usage(input_tokens=3, output_tokens=0)),
        Finished("content_filter"),
    ]
    with pytest.raises(WireError, match="no candidate"):
        GEMINI.read_answer({"usageMetadata": {}})


def test_wrapped_chunks_are_unwrapped() -> None:
    wrapped = {"response": candidate({"text": "x"}, finish="STOP", modelVersion="g")}
    assert read("gemini", openai(wrapped)) == [TextDelta("x"), Finished("stop", "g")]
    assert GEMINI.read_answer(wrapped).text == "x"


def test_one_chunk_may_carry_thought_text_and_calls() -> None:
    chunk = candidate(
        {"text": "Hm", "thought": True},
        {"text": "Hi", "thoughtSignature": "YQ=="},
        {"functionCall": {"name": "f", "args": {"q": 1}}, "thoughtSignature": "Yg=="},
        {"functionCall": {"name": "f"}},
        {"executableCode": {"code": "1"}},
        finish="STOP",
        responseId="r1",
    )
    assert read("gemini", openai(chunk)) == [
        ReasoningDelta("Hm"),
        TextDelta("Hi"),
        ReasoningDelta(signature="gemini:YQ=="),
        ReasoningDelta(signature="gemini:Yg=="),
        ToolCallDelta(0, "r1_0", "f", '{"q":1}'),
        ToolCallDelta(1, "r1_1", "f", "{}"),
        Finished("tool_calls"),
    ]


def test_a_reason_that_is_none_goes_on_and_usage_may_follow_the_end() -> None:
    content = openai(
        candidate({"text": "x"}, finish="FINISH_REASON_UNSPECIFIED"),
        candidate(finish="STOP"),
        candidate({"text": "late"}, finish="STOP"),
        {"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1}},
    )
    assert read("gemini", content) == [
        TextDelta("x"),
        Finished("stop"),
        UsageSeen(Usage(input_tokens=1, output_tokens=1)),
    ]


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({}, None),
        ({"promptTokenCount": 5}, None),
        ({"candidatesTokenCount": 5}, None),
        # A count of 0 is left out by the protocol, so the total tells it.
        ({"promptTokenCount": 5, "totalTokenCount": 5}, Usage(input_tokens=5, output_tokens=0)),
        (
            {"promptTokenCount": 5, "totalTokenCount": 12, "thoughtsTokenCount": 7},
            Usage(input_tokens=5, output_tokens=7, reasoning_tokens=7),
        ),
        (
            {
                "promptTokenCount": 5,
                "toolUsePromptTokenCount": 2,
                "cachedContentTokenCount": 4,
                "candidatesTokenCount": 3,
                "thoughtsTokenCount": 6,
            },
            Usage(input_tokens=7, output_tokens=9, cache_read_tokens=4, reasoning_tokens=6),
        ),
    ],
)
def test_usage_counts_everything_and_unknown_is_not_zero(reported: dict[str, Any], expected: Usage | None) -> None:
    events = read("gemini", openai(candidate(finish="STOP", usageMetadata=reported)))
    assert [event.usage for event in events if isinstance(event, UsageSeen)] == ([expected] if expected else [])


def test_an_error_tells_when_to_come_back_and_its_reason() -> None:
    details: Any = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"},
    ]
    report = read_error({"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": details}})
    assert (report.type, report.code, report.retry_after) == ("RESOURCE_EXHAUSTED", "API_KEY_INVALID", 34.5)
    assert GEMINI.write_error(report, 429)["error"] == {
        "code": 429,
        "message": "m",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}],
    }


def test_calls_wait_for_their_end_and_are_whole() -> None:
    made = GEMINI.encoder(id="x", model="m", created=7, include_usage=True)
    assert made.encode(ReasoningDelta(signature="gemini:cw==")) == b""
    assert made.encode(ToolCallDelta(0, "a", "f", '{"q"')) == b""
    assert made.encode(ToolCallDelta(1, "b", "f")) == b""
    assert made.encode(ToolCallDelta(0, arguments=":1}")) == b""
    chunks = [json.loads(event.data) for event in SseParser().feed(made.encode(TextDelta("x")))]
    assert [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]] == [
        {"functionCall": {"id": "a", "name": "f", "args": {"q": 1}}, "thoughtSignature": "cw=="},
        {"functionCall": {"id": "b", "name": "f", "args": {}}},
        {"text": "x"},
    ]
    # Nothing that follows can belong to a call that is whole.
    assert made.encode(ToolCallDelta(0, arguments="{}")) == b""
    assert b"functionCall" not in made.finish()
