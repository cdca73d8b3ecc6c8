from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.kernel.chat import (
    ChatEvent,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageSeen,
)
from omniroute_agent.kernel.fold import Fold
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.think_tags import ThinkTags, without_tags
from streams import candidate, chunk, ndjson, openai, read, said

WRITTEN = "<think>\nHm < a\r\n</think>\n\n1 <thin air> 2</think><think>More</think>Bye <thi"
MEANT = [("r", "Hm < a\r\n"), ("t", "1 <thin air> 2</think>"), ("r", "More"), ("t", "Bye <thi")]
TAGGED = Quirks(think_tags=True)


def split(*pieces: str) -> list[tuple[str, str]]:
    """Reasoning and text, neighbours of one kind joined."""
    tags = ThinkTags()
    events = [event for piece in pieces for event in tags.feed(piece)] + list(tags.flush())
    found: list[tuple[str, str]] = []
    for event in events:
        assert isinstance(event, TextDelta | ReasoningDelta)
        assert event.text
        kind = "t" if isinstance(event, TextDelta) else "r"
        if found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] + event.text)
        else:
            found.append((kind, event.text))
    return found


def test_reasoning_between_tags_is_told_apart_from_text() -> None:
    assert split(WRITTEN) == MEANT


@pytest.mark.parametrize("cut", range(len(WRITTEN) + 1))
def test_a_cut_anywhere_in_a_tag_changes_nothing(cut: int) -> None:
    assert split(WRITTEN[:cut], WRITTEN[cut:]) == MEANT


def test_single_characters_change_nothing() -> None:
    assert split(*WRITTEN) == MEANT


@given(st.text("<>/think \n", max_size=40), st.lists(st.integers(0, 40), max_size=4))
def test_any_text_in_any_pieces_is_split_alike(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(text)]
    assert split(*(text[a:b] for a, b in pairwise(edges))) == split(text)


def test_a_tag_never_closed_leaves_reasoning() -> None:
    assert split("<think>Hm", " and on") == [("r", "Hm and on")]


def test_text_streams_on_while_nothing_looks_like_a_tag() -> None:
    tags = ThinkTags()
    assert list(tags.feed("a < b ")) == [TextDelta("a < b ")]
    assert list(tags.feed("<")) == []
    assert list(tags.feed("b")) == [TextDelta("<b")]


def test_what_was_held_comes_before_a_call_and_before_the_end() -> None:
    usage = UsageSeen(Usage(input_tokens=1, output_tokens=1))
    events: list[ChatEvent] = [TextDelta("a <th"), usage, ToolCallDelta(0, "c", "f"), TextDelta("<"), Finished("stop")]
    assert list(without_tags(events, ThinkTags())) == [
        TextDelta("a "),
        usage,
        TextDelta("<th"),
        ToolCallDelta(0, "c", "f"),
        TextDelta("<"),
        Finished("stop"),
    ]


STREAMS = {
    "openai-chat": openai(chunk(content="<thi"), chunk(content="nk>Hm</think>\nHi"), chunk("stop"), "[DONE]"),
    "gemini": openai(candidate({"text": "<thi"}), candidate({"text": "nk>Hm</think>\nHi"}, finish="STOP")),
    "ollama": ndjson(said(content="<thi"), said(content="nk>Hm</think>\nHi"), said(done="stop")),
}


@pytest.mark.parametrize("dialect", sorted(STREAMS))
def test_tags_are_read_only_where_the_provider_is_known_to_write_them(dialect: str) -> None:
    def parts(quirks: Quirks) -> list[tuple[str, str]]:
        fold = Fold()
        for event in read(dialect, STREAMS[dialect], quirks):
            fold.add(event)
        return [(type(part).__name__, getattr(part, "text", "")) for part in fold.answer().parts]

    assert parts(TAGGED) == [("Reasoning", "Hm"), ("Text", "Hi")]
    assert parts(Quirks()) == [("Text", "<think>Hm</think>\nHi")]
