"""`smart-routing`: a prompt through the real engine, and what the answer says of how it was come by."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from doors.a2a.skilled import TABLE, Heard, Still, an_ask, listen, routed
from fakes import FakeClock, Pieces, Upstream, openai_error, openai_stream, sse
from houses import OWNER, TWO_TARGETS, a_house
from omniroute_agent.app import House
from omniroute_agent.doors.a2a.skills.envelope import failed_envelope, stopped_envelope, unanswered_receipt
from omniroute_agent.doors.a2a.skills.options import read_options
from omniroute_agent.doors.a2a.skills.routing import ID, SIGN_OF_LIFE_SECONDS, SMART_ROUTING
from omniroute_agent.doors.a2a.skills.skill import Ask, Finished, Said, Skill, SkillContext, Words
from omniroute_agent.doors.a2a.skills.table import SkillTable, make_table
from omniroute_agent.kernel.chat import Image
from omniroute_agent.kernel.errors import (
    CallError,
    Conflict,
    ConsentRequired,
    InvalidRequest,
    LimitReached,
    NotAllowed,
    NotFound,
    UpstreamFailed,
)
from omniroute_tools import TOOLS

FREE = """
[[connections]]
id = "gift"
provider = "custom-openai"
base_url = "https://gift.example/v1"
key = "obviously-fake-gift"
models = ["gamma"]
default_model = "gamma"
tier = "free"

[[combos]]
name = "all"
targets = ["one/alpha", "gift/gamma"]

[prices."gift/gamma"]
input = "0"
output = "0"
"""
ASKING = TWO_TARGETS + '[[guards]]\nname = "careful"\nlimit_usd = "0"\naction = "ask"\n'
BLOCKING = TWO_TARGETS + '[[guards]]\nname = "tight"\nlimit_usd = "0.000001"\n'


def delta(text: str, **more: object) -> dict[str, object]:
    return {"model": "fake", "choices": [{"index": 0, "delta": {"content": text, **more}, "finish_reason": None}]}


def stream(*pieces: bytes | Exception) -> httpx2.Response:
    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Pieces(pieces))


def both(**options: JsonValue) -> dict[str, JsonValue]:
    return {"combo": "both", **options}


async def refused(house: House, ask: Ask) -> tuple[CallError, Heard]:
    heard = Heard()
    with pytest.raises(CallError) as caught:
        await listen(house, SMART_ROUTING, ask, heard)
    return caught.value, heard


def numbers_in(value: Any) -> list[object]:
    if isinstance(value, dict):
        return [number for each in value.values() for number in numbers_in(each)]
    if isinstance(value, list):
        return [number for each in value for number in numbers_in(each)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


async def test_an_answer_says_who_gave_it_how_fast_and_what_it_cost(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hel", "lo.", usage=(1000, 500))])
    async with a_house(tmp_path, upstream) as house:
        heard = await routed(house, an_ask(options=both()))
        explained = json.loads(await house.parts.decisions.get("task-1", OWNER.id) or "{}")
    assert heard.words == ["Hello."]
    assert explained["request_id"] == "task-1"
    assert heard.envelope["routing_explanation"] == (
        "alpha at one (custom-openai) answered in 0 ms for 0.002 USD (exact): place 1 in the order given."
    )
    assert heard.envelope["cost_envelope"] == {
        "estimated": explained["plan"]["best_cost"],
        "worst": explained["plan"]["worst_cost"],
        "actual": "0.002",
        "currency": "USD",
        "state": "exact",
    }
    assert heard.events == ["primary_selected", "answered"]
    assert heard.envelope["policy_verdict"] == {"allowed": True, "reason": "No limit stood in its way."}
    assert heard.envelope["request_id"] == "task-1"
    assert heard.envelope["finish"] == "stop"
    assert heard.envelope["skill"] == {"id": "smart-routing", "because": "it was named"}
    assert heard.end.receipt is not None
    assert (heard.end.receipt["cost"], heard.end.receipt["served_by"]) == ("0.002", "one/alpha")
    assert heard.end.data == {"request_id": "task-1", "text": "Hello.", "finish": "stop", "served_by": "one/alpha"}


async def test_no_number_of_the_envelope_can_be_turned_into_a_float(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_error(500, "no"), openai_stream("Hello")])) as house:
        heard = await routed(house, an_ask(options=both(budget=0.5)))
    assert numbers_in(heard.envelope) == []
    json.dumps(heard.envelope, allow_nan=False)


async def test_a_fallback_is_told_step_by_step(tmp_path: Path) -> None:
    clock = FakeClock()

    def slow(_: httpx2.Request) -> httpx2.Response:
        clock.advance(1.5)
        return openai_error(503, "overloaded")

    async with a_house(tmp_path, Upstream([slow, openai_stream("Hello")]), clock=clock) as house:
        heard = await routed(house, an_ask(options=both()))
    trace = heard.envelope["resilience_trace"]
    assert [(each["event"], each["target"], each.get("fault")) for each in trace] == [
        ("primary_selected", "one/alpha", None),
        ("attempt_failed", "one/alpha", "overloaded"),
        ("fallback_needed", "one/alpha", "overloaded"),
        ("fallback_selected", "two/beta", None),
        ("answered", "two/beta", None),
    ]
    assert {each["provider"] for each in trace} == {"custom-openai"}
    times = [datetime.fromisoformat(each["timestamp"]) for each in trace]
    assert [(time - times[0]).total_seconds() for time in times] == [0, 1.5, 1.5, 1.5, 1.5]
    assert heard.envelope["routing_explanation"].startswith("beta at two (custom-openai) answered in 1500 ms")
    assert "one/alpha (overloaded) failed" in heard.envelope["routing_explanation"]


async def test_somebody_who_reads_along_gets_paragraphs_as_they_end(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("First ", "one.\n\nSec", "ond one.\n", "\nThird.")])
    async with a_house(tmp_path, upstream, clock=Still()) as house:
        heard = await routed(house, an_ask(options=both(), streams=True))
    assert heard.words == ["First one.", "\n\nSecond one.", "\n\nThird."]


async def test_a_target_that_fails_before_its_first_word_is_replaced_for_a_reader_too(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(500, "no"), openai_stream("Hello.\n\nWorld.")])
    async with a_house(tmp_path, upstream, clock=Still()) as house:
        heard = await routed(house, an_ask(options=both(), streams=True))
    assert heard.words == ["Hello.", "\n\nWorld."]
    assert heard.events[-2:] == ["fallback_selected", "answered"]


async def test_an_answer_that_breaks_off_under_a_readers_eyes_fails_and_tells_what_it_cost(tmp_path: Path) -> None:
    broken = stream(sse(delta("Half an answer.\n\nAnd"), done=False), httpx2.ReadError("gone"))
    async with a_house(tmp_path, Upstream([broken, openai_stream("never")]), clock=Still()) as house:
        ask = an_ask(options=both(), streams=True)
        error, heard = await refused(house, ask)
        envelope: dict[str, Any] = await failed_envelope(error, house.parts, ask=ask, skill=ID)
        receipt = await unanswered_receipt(house.parts, ask)
    assert isinstance(error, UpstreamFailed)
    assert heard.words == ["Half an answer."]
    assert [each["event"] for each in envelope["resilience_trace"]] == ["primary_selected", "attempt_failed"]
    assert envelope["policy_verdict"]["allowed"] is True
    assert (envelope["error"], envelope["request_id"]) == ("upstream_failed", "task-1")
    assert envelope["cost_envelope"]["state"] == "estimated"
    assert receipt is not None
    assert envelope["cost_envelope"]["actual"] == receipt["cost"] != "0"


async def test_without_a_reader_a_broken_answer_is_replaced_by_a_whole_one(tmp_path: Path) -> None:
    broken = stream(sse(delta("Half an"), done=False), httpx2.ReadError("gone"))
    async with a_house(tmp_path, Upstream([broken, openai_stream("A whole answer.")])) as house:
        heard = await routed(house, an_ask(options=both()))
    assert heard.words == ["A whole answer."]
    assert heard.discards == 1
    assert heard.envelope["resilience_trace"][1]["event"] == "attempt_failed"


ENDED = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


async def test_a_model_that_breaks_while_it_thinks_is_replaced_because_nobody_has_read_a_word(tmp_path: Path) -> None:
    thinking = stream(sse(delta("", reasoning_content="Hm."), done=False), httpx2.ReadError("gone"))
    async with a_house(tmp_path, Upstream([thinking, openai_stream("Hello.")]), clock=Still()) as house:
        heard = await routed(house, an_ask(options=both(), streams=True))
    assert (heard.words, heard.discards) == (["Hello."], 1)
    assert heard.events == ["primary_selected", "attempt_failed", "fallback_needed", "fallback_selected", "answered"]


async def test_what_a_model_thinks_is_not_said(tmp_path: Path) -> None:
    thinking = stream(sse(delta("", reasoning_content="Hm, secretly."), delta("Yes."), ENDED))
    async with a_house(tmp_path, Upstream([thinking]), clock=Still()) as house:
        heard = await routed(house, an_ask(options=both(), streams=True))
    assert heard.words == ["Yes."]
    assert "secretly" not in json.dumps(heard.end.data)


@pytest.mark.parametrize("streams", [True, False])
async def test_a_long_silence_is_broken_by_a_sign_of_life_while_tokens_come(tmp_path: Path, streams: bool) -> None:
    clock = Still()

    class Slow(Pieces):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self._pieces:
                clock.advance(SIGN_OF_LIFE_SECONDS / 2 + 1)
                await asyncio.sleep(0)
                assert isinstance(piece, bytes)
                yield piece

    thoughts = [sse(delta("", reasoning_content="hm"), done=False) for _ in range(5)]
    slow = httpx2.Response(
        200, headers={"content-type": "text/event-stream"}, stream=Slow([*thoughts, sse(delta("Yes."), ENDED)])
    )
    async with a_house(tmp_path, Upstream([slow]), clock=clock) as house:
        heard = await routed(house, an_ask(options=both(), streams=streams))
    assert heard.said.count(Words("")) == 3
    assert heard.text == "Yes."


async def test_who_cancels_closes_the_upstream_and_is_billed_for_what_was_written(tmp_path: Path) -> None:
    reached = asyncio.Event()

    class Endless(Pieces):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                yield sse(delta("Word after word.\n\nAnd"), done=False)
                reached.set()
                await asyncio.Event().wait()
            finally:
                self.closed = True

    body = Endless([])
    endless = httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=body)
    async with a_house(tmp_path, Upstream([endless]), clock=Still()) as house:
        ask, heard = an_ask(options=both(), streams=True), Heard()
        task = asyncio.create_task(listen(house, SMART_ROUTING, ask, heard))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        envelope: dict[str, Any] = await stopped_envelope("Canceled.", house.parts, ask=ask, skill=ID)
    assert body.closed
    assert heard.words == ["Word after word."]
    assert [each.get("fault") for each in envelope["resilience_trace"]] == [None, "cancelled"]
    assert envelope["cost_envelope"]["state"] == "estimated"
    assert envelope["cost_envelope"]["actual"] != "0"
    assert envelope["routing_explanation"] == "Canceled."
    assert envelope["request_id"] == "task-1"


async def test_a_budget_that_is_too_small_is_a_refusal_in_the_verdict(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream()) as house:
        ask = an_ask(options=both(budget="0.0000001"))
        error, _ = await refused(house, ask)
        envelope: dict[str, Any] = await failed_envelope(error, house.parts, ask=ask, skill=ID)
    assert isinstance(error, LimitReached)
    assert envelope["policy_verdict"] == {"allowed": False, "reason": error.sentence()}
    assert [(each["event"], each["fault"]) for each in envelope["resilience_trace"]] == [
        ("target_skipped", "over_budget"),
        ("target_skipped", "over_budget"),
    ]
    assert (envelope["cost_envelope"]["actual"], envelope["error"]) == ("0", "limit_reached")


async def test_an_owners_guard_refuses_before_anything_is_sent(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream(), settings=BLOCKING) as house:
        ask = an_ask(options=both())
        error, _ = await refused(house, ask)
        envelope: dict[str, Any] = await failed_envelope(error, house.parts, ask=ask, skill=ID)
    assert isinstance(error, LimitReached)
    assert envelope["policy_verdict"]["allowed"] is False
    assert "`tight`" in envelope["policy_verdict"]["reason"]


async def test_what_a_limit_left_out_is_told_with_an_answer_too(tmp_path: Path) -> None:
    cheap = TWO_TARGETS + '[[guards]]\nname = "tight"\nlimit_usd = "0.001"\n'
    async with a_house(tmp_path, Upstream([openai_stream("Hello")]), settings=cheap) as house:
        heard = await routed(house, an_ask(options=both(budget="0.002", max_tokens=200)))
    reason = heard.envelope["policy_verdict"]["reason"]
    assert reason.startswith("Within the budget of 0.002 USD for this request. two/beta was left out: ")
    assert heard.envelope["policy_verdict"]["allowed"] is True


async def test_a_guard_that_leaves_only_free_targets_is_named_in_the_verdict(tmp_path: Path) -> None:
    soft = TWO_TARGETS + FREE + '[[guards]]\nname = "soft"\nlimit_usd = "0.0025"\naction = "degrade"\n'
    upstream = Upstream([openai_stream("Hi", usage=(1000, 500))])
    async with a_house(tmp_path, upstream, settings=soft) as house:
        await routed(house, an_ask(options={"model": "one/alpha", "max_tokens": 500}, task_id="first"))
        heard = await routed(house, an_ask(options={"combo": "all"}))
    reason = heard.envelope["policy_verdict"]["reason"]
    assert heard.envelope["routing_explanation"].startswith("gamma at gift")
    assert reason.startswith("The guard `soft` has 0.0005 of 0.0025 USD left: only free targets until ")
    assert "one/alpha was left out: " in reason


async def test_a_budget_handle_pays_and_refuses_when_it_is_empty_without_being_told_on(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Hi", usage=(1000, 500))])) as house:
        minted = await house.parts.handles.mint(OWNER, 2_500_000)
        options: dict[str, JsonValue] = {
            "model": "one/alpha",
            "max_tokens": 500,
            "budget": {"handle": minted.text.reveal()},
        }
        heard = await routed(house, an_ask(options=options))
        standing = await house.parts.handles.look(OWNER, minted.row.id)
        ask = an_ask(options=options, task_id="task-2")
        error, _ = await refused(house, ask)
        envelope: dict[str, Any] = await failed_envelope(error, house.parts, ask=ask, skill=ID)
    assert heard.envelope["policy_verdict"]["reason"] == "A budget handle pays for it."
    assert standing.spent == 2_000_000
    assert isinstance(error, LimitReached)
    assert envelope["policy_verdict"]["allowed"] is False
    assert minted.text.reveal() not in json.dumps([heard.envelope, heard.end.receipt, heard.end.data, envelope])


async def test_a_guard_that_asks_names_the_price_and_a_yes_lets_the_same_task_go_on(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Allowed.")]), settings=ASKING) as house:
        ask = an_ask(options=both())
        error, _ = await refused(house, ask)
        assert isinstance(error, ConsentRequired)
        envelope: dict[str, Any] = await failed_envelope(error, house.parts, ask=ask, skill=ID)
        assert envelope["policy_verdict"]["allowed"] is False
        assert "for at most" in envelope["policy_verdict"]["reason"]
        await house.parts.consents.answer(str(error.facts["code"]), approved=True)
        heard = await routed(house, ask)
        totals = await house.parts.usage.totals(since=0, until=4e9, caller=OWNER.id, session=None, group_by=None)
    assert heard.text == "Allowed."
    assert heard.envelope["policy_verdict"]["allowed"] is True
    assert totals.requests == 1


async def test_a_no_of_the_owner_is_final(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream(), settings=ASKING) as house:
        ask = an_ask(options=both())
        error, _ = await refused(house, ask)
        await house.parts.consents.answer(str(error.facts["code"]), approved=False)
        error, _ = await refused(house, ask)
        assert isinstance(error, NotAllowed)
        assert (await failed_envelope(error, house.parts, ask=ask, skill=ID))["error"] == "not_allowed"


async def test_the_same_idempotency_key_is_answered_once_and_the_second_answer_says_so(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Once.")])
    async with a_house(tmp_path, upstream) as house:
        options = both(idempotency_key="k1")
        first = await routed(house, an_ask(options=options))
        again = await routed(house, an_ask(options=options, task_id="task-2"))
        error, _ = await refused(house, an_ask("Something else", options=options, task_id="task-3"))
    assert len(upstream.seen) == 1
    assert again.text == first.text == "Once."
    assert "answered from an earlier answer" in again.envelope["routing_explanation"]
    assert again.envelope["request_id"] == "task-1"
    assert again.events == ["primary_selected", "answered"]
    assert isinstance(error, Conflict)


async def test_a_kept_answer_costs_nothing_and_says_whose_it_is(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Kept.")])) as house:
        options = both(temperature=0)
        await routed(house, an_ask(options=options))
        again = await routed(house, an_ask(options=options, task_id="task-2"))
    assert again.events == ["answer_reused"]
    assert again.envelope["cost_envelope"]["actual"] == "0"


async def test_options_reach_the_provider(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Ok")])
    image = Image(media_type="image/png", data="aGk=")
    seeing = TWO_TARGETS + '[[models]]\nconnection = "two"\nmodel = "beta"\nvision = true\n'
    async with a_house(tmp_path, upstream, settings=seeing) as house:
        await routed(
            house,
            an_ask(
                "What is this?",
                parts=[image],
                options={
                    "model": "two/beta",
                    "system": "Be brief.",
                    "max_tokens": 64.0,
                    "role": "review",
                    "receipt": True,
                    "data": False,
                    "skill": "smart-routing",
                    "combo": None,
                },
            ),
        )
        plan = json.loads(await house.parts.decisions.get("task-1", OWNER.id) or "{}")["plan"]
    body = upstream.bodies[0]
    assert upstream.seen[0].url.host == "two.example"
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert body["messages"][1]["content"][1]["image_url"]["url"] == "data:image/png;base64,aGk="
    assert body.get("max_completion_tokens", body.get("max_tokens")) == 64
    assert plan["task"] == "review"


async def test_auto_means_the_default_combo_unless_a_combo_is_called_so(tmp_path: Path) -> None:
    async with a_house(tmp_path / "a", Upstream([openai_stream("Hi")])) as house:
        heard = await routed(house, an_ask(options={"model": "auto", "combo": "both"}))
        assert heard.text == "Hi"
        heard = await routed(house, an_ask(options={"model": "auto"}))
        assert heard.text == "Hi"
    named = TWO_TARGETS + '[[combos]]\nname = "auto"\ntargets = ["two/beta"]\n'
    async with a_house(tmp_path / "b", Upstream([openai_stream("Hi")]), settings=named) as house:
        heard = await routed(house, an_ask(options={"model": "auto"}))
    assert heard.envelope["routing_explanation"].startswith("beta at two")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"budgt": 1}, "`budgt` is not an option; did you mean `budget`?"),
        ({"budget": -1}, "`budget.amount_usd` must be an amount of USD"),
        ({"budget": "lots"}, "`budget.amount_usd` must be an amount of USD"),
        ({"budget": True}, "`budget.amount_usd` must be an amount of USD"),
        ({"budget": [1]}, "`budget.amount_usd` must be an amount of USD"),
        ({"budget": {"amount": "1"}}, "`budget.amount` is not an option; did you mean `budget.amount_usd`?"),
        ({"budget": {"handle": 7}}, "`budget.handle` must be the text of a budget handle"),
        ({"role": "juggling"}, "`role` must be one of coding, review, planning, analysis, debugging, documentation."),
        ({"task": "juggling"}, "`role` must be one of coding"),
        ({"role": "coding", "task": "coding"}, "two names of one option"),
        ({"max_tokens": 0}, "`max_tokens` must be an integer from 1 to 1000000."),
        ({"max_tokens": 1.5}, "`max_tokens` must be an integer"),
        ({"deadline_seconds": 0}, "`deadline_seconds` must be a number of seconds greater than 0"),
        ({"cache": "maybe"}, "`cache` must be true or false."),
        ({"model": ["a"]}, "`model` must be a name"),
        ({"model": "m" * 201}, "`model` must be a name of at most 200 characters."),
        ({"model": "one/alpha", "combo": "both"}, "Give `model` or `combo`, not both."),
        ({f"x{i}": 1 for i in range(9)}, "There are 4 more problems."),
    ],
)
async def test_an_option_that_cannot_be_meant_is_refused_before_anything_is_sent(
    tmp_path: Path, options: dict[str, JsonValue], words: str
) -> None:
    async with a_house(tmp_path, Upstream()) as house:
        error, _ = await refused(house, an_ask(options=options))
    assert isinstance(error, InvalidRequest)
    assert words in error.sentence()


_NAMES = st.sampled_from(["model", "combo", "budget", "role", "task", "system", "max_tokens", "cache", "x", "handle"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["1", "auto"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | _NAMES, inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(_NAMES, _VALUES, max_size=5))
def test_whatever_stands_among_the_options_is_read_or_refused_in_words(told: dict[str, JsonValue]) -> None:
    with suppress(InvalidRequest):
        read_options(told)


@pytest.mark.parametrize("budget", [0.05, "0.05", {"amount_usd": "0.05"}, {"amount_usd": 0.05}, " 0.05 "])
async def test_a_budget_may_be_written_in_several_ways(tmp_path: Path, budget: JsonValue) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Hi")])) as house:
        heard = await routed(house, an_ask(options=both(budget=budget)))
    assert heard.envelope["policy_verdict"]["reason"].startswith("Within the budget of 0.05 USD")


async def test_a_model_nobody_has_is_named_with_the_nearest(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream()) as house:
        ask = an_ask(options={"model": "alpa"})
        error, _ = await refused(house, ask)
        envelope: dict[str, Any] = await failed_envelope(error, house.parts, ask=ask, skill=ID)
    assert isinstance(error, NotFound)
    assert "alpha" in error.sentence()
    assert envelope["policy_verdict"]["allowed"] is True
    assert envelope["resilience_trace"] == []


async def test_when_nothing_answers_every_attempt_is_told(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_error(401, "bad key")])) as house:
        ask = an_ask(options=both())
        error, _ = await refused(house, ask)
        envelope: dict[str, Any] = await failed_envelope(error, house.parts, ask=ask, skill=ID)
    assert [each["event"] for each in envelope["resilience_trace"]] == [
        "primary_selected",
        "attempt_failed",
        "fallback_needed",
        "fallback_selected",
        "attempt_failed",
    ]
    assert numbers_in(envelope) == []


async def test_another_caller_with_the_same_task_id_sees_nothing_of_it(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Hi")])) as house:
        await routed(house, an_ask(options=both()))
        stranger = an_ask(caller=replace(OWNER, id="key-2"))
        envelope: dict[str, Any] = await stopped_envelope("Canceled.", house.parts, ask=stranger, skill=ID)
        assert await unanswered_receipt(house.parts, stranger) is None
    assert (envelope["request_id"], envelope["resilience_trace"]) == (None, [])


def test_the_table_lists_the_skills_in_the_order_of_the_card() -> None:
    assert [skill.id for skill in TABLE] == [
        "smart-routing",
        "quota-management",
        "provider-discovery",
        "cost-analysis",
        "health-report",
        "list-capabilities",
    ]
    assert [skill.id for skill in TABLE if skill.spends] == ["smart-routing"]
    for skill in TABLE:
        assert all((skill.name, skill.description, skill.tags, skill.examples, skill.price))
        tools = [TABLE.tool(name) for name in skill.tools]
        assert skill.scopes == frozenset(scope for tool in tools for scope in tool.scopes)


def test_a_skill_whose_tool_the_owner_left_out_is_not_offered() -> None:
    few = make_table([tool for tool in TOOLS if tool.name in ("omniroute_check_quota", "omniroute_get_health")])
    assert [skill.id for skill in few] == ["smart-routing", "quota-management", "health-report", "list-capabilities"]
    assert few.default.tools == ()
    with pytest.raises(NotFound):
        few.find("cost-analysis")


async def test_further_skills_join_the_same_table(tmp_path: Path) -> None:
    async def run(ask: Ask, _: SkillContext) -> AsyncGenerator[Said, None]:
        yield Words(ask.text)
        yield Finished({"request_id": None})

    echo = Skill(
        id="echo",
        name="Echo",
        description="Says it again.",
        tags=("echo",),
        examples=("Hi",),
        scopes=frozenset(),
        run=run,
    )
    table = make_table(TOOLS, also=[echo])
    async with a_house(tmp_path, Upstream()) as house:
        assert (await listen(house, table.find("echo"), an_ask("Again"), Heard(), table)).words == ["Again"]
    with pytest.raises(ValueError, match="each id once"):
        SkillTable([echo, echo])
