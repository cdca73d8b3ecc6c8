from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.wire import ndjson
from omniroute_agent.wire.errors import WireError
from omniroute_agent.wire.ndjson import LineParser
from omniroute_agent.wire.sse import ServerSentEvent

STREAM = '{"a": 1}\n\n \r\n{"b": "naïve 🦊\u2028one line"}\r\n{"c": 3}\n{"cut": '.encode()
LINES = [ServerSentEvent('{"a": 1}'), ServerSentEvent('{"b": "naïve 🦊\u2028one line"}'), ServerSentEvent('{"c": 3}')]


def parsed(*pieces: bytes) -> list[ServerSentEvent]:
    parser = LineParser()
    return [line for piece in pieces for line in parser.feed(piece)]


def test_each_whole_line_is_given_and_half_a_line_is_not() -> None:
    assert parsed(STREAM) == LINES


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_a_cut_anywhere_changes_nothing(cut: int) -> None:
    assert parsed(STREAM[:cut], STREAM[cut:]) == LINES


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_in_any_pieces_give_the_same_lines(content: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(content)]
    assert parsed(*(content[a:b] for a, b in pairwise(edges))) == parsed(content)


def test_an_endless_line_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "MAX_LINE", 100)
    with pytest.raises(WireError) as caught:
        parsed(b"{}\n", b"x" * 60, b"y" * 60)
    assert caught.value.excerpt.startswith("xxx")


def test_lines_that_end_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "MAX_LINE", 100)
    assert len(parsed(*[b'{"a": 1}\n'] * 50)) == 50
