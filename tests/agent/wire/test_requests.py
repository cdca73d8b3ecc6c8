import dataclasses
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from omniroute_agent.kernel.chat import (
    Chat,
    Image,
    Message,
    Part,
    Reasoning,
    ResponseFormat,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.wire.anthropic_messages.thinking import Manners, manners_of
from omniroute_agent.wire.dialect import Quirks, WireError
from omniroute_agent.wire.table import DIALECTS

EVERY = sorted(DIALECTS)
BOTH = ("anthropic-messages", "openai-chat")
"""Those that say `messages`, `tool_choice` and `max_tokens`."""
HI = (Message("user", (Text("Hi"),)),)
TOOL = ToolSpec("f", "", {"type": "object"})
NO_MEMBERS: Final[dict[str, JsonValue]] = {"type": "object", "properties": {}}


def write(dialect: str, chat: Chat, *, model: str = "m", stream: bool = True, **quirks: Any) -> dict[str, Any]:
    return DIALECTS[dialect].write_request(chat, model=model, quirks=Quirks(**quirks), stream=stream)


def anthropic(chat: Chat, model: str = "claude-sonnet-4-5", **quirks: Any) -> dict[str, Any]:
    return write(
        "anthropic-messages", dataclasses.replace(chat, max_tokens=chat.max_tokens or 40_000), model=model, **quirks
    )


def chat(*messages: Message, **fields: Any) -> Chat:
    return Chat(model="asked", messages=messages or HI, **fields)


# ---- round trips

NAMES = st.text("abcdefgh_", min_size=1, max_size=5)
PROSE = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(lambda text: bool(text.strip()))
TEXTS = st.builds(Text, PROSE)
IMAGES = st.builds(Image, media_type=st.just("image/png"), data=st.just("iVBORw0KGgo=")) | st.builds(
    Image, url=st.just("https://example.com/a.png")
)
OBJECTS = st.dictionaries(NAMES, st.integers() | st.text(max_size=3) | st.none(), max_size=3)
CALLS = st.builds(
    lambda at, name, given: ToolCall(f"call_{at}", name, json.dumps(given, ensure_ascii=False, separators=(",", ":"))),
    st.integers(0, 99),
    NAMES,
    OBJECTS,
)
SCHEMAS = st.builds(
    lambda names: {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "additionalProperties": False,
    },
    st.lists(NAMES, max_size=3, unique=True),
)
CHOICES = st.builds(ToolChoice, st.sampled_from(("auto", "none", "required"))) | st.builds(
    ToolChoice, st.just("named"), NAMES
)


def results(text_only: bool) -> st.SearchStrategy[ToolResult]:
    inner: st.SearchStrategy[Text | Image] = TEXTS if text_only else TEXTS | IMAGES
    # A Chat Completions tool message is one text, so one part is all it can keep apart.
    size = 1 if text_only else 3
    return st.builds(
        ToolResult,
        st.just("call_1"),
        st.lists(inner, min_size=1, max_size=size).map(tuple),
        st.just(False) if text_only else st.booleans(),
    )


def _openai_turns() -> st.SearchStrategy[Message]:
    one_text = TEXTS.map(lambda text: [text])
    answer: st.SearchStrategy[list[Part]] = st.tuples(st.just([]) | one_text, st.lists(CALLS, max_size=2)).map(
        lambda both: [*both[0], *both[1]]
    )
    user = st.lists(TEXTS | IMAGES, min_size=1, max_size=3) | st.lists(results(True), min_size=1, max_size=2)
    return st.builds(Message, st.just("user"), user.map(tuple)) | st.builds(
        Message, st.just("assistant"), answer.filter(bool).map(tuple)
    )


def _anthropic_turns() -> st.SearchStrategy[Message]:
    thought = st.builds(Reasoning, PROSE, st.just("c2ln")) | st.builds(Reasoning, st.just(""), redacted=st.just("eA=="))
    user = st.tuples(st.lists(results(False), max_size=2), st.lists(TEXTS | IMAGES, max_size=2))
    return st.builds(Message, st.just("user"), user.map(lambda both: (*both[0], *both[1])).filter(bool)) | st.builds(
        Message, st.just("assistant"), st.lists(thought | TEXTS | CALLS, min_size=1, max_size=4).map(tuple)
    )


def _alternating(messages: list[Message], system: list[Text]) -> tuple[Message, ...]:
    """Neighbours of one role would become one turn, so only the first of each run stays."""
    kept = [message for at, message in enumerate(messages) if not at or messages[at - 1].role != message.role]
    return (*([Message("system", tuple(system))] if system else []), *kept)


def _chats(turns: st.SearchStrategy[Message], *, schema_name: str | None) -> st.SearchStrategy[Chat]:
    names = NAMES if schema_name is None else st.just(schema_name)
    formats = st.builds(ResponseFormat, SCHEMAS, names, st.just(True))
    messages = st.lists(turns, min_size=1, max_size=5)
    return st.builds(
        lambda listed, system, tools, choice, parallel, **fields: Chat(
            model="m",
            messages=_alternating(listed, system),
            tools=tuple(tools),
            tool_choice=choice if tools else None,
            parallel_tool_calls=parallel if tools and choice is not None and choice.mode != "none" else None,
            **fields,
        ),
        messages,
        st.lists(TEXTS, max_size=1),
        st.lists(st.builds(ToolSpec, NAMES, st.text(max_size=5), SCHEMAS), max_size=2),
        st.none() | CHOICES,
        st.none() | st.booleans(),
        max_tokens=st.integers(1, 9999),
        temperature=st.none() | st.floats(0, 1),
        stop=st.lists(PROSE, max_size=2).map(tuple),
        response_format=st.none() | formats,
        stream=st.booleans(),
    )


def returned(dialect: str, sent: Chat) -> Chat:
    """Written and read again; where it came from is not part of the meaning."""
    back = DIALECTS[dialect].read_request(write(dialect, sent, stream=sent.stream))
    rest = {key: value for key, value in back.rest.items() if key != "stream_options"}
    return dataclasses.replace(back, origin=None, rest=rest)


@given(_chats(_openai_turns(), schema_name=None))
def test_a_chat_keeps_its_meaning_through_chat_completions(sent: Chat) -> None:
    assert returned("openai-chat", sent) == sent


@given(_chats(_anthropic_turns(), schema_name="answer"))
def test_a_chat_keeps_its_meaning_through_messages(sent: Chat) -> None:
    assert returned("anthropic-messages", sent) == sent


def bare(chat: Chat) -> Chat:
    """The chat without what its dialect keeps beside the neutral form."""

    def part(given: Part) -> Part:
        if isinstance(given, ToolResult):
            content = tuple(dataclasses.replace(inner, rest={}) for inner in given.content)
            return dataclasses.replace(given, content=content, rest={})
        return dataclasses.replace(given, rest={})

    messages = tuple(Message(message.role, tuple(map(part, message.parts))) for message in chat.messages)
    tools = tuple(dataclasses.replace(tool, rest={}) for tool in chat.tools)
    return dataclasses.replace(chat, messages=messages, tools=tools, rest={})


@given(_chats(_openai_turns(), schema_name=None))
def test_a_chat_keeps_its_meaning_through_responses(sent: Chat) -> None:
    # There is no field for stop sequences, and a result of one text is one.
    assert bare(returned("openai-responses", sent)) == dataclasses.replace(sent, stop=())


def opened(schema: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Every object is closed there, so the word for it is not kept; one without members has no form of its own."""
    return {key: value for key, value in schema.items() if key != "additionalProperties" or not schema["properties"]}


@given(_chats(_openai_turns(), schema_name="answer"))
def test_a_chat_keeps_its_meaning_through_gemini(sent: Chat) -> None:
    wanted = sent.response_format
    meant = dataclasses.replace(
        sent,
        # There is no field for a ban on parallel calls.
        parallel_tool_calls=None,
        stream=False,
        response_format=wanted and dataclasses.replace(wanted, schema=opened(wanted.schema or {})),
        tools=tuple(
            dataclasses.replace(tool, schema=opened(tool.schema) if tool.schema["properties"] else NO_MEMBERS)
            for tool in sent.tools
        ),
    )
    body = write("gemini", sent)
    back = DIALECTS["gemini"].read_request({"model": "m", **body})
    assert bare(dataclasses.replace(back, origin=None)) == meant


# ---- what a caller may not send

MESSAGES: Final[list[JsonValue]] = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"messages": MESSAGES}, "model"),
        ({"model": 7, "messages": MESSAGES}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": "Hi"}, "messages"),
        ({"model": "m", "messages": ["Hi"]}, "messages[0]"),
        ({"model": "m", "messages": [{"role": "robot", "content": ""}]}, "messages[0].role"),
        ({"model": "m", "messages": [{"content": ""}]}, "messages[0].role"),
        ({"model": "m", "messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0].type"),
        ({"model": "m", "messages": MESSAGES, "temperature": "hot"}, "temperature"),
        ({"model": "m", "messages": MESSAGES, "max_tokens": -1}, "max_tokens"),
        ({"model": "m", "messages": MESSAGES, "stream": "yes"}, "stream"),
        ({"model": "m", "messages": MESSAGES, "tools": [{"type": "web_search_1"}]}, "tools[0].type"),
    ],
)
@pytest.mark.parametrize("dialect", BOTH)
def test_a_refused_request_names_the_field(dialect: str, body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        DIALECTS[dialect].read_request(body)
    assert f"`{field}`" in caught.value.message


@pytest.mark.parametrize(
    ("dialect", "more", "field"),
    [
        ("openai-chat", {"n": 2}, "n"),
        ("openai-chat", {"functions": []}, "functions"),
        ("openai-chat", {"stop": [1]}, "stop"),
        ("openai-chat", {"reasoning_effort": "huge"}, "reasoning_effort"),
        ("openai-chat", {"tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ("openai-chat", {"response_format": {"type": "xml"}}, "response_format.type"),
        ("openai-chat", {"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        (
            "openai-chat",
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        ("anthropic-messages", {"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ("anthropic-messages", {"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ("anthropic-messages", {"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        (
            "anthropic-messages",
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}]},
            "messages[0].content[0].source.type",
        ),
        (
            "anthropic-messages",
            {"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}]},
            "messages[0].content[0].type",
        ),
    ],
)
def test_what_cannot_be_routed_is_refused_and_not_dropped(dialect: str, more: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        DIALECTS[dialect].read_request({"model": "m", "messages": MESSAGES, **more})
    assert f"`{field}`" in caught.value.message


FIELDS = {
    "openai-chat": "model messages role content type text tools function name tool_choice image_url id tool_calls",
    "anthropic-messages": "model messages role content type text tools name tool_choice source system id input",
    "openai-responses": (
        "model input role content type text tools name tool_choice image_url id call_id output summary reasoning "
        "effort format encrypted_content instructions"
    ),
    "gemini": (
        "model contents role parts text thought thoughtSignature inline_data mimeType data fileData fileUri "
        "functionCall functionResponse response name args id tools functionDeclarations parameters properties anyOf "
        "toolConfig functionCallingConfig mode generationConfig thinkingConfig responseSchema responseMimeType "
        "systemInstruction"
    ),
    "ollama": "model messages role content thinking images tools function name arguments tool_calls options format",
}
VALUES = (
    "user text tool model assistant function_call function_call_output reasoning message input_text application/json"
)
ASKED = {"openai-responses": "input", "gemini": "contents"}


def bodies(dialect: str) -> st.SearchStrategy[Any]:
    fields = st.sampled_from(FIELDS[dialect].split())
    return st.recursive(
        st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3) | st.sampled_from(VALUES.split()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=5),
        max_leaves=20,
    )


@pytest.mark.parametrize("dialect", EVERY)
@given(data=st.data())
def test_any_body_is_read_or_refused(dialect: str, data: st.DataObject) -> None:
    value = data.draw(bodies(dialect))
    asked = ASKED.get(dialect, "messages")
    body = {"model": "m", **value} if isinstance(value, dict) else {"model": "m", asked: value}
    with suppress(InvalidRequest):
        for target in EVERY:
            chat = dataclasses.replace(DIALECTS[dialect].read_request(body), max_tokens=5)
            json.dumps(write(target, chat))


# ---- quirks


def test_the_cap_stands_under_the_providers_own_name() -> None:
    body = write("openai-chat", chat(max_tokens=5), max_tokens_field="max_completion_tokens")
    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body


def test_usage_is_asked_for_only_in_streams_and_where_the_provider_takes_it() -> None:
    own = DIALECTS["openai-chat"].read_request(
        {"model": "m", "messages": MESSAGES, "stream_options": {"include_usage": True}}
    )
    assert "stream_options" not in write("openai-chat", own, stream_usage=False)
    assert "stream_options" not in write("openai-chat", own, stream=False)


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize("choice", [ToolChoice("required"), ToolChoice("named", "f")])
def test_a_forced_choice_becomes_a_free_one_where_it_is_refused(dialect: str, choice: ToolChoice) -> None:
    asked = chat(tools=(TOOL,), tool_choice=choice, max_tokens=5)
    assert write(dialect, asked, forced_tool_choice=False)["tool_choice"] in ("auto", {"type": "auto"})


def test_tool_fields_go_only_where_they_are_taken() -> None:
    asked = chat(tools=(TOOL,), parallel_tool_calls=True)
    assert "parallel_tool_calls" not in write("openai-chat", asked, parallel_tool_calls_field=False)
    without = chat(tool_choice=ToolChoice("required"), parallel_tool_calls=False, max_tokens=5)
    for dialect in EVERY:
        assert not {"tool_choice", "parallel_tool_calls", "toolConfig"} & write(dialect, without).keys()


@pytest.mark.parametrize("dialect", EVERY)
def test_effort_is_left_out_where_there_is_no_field_for_it(dialect: str) -> None:
    asked = chat(reasoning_effort="high", max_tokens=50_000)
    body = write(dialect, asked, reasoning_field="", model="gemini-3.1-pro")
    assert not {"reasoning_effort", "", "thinking", "output_config", "reasoning", "include", "think"} & body.keys()
    assert "thinkingConfig" not in body.get("generationConfig", {})


# ---- Messages


def test_messages_need_a_cap() -> None:
    with pytest.raises(WireError, match="max_tokens"):
        write("anthropic-messages", chat())


def test_blank_text_is_not_sent() -> None:
    asked = chat(
        Message("user", (Text(""), Text("Hi"), Text(" \n"))),
        Message("assistant", (Text("\n"),)),
        Message("user", (ToolResult("c", (Text(""),)),)),
    )
    assert anthropic(asked)["messages"] == [
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c"}, {"type": "text", "text": "Hi"}]},
    ]


def test_neighbours_of_one_role_become_one_turn_with_its_tool_results_first() -> None:
    asked = chat(
        Message("user", (Text("a"), ToolResult("c", (Text("r"),)))),
        Message("system", (Text("s"),)),
        Message("user", (ToolResult("d", (Text("t"),), is_error=True),)),
    )
    body = anthropic(asked)
    assert body["system"] == "s"
    assert body["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c", "content": "r"},
                {"type": "tool_result", "tool_use_id": "d", "content": "t", "is_error": True},
                {"type": "text", "text": "a"},
            ],
        }
    ]


def test_a_chat_of_system_text_only_is_asked_by_a_user() -> None:
    body = anthropic(chat(Message("system", (Text("Say hi."),))))
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Say hi."}]}]
    assert "system" not in body


def test_unsigned_thinking_of_another_provider_is_left_out() -> None:
    asked = chat(*HI, Message("assistant", (Reasoning("Hm"), Text("x"))))
    assert anthropic(asked)["messages"][1] == {"role": "assistant", "content": "x"}


def test_ids_of_other_providers_stay_apart_and_match_their_results() -> None:
    calls = Message("assistant", (ToolCall("a.b", "f", "{}"), ToolCall("a:b", "f", "{}"), ToolCall("", "f", "{}")))
    answers = Message("user", tuple(ToolResult(call_id, (Text("r"),)) for call_id in ("a.b", "a:b", "")))
    written = anthropic(chat(*HI, calls, answers))["messages"]
    ids = [block["id"] for block in written[1]["content"]]
    assert len(set(ids)) == 3
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_") for name in ids)
    assert [block["tool_use_id"] for block in written[2]["content"]] == ids


BUDGETED = (
    "claude-3-7-sonnet-20250219 claude-sonnet-4-20250514 claude-sonnet-4@20250514 claude-opus-4-1-20250805 "
    "claude-opus-4-1 claude-sonnet-4-5 claude-haiku-4-5-20251001 claude-opus-4-5 anthropic/claude-sonnet-4.5 "
    "claude-4.5-sonnet minimax-m2"
)
EARLY = "claude-opus-4-6 claude-sonnet-4-6 anthropic/claude-opus-4.6"
LATER = (
    "claude-opus-4-7 claude-opus-4-8-20260528 claude-sonnet-5 claude-haiku-5-5 claude-fable-5-1 claude-mythos-preview"
)


@pytest.mark.parametrize(
    ("names", "manners"),
    [
        (BUDGETED, Manners(adaptive=False)),
        (EARLY, Manners(adaptive=True)),
        (LATER, Manners(adaptive=True, xhigh=True, sampling=False)),
    ],
    ids=["budget", "early adaptive", "later"],
)
def test_models_of_one_age_have_the_same_manners(names: str, manners: Manners) -> None:
    assert {manners_of(name) for name in names.split()} == {manners}


@pytest.mark.parametrize(
    ("model", "effort", "cap", "thinking", "output"),
    [
        ("claude-sonnet-4-5", "high", 40_000, {"type": "enabled", "budget_tokens": 16_384}, None),
        ("claude-sonnet-4-5", "xhigh", 40_000, {"type": "enabled", "budget_tokens": 20_000}, None),
        ("claude-sonnet-4-5", "minimal", 2048, {"type": "enabled", "budget_tokens": 1024}, None),
        ("claude-sonnet-4-5", "high", 2000, None, None),
        ("claude-sonnet-4-5", "none", 40_000, None, None),
        ("claude-opus-4-6", "xhigh", 100, {"type": "adaptive"}, {"effort": "high"}),
        ("claude-opus-4-7", "xhigh", 100, {"type": "adaptive"}, {"effort": "xhigh"}),
        ("claude-opus-4-7", "minimal", 100, {"type": "adaptive"}, {"effort": "low"}),
        ("claude-opus-5-5", "none", 100, None, {"effort": "low"}),
    ],
)
def test_effort_becomes_thinking_as_the_model_takes_it(
    model: str, effort: Any, cap: int, thinking: Any, output: Any
) -> None:
    body = anthropic(chat(reasoning_effort=effort, max_tokens=cap), model)
    assert (body.get("thinking"), body.get("output_config")) == (thinking, output)


def test_thinking_is_left_out_where_the_api_refuses_it() -> None:
    forced = chat(tools=(TOOL,), tool_choice=ToolChoice("required"), reasoning_effort="high")
    assert "thinking" not in anthropic(forced)
    assert anthropic(forced, "claude-opus-5")["output_config"] == {"effort": "high"}
    assert "thinking" not in anthropic(forced, "claude-opus-5")
    loop = (*HI, Message("assistant", (ToolCall("c", "f", "{}"),)), Message("user", (ToolResult("c", (Text("r"),)),)))
    assert "thinking" not in anthropic(chat(*loop, reasoning_effort="high"))
    assert "thinking" in anthropic(chat(*loop, reasoning_effort="high"), "claude-opus-4-6")
    assert "thinking" in anthropic(chat(*loop, Message("assistant", (Text("x"),)), *HI, reasoning_effort="high"))


def test_sampling_goes_only_to_models_that_take_it() -> None:
    asked = chat(temperature=0.3, top_p=0.9)
    assert (anthropic(asked)["temperature"], anthropic(asked).get("top_p")) == (0.3, None)
    assert anthropic(asked, "minimax-m2")["top_p"] == 0.9
    assert not {"temperature", "top_p"} & anthropic(asked, "claude-sonnet-5").keys()
    assert "temperature" not in anthropic(dataclasses.replace(asked, reasoning_effort="low"))


def from_messages(**more: Any) -> Chat:
    return DIALECTS["anthropic-messages"].read_request(
        {"model": "m", "max_tokens": 4000, "messages": MESSAGES, "temperature": 0.5, "top_k": 3, **more}
    )


def test_a_callers_own_thinking_is_kept_as_far_as_the_model_takes_it() -> None:
    adaptive = from_messages(thinking={"type": "adaptive"}, output_config={"effort": "max"})
    assert anthropic(adaptive, "claude-opus-5")["output_config"] == {"effort": "max"}
    assert anthropic(adaptive, "claude-sonnet-4-5")["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert "output_config" not in anthropic(adaptive, "claude-sonnet-4-5")
    too_much = from_messages(thinking={"type": "enabled", "budget_tokens": 9000})
    assert anthropic(too_much)["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    off = anthropic(from_messages(thinking={"type": "disabled"}))
    assert (off["thinking"], off["temperature"], off["top_k"]) == ({"type": "disabled"}, 0.5, 3)
    assert "top_k" not in anthropic(from_messages(), "claude-sonnet-5")
    assert "thinking" not in anthropic(from_messages(output_config={"effort": "low"}), "claude-opus-4-6")
