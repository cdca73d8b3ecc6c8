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
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.wire.dialect import Quirks, WireError
from omniroute_agent.wire.table import DIALECTS
from streams import ndjson, read, said

OLLAMA = DIALECTS["ollama"]
HI: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
ASKED = Chat(model="m", messages=(Message("user", (Text("Hi"),)),))


def write(chat: Chat, *, model: str = "qwen3", **quirks: Any) -> dict[str, Any]:
    return OLLAMA.write_request(chat, model=model, quirks=Quirks(**quirks), stream=True)


def asked(**fields: Any) -> Chat:
    return Chat(model="m", messages=ASKED.messages, **fields)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"model": 7}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x", "images": ["????"]}]}, "messages[0].images[0]"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}, "messages[0].tool_calls[0].function"),
        ({"options": {"num_predict": -3}}, "options.num_predict"),
        ({"options": {"temperature": "hot"}}, "options.temperature"),
        ({"format": "xml"}, "format"),
        ({"think": 2}, "think"),
        ({"tools": [{"type": "browser"}]}, "tools[0].type"),
    ],
)
def test_what_cannot_be_routed_is_refused_by_its_field(more: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        OLLAMA.read_request({**HI, **more})
    assert f"`{field}`" in caught.value.message


def test_a_stream_is_the_default() -> None:
    assert OLLAMA.read_request(HI).stream
    assert not OLLAMA.read_request({**HI, "stream": False}).stream
    assert OLLAMA.write_request(ASKED, model="m", quirks=Quirks(), stream=False)["stream"] is False


@pytest.mark.parametrize("cap", [-1, -2, None])
def test_no_cap_is_none(cap: int | None) -> None:
    assert OLLAMA.read_request({**HI, "options": {"num_predict": cap}}).max_tokens is None


@pytest.mark.parametrize(
    ("model", "effort", "think"),
    [
        ("qwen3", "none", False),
        ("qwen3", "minimal", True),
        ("qwen3", "xhigh", True),
        ("gpt-oss:20b", "none", "low"),
        ("gpt-oss:20b", "medium", "medium"),
        ("gpt-oss:20b", "xhigh", "high"),
    ],
)
def test_effort_becomes_thinking_as_the_model_takes_it(model: str, effort: Any, think: bool | str) -> None:
    assert write(asked(reasoning_effort=effort), model=model)["think"] == think


@pytest.mark.parametrize(("think", "effort"), [(True, "medium"), (False, "none"), ("low", "low"), ("max", "xhigh")])
def test_thinking_becomes_effort_elsewhere(think: bool | str, effort: str) -> None:
    assert OLLAMA.read_request({**HI, "think": think}).reasoning_effort == effort


def test_a_ban_on_tools_leaves_them_out() -> None:
    tools = (ToolSpec("f", "", {"type": "object"}),)
    assert "tools" not in write(asked(tools=tools, tool_choice=ToolChoice("none")))
    assert "tools" in write(asked(tools=tools, tool_choice=ToolChoice("required")))


def test_results_without_ids_answer_the_first_open_call_of_their_name() -> None:
    def call(name: str) -> dict[str, Any]:
        return {"function": {"name": name, "arguments": {}}}

    def result(name: str | None) -> dict[str, Any]:
        return {"role": "tool", "content": "x", **({"tool_name": name} if name else {})}

    chat = OLLAMA.read_request(
        {
            **HI,
            "messages": [
                {"role": "assistant", "tool_calls": [call("f"), call("g"), call("f")]},
                result("f"),
                result("f"),
                result("g"),
                {"role": "assistant", "tool_calls": [call("f")]},
                result(None),
                result("f"),
            ],
        }
    )
    assert [part.call_id for message in chat.messages for part in message.parts if isinstance(part, ToolResult)] == [
        "call_0",
        "call_2",
        "call_1",
        "call_3",
        "call_4",
    ]


def test_a_result_names_the_tool_of_the_latest_call_with_its_id() -> None:
    turns = [
        part
        for name in ("f", "g")
        for part in (
            Message("assistant", (ToolCall("call_0", name, "{}"),)),
            Message("user", (ToolResult("call_0", (Text("x"),)),)),
        )
    ]
    body = write(Chat(model="m", messages=(*ASKED.messages, *turns)))
    assert [message.get("tool_name") for message in body["messages"]] == [None, None, "f", None, "g"]


def test_malformed_arguments_are_shown_and_not_repaired() -> None:
    call = Message("assistant", (ToolCall("c", "f", '{"q":'),))
    body = write(Chat(model="m", messages=(*ASKED.messages, call)))
    assert body["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"malformed_arguments": '{"q":'}


def test_one_line_may_carry_thinking_text_and_a_call() -> None:
    line = said(
        done="stop", thinking="Hm", content="Hi", tool_calls=[{"function": {"name": "f", "arguments": {"q": 1}}}]
    )
    assert read("ollama", ndjson(line)) == [
        ReasoningDelta("Hm"),
        TextDelta("Hi"),
        ToolCallDelta(0, "call_0", "f", '{"q":1}'),
        Finished("tool_calls", "qwen"),
    ]


def test_unknown_counts_are_not_zero() -> None:
    assert read("ollama", ndjson({**said(done="length"), "eval_count": 3})) == [Finished("length", "qwen")]


def test_what_follows_the_end_is_ignored() -> None:
    assert read("ollama", ndjson(said(done="stop"), said(content="x"))) == [Finished("stop", "qwen")]


@pytest.mark.parametrize("body", [{}, {"message": {"content": "x"}}, {"done": True}, {"done": False, "message": {}}])
def test_an_unfinished_answer_is_none(body: dict[str, Any]) -> None:
    with pytest.raises(WireError, match="not a finished message"):
        OLLAMA.read_answer(body)


def test_a_line_of_a_stream_is_one_line() -> None:
    made = OLLAMA.encoder(id="x", model="m", created=7, include_usage=True)
    content = made.encode(TextDelta("a\nb")) + made.encode(ToolCallDelta(0, "c", "f")) + made.encode(TextDelta("d"))
    lines = [json.loads(line) for line in content.splitlines()]
    assert [line["message"] for line in lines] == [
        {"role": "assistant", "content": "a\nb"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c", "type": "function", "function": {"index": 0, "name": "f", "arguments": {}}}],
        },
        {"role": "assistant", "content": "d"},
    ]
