"""How an answer is cut for sending: at paragraphs, or a moment after its first token, and never inside a word."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import fake_ports
from omniroute_agent.doors.a2a.skills.chunks import WAIT_SECONDS, Chunks
from omniroute_agent.doors.a2a.skills.ticking import ticking
from omniroute_agent.kernel.ports import Ports
from virtual_time import run_virtual

STOPS = "、。，！？；：」』）】"  # noqa: RUF001 (they end words where no blank does)


def cut(*pieces: tuple[float, str]) -> list[str]:
    """What is sent of pieces that come at given seconds; the clock looks only when something comes."""
    chunks = Chunks()
    sent = [chunks.add(text, at) for at, text in pieces]
    return [text for text in [*sent, chunks.rest()] if text]


def test_a_paragraph_is_sent_when_it_ends_and_the_line_ends_open_the_next_piece() -> None:
    assert cut((0, "First line.\nSame para"), (0.01, "graph.\n"), (0.02, "\nSecond")) == [
        "First line.\nSame paragraph.",
        "\n\nSecond",
    ]


def test_several_paragraphs_that_come_at_once_are_one_piece() -> None:
    assert cut((0, "One.\n\nTwo.\n\nThree")) == ["One.\n\nTwo.", "\n\nThree"]


def test_an_empty_line_made_of_blanks_ends_a_paragraph_too() -> None:
    assert cut((0, "One.\r\n"), (0, " \t\r\n"), (0, "Two.")) == ["One.", "\r\n \t\r\nTwo."]


def test_text_that_ends_no_paragraph_waits_a_quarter_of_a_second_and_goes_up_to_its_last_whole_word() -> None:
    assert cut((0, "The quick"), (0.1, " brown f"), (WAIT_SECONDS, "ox jum"), (0.3, "ps")) == [
        "The quick brown fox",
        " jumps",
    ]


def test_the_wait_begins_with_the_first_token_and_not_with_the_white_space_before_it() -> None:
    chunks = Chunks()
    assert (chunks.add("\n", 0.0), chunks.due_at) == ("", None)
    assert (chunks.add("Hello there", 10.0), chunks.due_at) == ("", 10.0 + WAIT_SECONDS)
    assert chunks.due(10.0 + WAIT_SECONDS) == "\nHello"


def test_nothing_is_due_while_no_word_is_whole() -> None:
    chunks = Chunks()
    assert chunks.add("Donaudampfschiff", 0.0) == ""
    assert chunks.due_at is None
    assert chunks.due(60.0) == ""
    assert chunks.add("fahrt ist", 60.0) == "Donaudampfschifffahrt"


def test_amounts_and_units_stay_together_where_a_blank_does_not_break() -> None:
    assert cut((0, "about 100\u00a0km"), (1, "/h")) == ["about", " 100\u00a0km/h"]


def test_text_without_blanks_is_cut_behind_its_marks() -> None:
    assert cut((0, "今天天气很好。我们"), (1, "去公园")) == ["今天天气很好。", "我们去公园"]


def test_what_is_thrown_away_is_not_sent() -> None:
    chunks = Chunks()
    chunks.add("A broken begin", 0.0)
    chunks.clear()
    assert chunks.add("Anew\n\n", 5.0) == "Anew"
    assert chunks.rest() == "\n\n"
    assert chunks.rest() == ""


_LETTERS = [*"ab é語👩🏽‍💻", " ", "\n", "\n", "\r\n", "\t", "\u00a0", *STOPS]
_TEXT = st.lists(st.sampled_from(_LETTERS), max_size=12).map("".join)


@given(st.lists(st.tuples(st.floats(0, 0.4), _TEXT, st.booleans()), max_size=40))
def test_the_pieces_are_the_whole_text_and_none_ends_inside_a_word(told: Sequence[tuple[float, str, bool]]) -> None:
    chunks, now, sent = Chunks(), 0.0, list[str]()
    for pause, text, looks in told:
        now += pause
        if looks:
            sent.append(chunks.due(now))
        sent.append(chunks.add(text, now))
    pieces = [piece for piece in sent if piece]
    rest = chunks.rest()
    assert "".join([*pieces, rest]) == "".join(text for _, text, _ in told)
    for piece, following in zip(pieces, [*pieces, rest][1:], strict=True):
        assert piece.strip()
        assert not piece[-1].isspace() or piece[-1] == "\u00a0"
        breaks = bool(following) and following[0].isspace() and following[0] != "\u00a0"
        assert breaks or piece[-1] in STOPS


@given(st.lists(st.tuples(st.floats(0.001, 0.2), st.sampled_from(["word ", "word", " and", "\n"])), max_size=60))
def test_no_whole_word_waits_longer_than_it_may(told: Sequence[tuple[float, str]]) -> None:
    chunks, now = Chunks(), 0.0
    for pause, text in told:
        now += pause
        chunks.add(text, now)
        due_at = chunks.due_at
        assert due_at is None or now < due_at <= now + WAIT_SECONDS


def real_waits() -> Ports:
    loop = asyncio.get_running_loop()
    return replace(fake_ports(), monotonic=loop.time, sleep=asyncio.sleep)


async def spoken(*pieces: tuple[float, str]) -> AsyncGenerator[str, None]:
    for pause, text in pieces:
        await asyncio.sleep(pause)
        yield text


async def timed(*pieces: tuple[float, str]) -> list[tuple[float, str]]:
    """What is sent and when, of pieces that come after these pauses."""
    ports, chunks, sent = real_waits(), Chunks(), list[tuple[float, str]]()
    async with aclosing(ticking(spoken(*pieces), ports, lambda: chunks.due_at)) as events:
        async for text in events:
            now = ports.monotonic()
            if said := chunks.due(now) if text is None else chunks.add(text, now):
                sent.append((round(now, 3), said))
    return [*sent, (round(ports.monotonic(), 3), chunks.rest())]


def test_a_model_that_pauses_keeps_nobody_waiting_for_what_it_has_said() -> None:
    sent, _ = run_virtual(timed((0.0, "Let me "), (0.1, "think about"), (30.0, " it."), (0.1, "\n\nYes.")))
    assert sent == [(0.25, "Let me think"), (30.1, " about"), (30.2, " it."), (30.2, "\n\nYes.")]


async def test_what_the_source_raises_is_raised_behind_what_came_before_it() -> None:
    async def broken() -> AsyncGenerator[int, None]:
        yield 1
        yield 2
        raise ValueError("broke")

    async with aclosing(ticking(broken(), fake_ports(), lambda: None)) as events:
        assert [await anext(events), await anext(events)] == [1, 2]
        with pytest.raises(ValueError, match="broke"):
            await anext(events)


async def test_who_leaves_early_closes_the_source_and_lets_it_finish_what_it_shields() -> None:
    log: list[str] = []
    waiting = asyncio.Event()

    async def source() -> AsyncGenerator[str, None]:
        try:
            yield "first"
            waiting.set()
            await asyncio.Event().wait()
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0)
                log.append("settled")

    async with aclosing(ticking(source(), fake_ports(), lambda: None)) as events:
        assert await anext(events) == "first"
        await waiting.wait()
    assert log == ["settled"]


async def test_a_cancelled_listener_closes_the_source_before_it_is_gone() -> None:
    log: list[str] = []

    async def source() -> AsyncGenerator[str, None]:
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            log.append("closed")

    async def listen() -> None:
        async with aclosing(ticking(source(), fake_ports(), lambda: None)) as events:
            async for _ in events:
                scope.cancel()

    with anyio.CancelScope() as scope:
        await listen()
    assert scope.cancelled_caught
    assert log == ["closed"]
