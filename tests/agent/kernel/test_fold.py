from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.kernel.chat import (
    ChatEvent,
    Finished,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageSeen,
)
from omniroute_agent.kernel.fold import Fold

EVENTS = st.lists(
    st.builds(TextDelta, st.text(max_size=5))
    | st.builds(ReasoningDelta, st.text(max_size=5))
    | st.builds(ToolCallDelta, st.integers(0, 3), st.none() | st.just("id"), st.just("f"), st.text(max_size=5)),
    max_size=20,
)


def fold(*events: ChatEvent) -> Fold:
    folded = Fold()
    for event in events:
        folded.add(event)
    return folded


def test_pieces_of_one_kind_become_one_part_in_the_order_they_came() -> None:
    answer = fold(
        ReasoningDelta("let "),
        ReasoningDelta("me"),
        TextDelta("Hel"),
        TextDelta("lo"),
        ToolCallDelta(0, "c1", "find", '{"q"'),
        ToolCallDelta(1, "c2", "sum", "{}"),
        ToolCallDelta(0, arguments=":1}"),
        TextDelta("bye"),
        Finished("tool_calls", "model-7"),
    ).answer()
    assert answer.parts == (
        Reasoning("let me"),
        Text("Hello"),
        ToolCall("c1", "find", '{"q":1}'),
        ToolCall("c2", "sum", "{}"),
        Text("bye"),
    )
    assert (answer.text, answer.finish, answer.model) == ("Hellobye", "tool_calls", "model-7")


def test_a_signature_closes_its_block_of_thought() -> None:
    answer = fold(
        ReasoningDelta("a"), ReasoningDelta(signature="s1"), ReasoningDelta("b"), ReasoningDelta(redacted="sealed")
    ).answer()
    assert answer.parts == (Reasoning("a", "s1"), Reasoning("b"), Reasoning("", None, "sealed"))


def test_a_later_usage_replaces_an_earlier_one() -> None:
    last = Usage(input_tokens=3, output_tokens=2)
    assert fold(UsageSeen(Usage(input_tokens=3, output_tokens=0)), UsageSeen(last)).answer().usage == last


def test_a_broken_stream_can_be_asked_for_what_it_produced() -> None:
    folded = fold(ReasoningDelta("hm "), TextDelta("Hel"), ToolCallDelta(0, None, "find", '{"q'))
    assert folded.produced_text == 'hm Helfind{"q'
    assert folded.finish is None
    assert folded.answer().tool_calls == (ToolCall("call_0", "find", '{"q'),)


@given(EVENTS)
def test_nothing_that_was_produced_is_lost_or_said_twice(events: list[ChatEvent]) -> None:
    answer = fold(*events).answer()
    assert answer.text == "".join(event.text for event in events if isinstance(event, TextDelta))
    thought = "".join(part.text for part in answer.parts if isinstance(part, Reasoning))
    assert thought == "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    for index in {event.index for event in events if isinstance(event, ToolCallDelta)}:
        pieces = [event.arguments for event in events if isinstance(event, ToolCallDelta) and event.index == index]
        assert any(call.arguments == "".join(pieces) for call in answer.tool_calls)
    assert not any(isinstance(a, Text) and isinstance(b, Text) for a, b in pairwise(answer.parts))


@given(EVENTS, st.integers(0, 20))
def test_asking_in_between_changes_nothing(events: list[ChatEvent], stop: int) -> None:
    folded = fold(*events[:stop])
    folded.answer()
    for event in events[stop:]:
        folded.add(event)
    assert folded.answer() == fold(*events).answer()
