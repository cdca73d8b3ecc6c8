"""Two requests are the same exactly when the same answer would do for both."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from omniroute_agent.engine.combos import Combo
from omniroute_agent.engine.decision import Receipt
from omniroute_agent.engine.request import Request, TimeLimits
from omniroute_agent.engine.reuse import KeptAnswer
from omniroute_agent.engine.sameness import answer_key, fingerprint, repeatable
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.chat import (
    Chat,
    ChatAnswer,
    Image,
    Message,
    Reasoning,
    ResponseFormat,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    Usage,
)

OWNER = Caller(id="owner", scopes=frozenset(("*",)), session="s1")
TARGETS = ("one/alpha", "two/beta")
COMBO = Combo(name="both", targets=TARGETS, options={"weights": {"one/alpha": 1}})
SCHEMA: dict[str, JsonValue] = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "string"}}}

CHAT = Chat(
    model="",
    messages=(
        Message("system", (Text("Be brief."),)),
        Message("user", (Text("Look"), Image(media_type="image/png", data="aGk="))),
        Message("assistant", (Reasoning("Hm", signature="s"), ToolCall("c1", "see", '{"x": 1}'))),
        Message("user", (ToolResult("c1", (Text("seen"),)),)),
    ),
    tools=(ToolSpec("see", "Looks.", SCHEMA),),
    tool_choice=ToolChoice("auto"),
    parallel_tool_calls=True,
    max_tokens=77,
    temperature=0.0,
    top_p=1.0,
    stop=("END",),
    response_format=ResponseFormat(schema=SCHEMA),
    reasoning_effort="low",
    origin="openai-chat",
    rest={"seed": 1, "metadata": {"a": 1, "b": [1, 2]}},
)
BASE = Request(
    id="r1", caller=OWNER, door="mcp", chat=CHAT, combo="both", task="coding", budget=5, deadline=9.0, cache=True
)

Change = Callable[[Request], Request]


def key_of(request: Request) -> str:
    return answer_key(request, TARGETS, COMBO)


def of_chat(**changes: Any) -> Change:
    return lambda request: replace(request, chat=replace(request.chat, **changes))


def in_message(at: int, *parts: Any, **more: Any) -> Change:
    def change(request: Request) -> Request:
        messages = list(request.chat.messages)
        changes: dict[str, Any] = {"parts": parts, **more} if parts else more
        messages[at] = replace(messages[at], **changes)
        return replace(request, chat=replace(request.chat, messages=tuple(messages)))

    return change


OTHER_ANSWERS: Mapping[str, Change] = {
    "caller": lambda r: replace(r, caller=replace(OWNER, id="other")),
    "combo": lambda r: replace(r, combo="other"),
    "no combo": lambda r: replace(r, combo=None),
    "task": lambda r: replace(r, task="review"),
    "model": of_chat(model="one/alpha"),
    "system text": in_message(0, Text("Be long.")),
    "role": in_message(0, role="user"),
    "unicode form": in_message(0, Text("Be brief\u0301.")),
    "white space": in_message(0, Text("Be brief. ")),
    "two texts for one": in_message(0, Text("Be "), Text("brief.")),
    "image": in_message(1, Text("Look"), Image(media_type="image/png", data="aGo=")),
    "image type": in_message(1, Text("Look"), Image(media_type="image/gif", data="aGk=")),
    "order of parts": in_message(1, Image(media_type="image/png", data="aGk="), Text("Look")),
    "reasoning is no text": in_message(2, Text("Hm"), ToolCall("c1", "see", '{"x": 1}')),
    "signature": in_message(2, Reasoning("Hm", signature="t"), ToolCall("c1", "see", '{"x": 1}')),
    "sealed": in_message(2, Reasoning("Hm", redacted="s"), ToolCall("c1", "see", '{"x": 1}')),
    "call id": in_message(2, Reasoning("Hm", signature="s"), ToolCall("c2", "see", '{"x": 1}')),
    "arguments": in_message(2, Reasoning("Hm", signature="s"), ToolCall("c1", "see", '{"x": 2}')),
    "result": in_message(3, ToolResult("c1", (Text("not seen"),))),
    "failed result": in_message(3, ToolResult("c1", (Text("seen"),), is_error=True)),
    "message rest": in_message(0, rest={"name": "a"}),
    "a message more": of_chat(messages=(*CHAT.messages, Message("user", (Text("?"),)))),
    "a message less": of_chat(messages=CHAT.messages[:3]),
    "order of messages": of_chat(messages=CHAT.messages[::-1]),
    "no tools": of_chat(tools=()),
    "tool name": of_chat(tools=(ToolSpec("hear", "Looks.", SCHEMA),)),
    "tool description": of_chat(tools=(ToolSpec("see", "Sees.", SCHEMA),)),
    "tool schema": of_chat(tools=(ToolSpec("see", "Looks.", {"type": "object"}),)),
    "tool rest": of_chat(tools=(ToolSpec("see", "Looks.", SCHEMA, {"strict": True}),)),
    "tool choice": of_chat(tool_choice=ToolChoice("required")),
    "named tool": of_chat(tool_choice=ToolChoice("named", "see")),
    "no tool choice": of_chat(tool_choice=None),
    "parallel": of_chat(parallel_tool_calls=False),
    "max tokens": of_chat(max_tokens=78),
    "no max tokens": of_chat(max_tokens=None),
    "temperature": of_chat(temperature=0.5),
    "top p": of_chat(top_p=0.9),
    "stop": of_chat(stop=("END", "STOP")),
    "format": of_chat(response_format=None),
    "any json": of_chat(response_format=ResponseFormat()),
    "format schema": of_chat(response_format=ResponseFormat(schema={"type": "object"})),
    "format name": of_chat(response_format=ResponseFormat(schema=SCHEMA, name="other")),
    "strict": of_chat(response_format=ResponseFormat(schema=SCHEMA, strict=False)),
    "effort": of_chat(reasoning_effort="high"),
    "origin": of_chat(origin="anthropic-messages"),
    "seed": of_chat(rest={**CHAT.rest, "seed": 2}),
    "true is not 1": of_chat(rest={**CHAT.rest, "seed": True}),
    "text is not a number": of_chat(rest={**CHAT.rest, "seed": "1"}),
    "an extra field": of_chat(rest={**CHAT.rest, "logprobs": True}),
    "order of a list": of_chat(rest={**CHAT.rest, "metadata": {"a": 1, "b": [2, 1]}}),
}

SAME_ANSWER: Mapping[str, Change] = {
    "id": lambda r: replace(r, id="r2"),
    "session": lambda r: replace(r, caller=replace(OWNER, session="s2")),
    "scopes": lambda r: replace(r, caller=replace(OWNER, scopes=frozenset(("execute:completions",)))),
    "door": lambda r: replace(r, door="v1"),
    "budget": lambda r: replace(r, budget=None),
    "deadline": lambda r: replace(r, deadline=1.0),
    "limits": lambda r: replace(r, limits=TimeLimits(total=5)),
    "commit": lambda r: replace(r, commit="result"),
    "idempotency key": lambda r: replace(r, idempotency_key="k"),
    "stream": of_chat(stream=True),
    "order of members": of_chat(rest={"metadata": {"b": [1, 2], "a": 1}, "seed": 1}),
    "order in a schema": of_chat(tools=(ToolSpec("see", "Looks.", dict(reversed(list(SCHEMA.items())))),)),
}


@pytest.mark.parametrize("change", OTHER_ANSWERS.values(), ids=OTHER_ANSWERS)
def test_whatever_shapes_the_answer_makes_another_key(change: Change) -> None:
    assert key_of(change(BASE)) != key_of(BASE)


@pytest.mark.parametrize("change", SAME_ANSWER.values(), ids=SAME_ANSWER)
def test_whatever_does_not_shape_it_keeps_the_key(change: Change) -> None:
    assert key_of(change(BASE)) == key_of(BASE)


def test_no_two_of_these_requests_are_taken_for_each_other() -> None:
    keys = [key_of(change(BASE)) for change in OTHER_ANSWERS.values()]
    assert len(set(keys)) == len(keys)


def test_every_field_of_a_chat_is_spoken_for() -> None:
    named = {name for name in Chat.__dataclass_fields__ if key_of(_without(name)) != key_of(BASE)}
    assert set(Chat.__dataclass_fields__) - named == {"stream"}


def _without(name: str) -> Request:
    other: dict[str, Any] = {"model": "m", "messages": (), "stream": True, "origin": "gemini", "rest": {}}
    changes: dict[str, Any] = {name: other.get(name, () if isinstance(getattr(CHAT, name), tuple) else None)}
    return replace(BASE, chat=replace(CHAT, **changes))


@pytest.mark.parametrize(
    ("targets", "edited"),
    [
        (TARGETS[::-1], COMBO),
        (TARGETS[:1], COMBO),
        (TARGETS, COMBO.model_copy(update={"strategy": "random"})),
        (TARGETS, COMBO.model_copy(update={"options": {"weights": {"one/alpha": 2}}})),
        (TARGETS, COMBO.model_copy(update={"tier": "cheap"})),
        (TARGETS, None),
    ],
)
def test_a_name_that_means_something_else_now_answers_anew(targets: tuple[str, ...], edited: Combo | None) -> None:
    assert answer_key(BASE, targets, edited) != key_of(BASE)


def test_a_combo_that_was_only_switched_keeps_its_answers() -> None:
    switched = COMBO.model_copy(update={"is_default": True, "overridden": True})
    assert answer_key(BASE, TARGETS, switched) == key_of(BASE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def shuffled(value: Any) -> Any:
    """The same JSON value with the members of its objects in the other order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(), JSON, max_size=5), st.dictionaries(st.text(), JSON, max_size=5))
def test_extras_are_the_same_exactly_when_their_json_is(one: dict[str, Any], two: dict[str, Any]) -> None:
    def key(rest: dict[str, Any]) -> str:
        return key_of(of_chat(rest=rest)(BASE))

    assert key(shuffled(one)) == key(one)
    equal = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (key(one) == key(two)) is equal


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_words_do_not_run_into_each_other(one: list[str], two: list[str]) -> None:
    def key(texts: list[str]) -> str:
        return key_of(in_message(0, *(Text(text) for text in texts or [""]))(BASE))

    assert (key(one) == key(two)) is ((one or [""]) == (two or [""]))


def test_half_a_character_is_no_obstacle() -> None:
    assert len(key_of(in_message(0, Text("\ud800"))(BASE))) == 64


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (of_chat(), True),
        (of_chat(temperature=0), True),
        (of_chat(temperature=-0.0), True),
        (of_chat(temperature=None), False),
        (of_chat(temperature=0.001), False),
        (lambda r: replace(r, cache=False), False),
        (in_message(1, Image(url="https://pictures.example/now.png")), False),
        (in_message(3, ToolResult("c1", (Image(url="https://pictures.example/now.png"),))), False),
        (of_chat(rest={"conversation": "conv_1"}), False),
        (of_chat(rest={"cachedContent": "cachedContents/1"}), False),
    ],
)
def test_what_may_be_answered_again(change: Change, expected: bool) -> None:
    assert repeatable(change(BASE)) is expected


@pytest.mark.parametrize("name", ["stream", "order of members", "id", "session", "deadline", "door"])
def test_an_idempotency_key_may_be_sent_again_in_another_form(name: str) -> None:
    assert fingerprint(SAME_ANSWER[name](BASE)) == fingerprint(BASE)


@pytest.mark.parametrize("name", sorted(OTHER_ANSWERS.keys() - {"caller"}))
def test_an_idempotency_key_stands_for_one_body(name: str) -> None:
    assert fingerprint(OTHER_ANSWERS[name](BASE)) != fingerprint(BASE)


def test_an_idempotency_key_stands_for_one_budget() -> None:
    assert fingerprint(replace(BASE, budget=6)) != fingerprint(BASE)


PARTS = st.one_of(
    st.builds(Text, st.text()),
    st.builds(Reasoning, st.text(), st.none() | st.text(), st.none() | st.text()),
    st.builds(ToolCall, st.text(), st.text(), st.text()),
)


@given(st.lists(PARTS, max_size=5))
def test_an_answer_is_the_same_after_it_was_stored(parts: list[Any]) -> None:
    answer = ChatAnswer(parts=tuple(parts), finish="stop", usage=Usage(input_tokens=1, output_tokens=2), model="m")
    receipt = Receipt(request_id="r", served_by="a/b", cost=1, cost_state="exact", latency_ms=1, because="x")
    kept = KeptAnswer(answer=answer, receipt=receipt)
    assert KeptAnswer.model_validate_json(kept.model_dump_json()) == kept
