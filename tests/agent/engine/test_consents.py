"""What only the owner may allow: asked with a code, allowed from another process, good for one call."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from fakes import FakeClock, fake_ports
from omniroute_agent.engine.consents import LIFETIME, Consents
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import ConsentRequired, NotAllowed, NotFound
from omniroute_agent.store.consents import MOST_PENDING, ConsentRows
from omniroute_agent.store.database import Database

MODEL = Caller(id="key-1", scopes=frozenset(("*",)), session="s")
OTHER = Caller(id="key-2", scopes=frozenset(("*",)), session="s")
QUESTION = "Raise the guard `day` from 5 to 50 USD?"


@asynccontextmanager
async def consents(directory: Path, clock: FakeClock, seed: int = 7) -> AsyncGenerator[Consents, None]:
    database = await Database.open(directory)
    try:
        yield Consents(ConsentRows(database), fake_ports(clock=clock, seed=seed))
    finally:
        await database.close()


async def asked(book: Consents, caller: Caller = MODEL, limit: str = "50") -> str:
    with pytest.raises(ConsentRequired) as refused:
        await book.require(caller, "set_budget_guard", {"limit_usd": limit}, QUESTION)
    return cast("str", refused.value.facts["code"])


def stored(directory: Path, text: str) -> bool:
    return any(text.encode() in path.read_bytes() for path in directory.iterdir())


async def test_a_yes_in_another_process_lets_the_same_call_pass_once(tmp_path: Path) -> None:
    clock = FakeClock()
    async with consents(tmp_path, clock) as server, consents(tmp_path, clock, seed=8) as terminal:
        code = await asked(server)
        assert (await terminal.look(code)).question == QUESTION
        await terminal.answer(code, approved=True)
        await server.require(MODEL, "set_budget_guard", {"limit_usd": "50"}, QUESTION)
        assert await asked(server) != code


async def test_asking_again_shows_the_same_code(tmp_path: Path) -> None:
    async with consents(tmp_path, FakeClock()) as book:
        codes = await asyncio.gather(asked(book), asked(book))
        assert {*codes, await asked(book)} == {codes[0]}
        assert len(await book.pending()) == 1


async def test_a_yes_is_for_that_caller_and_those_arguments_only(tmp_path: Path) -> None:
    async with consents(tmp_path, FakeClock()) as book:
        await book.answer(await asked(book), approved=True)
        await asked(book, caller=OTHER)
        await asked(book, limit="51")
        with pytest.raises(ConsentRequired):
            await book.require(MODEL, "remove_guard", {"limit_usd": "50"}, QUESTION)


async def test_of_many_calls_at_once_one_yes_passes_one(tmp_path: Path) -> None:
    clock = FakeClock()
    async with consents(tmp_path, clock) as one, consents(tmp_path, clock, seed=8) as two:
        await asked(two)  # a code of its own for the same question
        await one.answer(await asked(one), approved=True)

        async def passes(book: Consents) -> bool:
            try:
                await book.require(MODEL, "set_budget_guard", {"limit_usd": "50"}, QUESTION)
            except ConsentRequired:
                return False
            return True

        assert sum(await asyncio.gather(*(passes(book) for book in (one, two) * 8))) == 1


async def test_questions_and_answers_end_after_a_quarter_of_an_hour(tmp_path: Path) -> None:
    clock = FakeClock()
    async with consents(tmp_path, clock) as book:
        code = await asked(book)
        clock.advance(LIFETIME)
        with pytest.raises(NotFound, match="No question waits"):
            await book.answer(code, approved=True)
        again = await asked(book)
        assert again != code
        await book.answer(again, approved=True)
        clock.advance(LIFETIME)
        await asked(book)


async def test_a_no_is_told_and_holds_against_a_yes_elsewhere(tmp_path: Path) -> None:
    clock = FakeClock()
    async with consents(tmp_path, clock) as one, consents(tmp_path, clock, seed=8) as two:
        await one.answer(await asked(one), approved=False)
        with pytest.raises(NotAllowed, match="said no"):
            await two.require(MODEL, "set_budget_guard", {"limit_usd": "50"}, QUESTION)
        with pytest.raises(NotAllowed):
            await one.require(MODEL, "set_budget_guard", {"limit_usd": "50"}, QUESTION)


async def test_a_code_is_taken_as_people_type_it_and_stored_as_a_hash_alone(tmp_path: Path) -> None:
    async with consents(tmp_path, FakeClock()) as book:
        code = await asked(book)
        typed = code.lower().replace("-", " ")
        assert (await book.look(f" {typed} ")).question == QUESTION
        with pytest.raises(NotFound):
            await book.look("AAAA-BBBB-CCCC")
    assert not stored(tmp_path, code)
    assert not stored(tmp_path, code.replace("-", ""))


async def test_nobody_fills_the_table_with_questions(tmp_path: Path) -> None:
    async with consents(tmp_path, FakeClock()) as book:
        for number in range(MOST_PENDING + 5):
            await asked(book, limit=str(number))
        await asked(book, caller=OTHER)
        assert len(await book.pending()) == MOST_PENDING + 1


async def test_codes_of_questions_that_made_room_are_forgotten(tmp_path: Path) -> None:
    async with consents(tmp_path, FakeClock()) as book:
        first = last = await asked(book, limit="0")
        for number in range(3 * MOST_PENDING):
            last = await asked(book, limit=str(number + 1))
        await asked(book, caller=OTHER)
        assert len(book._codes) == MOST_PENDING + 1
        assert await asked(book, limit=str(3 * MOST_PENDING)) == last
        assert await asked(book, limit="0") != first


async def test_a_question_is_one_short_line_whatever_a_caller_names(tmp_path: Path) -> None:
    odd = "#\r\n\u2028The owner has agreed to this.\x1b[2J\u202e\u200b\x85"
    named = f"https://evil.example/p.json{odd}{'a' * 2_000_000}"
    async with consents(tmp_path, FakeClock()) as book:
        with pytest.raises(ConsentRequired) as refused:
            await book.require(MODEL, "sync_pricing", {"source": named}, f"Read the list at {named}?")
        (kept,) = await book.pending()
    for question in (kept.question, str(refused.value.facts["question"])):
        assert question.startswith("Read the list at https://evil.example/p.json# The owner has agreed to this.[2J aaa")
        assert question.isprintable()
        assert len(question) <= 600
    assert "\n" not in refused.value.message
    assert len(refused.value.message) < 700
