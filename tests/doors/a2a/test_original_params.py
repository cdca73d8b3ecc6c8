"""Whatever stands in the parameters: it is understood, or refused as wrong parameters."""

from contextlib import suppress
from typing import Any

import pytest
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import InvalidParamsError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from fakes import CountedIds
from omniroute_agent.doors.a2a.conversation import metadata_of, said_in, spoken
from omniroute_agent.doors.a2a.original import outcome
from omniroute_agent.doors.a2a.original_params import question_in, speaks, task_id_in
from omniroute_agent.doors.a2a.render import struct
from omniroute_agent.doors.a2a.states import CORE
from omniroute_agent.doors.a2a.words import EXTENSION

texts = st.text(st.characters(codec="utf-8"), max_size=12)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
parts = st.fixed_dictionaries({}, optional=dict.fromkeys(("type", "text", "content", "image_url"), anything | texts))
messages = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(("user", "assistant", "agent", "system", "developer")) | anything,
        "content": texts | st.lists(parts | anything, max_size=3) | anything,
        "parts": st.lists(parts, max_size=3),
        "messageId": texts,
    },
)
params = st.fixed_dictionaries(
    {},
    optional={
        "skill": texts | anything,
        "messages": st.lists(messages | anything, max_size=4) | anything,
        "message": messages | anything,
        "metadata": st.dictionaries(texts | st.just(EXTENSION), anything, max_size=3) | anything,
        "taskId": texts | anything,
        "id": texts,
    },
)
methods = st.sampled_from(("message/send", "message/stream", "tasks/get", "tasks/cancel", "SendMessage", "tasks/x"))


@given(methods, params)
def test_parameters_of_any_shape_are_understood_or_refused(method: str, told: dict[str, Any]) -> None:
    assert speaks(method, told) in (True, False)
    with suppress(InvalidParamsError):
        task_id_in(told)
    try:
        question = question_in(told, CountedIds())
    except InvalidParamsError:
        return
    request = question.request
    assert request.message.message_id
    assert request.message.parts
    assert metadata_of(request.message, request)[EXTENSION]
    assert all(message.message_id and message.parts and not message.task_id for message in question.earlier)


@given(texts.filter(str.strip), st.lists(st.tuples(st.sampled_from(("user", "assistant")), texts.filter(str.strip))))
def test_words_arrive_as_they_were_said(newest: str, before: list[tuple[str, str]]) -> None:
    told = [{"role": role, "content": content} for role, content in [*before, ("user", newest)]]
    question = question_in({"messages": told}, CountedIds())
    said = [spoken(message) for message in (*question.earlier, question.request.message)]
    assert [(message.role, said_in(message.parts)) for message in said] == [*before, ("user", newest)]


def test_only_the_originals_parameters_are_its_dialect() -> None:
    message = {"messageId": "m", "role": "user", "parts": [{"kind": "text", "text": "Hi"}]}
    for method, told, expected in (
        ("message/send", {"message": message}, False),
        ("message/send", {"message": message, "skill": "smart-routing"}, False),
        ("message/send", {}, False),
        ("message/send", {"skill": "smart-routing"}, True),
        ("message/stream", {"messages": []}, True),
        ("message/send", {"skill": "x", "message": {"content": "Hi"}}, True),
        ("tasks/get", {"id": "t"}, False),
        ("tasks/get", {"id": "t", "taskId": "t"}, False),
        ("tasks/cancel", {"taskId": "t"}, True),
        ("SendMessage", {"skill": "x", "messages": []}, False),
        ("CreateTaskPushNotificationConfig", {"taskId": "t"}, False),
        ("tasks/pushNotificationConfig/set", {"taskId": "t"}, False),
    ):
        assert speaks(method, told) is expected, (method, told)


@pytest.mark.parametrize(
    ("amount", "number"),
    [("0", 0), ("0.00002", 0.00002), ("12", 12), ("8999999.999999999", 8999999.999999999), (None, None)],
)
def test_an_amount_is_a_number_and_beside_it_exact_and_an_unknown_one_is_not_0(
    amount: str | None, number: float | None
) -> None:
    task = pb.Task(id="t", status=pb.TaskStatus(state=CORE["completed"]))
    cost: JsonValue = {"estimated": amount, "worst": "3", "actual": amount, "currency": "USD", "state": "exact"}
    task.metadata.CopyFrom(struct({EXTENSION: {"cost_envelope": cost}}))
    told = outcome(task)["result"]["metadata"]["cost_envelope"]
    assert told == {
        "estimated": number,
        "actual": number,
        "currency": "USD",
        "state": "exact",
        "estimated_usd": amount,
        "actual_usd": amount,
        "worst_usd": "3",
    }
    assert type(told["actual"]) is type(number)


@pytest.mark.parametrize("state", sorted(CORE))
def test_every_state_has_one_of_the_dialects_words(state: str) -> None:
    task = pb.Task(id="t", status=pb.TaskStatus(state=CORE[state]))
    told = outcome(task)
    shown = told["result"]["task"] if "result" in told else told["error"]["data"]["task"]
    same = {"submitted", "working", "completed", "failed"}
    assert shown["state"] == (state if state in same else "cancelled" if state == "canceled" else "failed")
    assert ("error" in told) == (shown["state"] == "failed"), "unless a limit refused it"
