from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.wire import sse
from omniroute_agent.wire.errors import WireError
from omniroute_agent.wire.sse import ServerSentEvent, SseParser

STREAM = (
    "\ufeff: hello\r\n\r\n"
    "data: plain\n\n"
    "event: named\rdata:no space\rdata:  two spaces\r\r"
    "id: 7\r\nretry: 10\r\ndata: naïve 🦊\u2028one line\r\n\r\n"
    "data\n\n"
    "event: without data\n\n"
    "data: [DONE]\n\n"
).encode()
EVENTS = [
    ServerSentEvent("plain"),
    ServerSentEvent("no space\n two spaces", "named"),
    ServerSentEvent("naïve 🦊\u2028one line"),
    ServerSentEvent(""),
    ServerSentEvent("[DONE]"),
]


def parsed(*pieces: bytes) -> list[ServerSentEvent]:
    parser = SseParser()
    return [event for piece in pieces for event in parser.feed(piece)]


def test_a_stream_is_read_by_the_standard() -> None:
    assert parsed(STREAM) == EVENTS


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_a_cut_anywhere_changes_nothing(cut: int) -> None:
    assert parsed(STREAM[:cut], STREAM[cut:]) == EVENTS


def test_single_bytes_change_nothing() -> None:
    assert parsed(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == EVENTS


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_in_any_pieces_give_the_same_events(content: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(content)]
    assert parsed(*(content[a:b] for a, b in pairwise(edges))) == parsed(content)


def test_an_event_without_its_blank_line_is_not_given() -> None:
    assert parsed(b"data: whole\n\ndata: half\n") == [ServerSentEvent("whole")]


@pytest.mark.parametrize("lines", [b"data: " + b"x" * 120, b"data: xxxxxxxxx\n" * 12])
def test_an_endless_event_is_given_up(lines: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 100)
    with pytest.raises(WireError) as caught:
        parsed(b"data: fine\n\n", lines)
    assert "xxx" in caught.value.excerpt


def test_endless_comments_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 100)
    assert parsed(b": keep-alive\n" * 50, b"data: x\n\n") == [ServerSentEvent("x")]
