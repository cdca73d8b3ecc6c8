"""Answers that are HTTP and not what they should be: a right answer or one error comes of them, and a right bill."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.test_engine import collect
from fakes import START, Pieces, Upstream, openai_stream, openai_stream_bytes, sse
from houses import OWNER, TWO_TARGETS, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.engine.events import Done, EngineEvent
from omniroute_agent.kernel.chat import TextDelta, ToolCallDelta, UsageSeen
from omniroute_agent.kernel.errors import UpstreamFailed
from omniroute_agent.kernel.fold import Fold
from omniroute_agent.providers.prices import OwnPrice, Stated
from omniroute_agent.wire.dialect import WireError
from streams import WHOLE, chunk, openai, read

SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


def streamed(*pieces: bytes) -> httpx2.Response:
    return httpx2.Response(200, headers=SSE, stream=Pieces(pieces))


def whole(text: str) -> httpx2.Response:
    return httpx2.Response(200, headers=JSON, content=text.encode())


def with_usage(text: str) -> httpx2.Response:
    """A right answer with a bill that somebody else wrote."""
    last = f'{{"choices": [], "usage": {text}}}'
    return streamed(openai(chunk(content="Hi"), chunk("stop"), last, "[DONE]"))


MESSAGE = '"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"'

BROKEN: dict[str, tuple[str, Callable[[], httpx2.Response]]] = {
    "NaN tokens": ("malformed", lambda: with_usage('{"prompt_tokens": NaN, "completion_tokens": 1}')),
    "infinite tokens": ("malformed", lambda: with_usage('{"prompt_tokens": 1, "completion_tokens": Infinity}')),
    "negative tokens": ("malformed", lambda: with_usage('{"prompt_tokens": -5, "completion_tokens": 1}')),
    "negative cache": (
        "malformed",
        lambda: with_usage(
            '{"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": -5}}'
        ),
    ),
    "tokens beyond any ledger": ("malformed", lambda: with_usage(f'{{"prompt_tokens": 1{"0" * 30}, "x": 1}}')),
    "tokens of 5,000 digits": ("malformed", lambda: with_usage(f'{{"prompt_tokens": 1{"0" * 5000}}}')),
    "tokens of 1e300": ("malformed", lambda: with_usage('{"prompt_tokens": 1e300, "completion_tokens": 1}')),
    "tokens of 1e999": ("malformed", lambda: with_usage('{"prompt_tokens": 1e999, "completion_tokens": 1}')),
    "half a token": ("malformed", lambda: with_usage('{"prompt_tokens": 1.5, "completion_tokens": 1}')),
    "tokens as text": ("malformed", lambda: with_usage('{"prompt_tokens": "many", "completion_tokens": 1}')),
    "NaN in a whole answer": (
        "malformed",
        lambda: whole(f'{{"choices": [{{{MESSAGE}}}], "usage": {{"prompt_tokens": NaN, "completion_tokens": 1}}}}'),
    ),
    "no choices": ("malformed", lambda: whole('{"id": "x", "object": "chat.completion", "choices": []}')),
    "choices that are no list": ("malformed", lambda: whole('{"choices": {"0": 1}}')),
    "a list": ("malformed", lambda: whole("[1, 2]")),
    "an empty body": ("malformed", lambda: whole("")),
    "an error with status 200": ("server_error", lambda: whole('{"error": {"message": "boom"}}')),
    "an error as a text": ("server_error", lambda: whole('{"error": "boom"}')),
    "an error in a list": ("malformed", lambda: whole('[{"error": {"message": "boom"}}]')),
    "too fast, with status 200": ("rate_limited", lambda: whole('{"error": {"message": "slow", "code": 429}}')),
    "no money, with status 200": ("out_of_credit", lambda: whole('{"error": {"code": "insufficient_quota"}}')),
    "an error event": ("overloaded", lambda: streamed(sse({"error": {"message": "overloaded_error"}}, done=False))),
    "an error event by name": ("server_error", lambda: streamed(b'event: error\ndata: {"message": "boom"}\n\n')),
    "an error as the whole text": (
        "server_error",
        lambda: openai_stream('{"error": {"message": "upstream exploded", "code": 500}}'),
    ),
    "an end that says it failed": ("server_error", lambda: openai_stream("Hal", finish="error")),
    "an end without a word": ("cut_off", lambda: openai_stream("Hal", finish=None)),
    "nothing": ("empty", openai_stream),
    "only empty choices": ("cut_off", lambda: streamed(sse({"choices": []}, {"choices": None}))),
    "an event of the wrong shape": ("malformed", lambda: streamed(sse({"choices": [7]}))),
    "an event that is a list": ("malformed", lambda: streamed(b"data: [1]\n\n")),
    "a delta of the wrong shape": ("malformed", lambda: streamed(sse(chunk(content={"a": 1})))),
    "nesting without end": ("malformed", lambda: streamed(b"data: " + b"[" * 100_000 + b"\n\n")),
}


async def bill(house: House) -> tuple[int, int, int]:
    """Attempts that are still open, rows whose cost is no amount, and the sum of the rest."""
    rows = await house.parts.database.read(
        lambda c: c.execute(
            "SELECT (SELECT COUNT(*) FROM intent WHERE settled = 0), "
            "SUM(CASE WHEN typeof(cost_nano) = 'integer' AND cost_nano >= 0 THEN 0 ELSE 1 END), SUM(cost_nano) "
            "FROM settlement"
        ).fetchone()
    )
    return (int(rows[0]), int(rows[1]), int(rows[2]))


@pytest.mark.parametrize(("kind", "reply"), BROKEN.values(), ids=BROKEN)
async def test_another_target_answers_and_the_bill_is_right(
    tmp_path: Path, kind: str, reply: Callable[[], httpx2.Response]
) -> None:
    upstream = Upstream([reply(), openai_stream("Fine", usage=(100, 10))])
    async with a_house(tmp_path, upstream) as house:
        done = await house.parts.turn.take(ask(house))
        totals = await house.parts.usage.totals(since=0, until=4e9, caller=OWNER.id, session=None, group_by=None)
        assert await bill(house) == (0, 0, done.receipt.cost)
    assert done.answer.text == "Fine"
    assert [attempt.fault for attempt in done.receipt.tried] == [kind, None]
    assert done.receipt.tried[1].cost == 1_200_000
    assert (totals.cost_nano, totals.open_reserved_nano) == (done.receipt.cost, 0)


@pytest.mark.parametrize(("kind", "reply"), BROKEN.values(), ids=BROKEN)
async def test_a_stream_that_breaks_is_one_error_or_replaced_before_its_first_piece(
    tmp_path: Path, kind: str, reply: Callable[[], httpx2.Response]
) -> None:
    upstream = Upstream([reply(), openai_stream("Fine")])
    seen: list[EngineEvent] = []
    error: UpstreamFailed | None = None
    async with a_house(tmp_path, upstream) as house:
        try:
            await collect(house, ask(house, commit="first"), seen)
        except UpstreamFailed as failed:
            error = failed
        open_attempts, odd, _ = await bill(house)
    shown = "".join(event.text for event in seen if isinstance(event, TextDelta))
    assert (open_attempts, odd) == (0, 0)
    if error is None:
        assert shown == "Fine"
        assert isinstance(seen[-1], Done)
    else:
        assert shown
        assert error.facts["partial"] is True
        assert kind in error.message
        assert not any(isinstance(event, Done) for event in seen)


NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
    st.just(2**31 - 1),
    st.just(2**31),
)


@pytest.mark.parametrize("dialect", WHOLE)
@given(data=st.data())
def test_whatever_a_provider_counts_no_bill_is_negative_or_beyond_the_ledger(dialect: str, data: st.DataObject) -> None:
    def other(found: re.Match[bytes]) -> bytes:
        return found[1] + json.dumps(data.draw(NUMBERS)).encode()

    content = re.sub(rb'("\w*(?:tokens|Count|_count)": )\d+', other, WHOLE[dialect])
    price = Stated(prices=OwnPrice(input=10**12, output=10**12), source="test")
    try:
        events = read(dialect, content)
    except WireError:
        return
    for event in events:
        if isinstance(event, UsageSeen):
            assert 0 <= price.cost(event.usage, START) < 2**63


async def test_chunks_that_come_twice_are_not_billed_twice(tmp_path: Path) -> None:
    end = chunk("stop")
    usage = {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10}}
    content = openai(
        chunk(role="assistant", content=""), chunk(content="Hi"), end, end, usage, usage, "[DONE]", "[DONE]"
    )
    async with a_house(tmp_path, Upstream([streamed(content)])) as house:
        done = await house.parts.turn.take(ask(house))
    assert done.answer.text == "Hi"
    assert done.receipt.cost == 120_000


def call_chunk(at: int = 0, **node: Any) -> dict[str, Any]:
    return chunk(tool_calls=[{"index": at, **node}])


@given(st.data())
def test_a_call_split_anywhere_is_the_same_call(data: st.DataObject) -> None:
    arguments = json.dumps({"city": "Zürich 日本 🦊", "days": [1, 2], "quoted": 'a "b" \\ c'}, ensure_ascii=False)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(arguments) - 1), max_size=6)))
    pieces = [arguments[a:b] for a, b in zip([0, *cuts], [*cuts, len(arguments)], strict=True)]
    first = call_chunk(id="a", type="function", function={"name": "f", "arguments": ""})
    content = openai(
        first, *(call_chunk(function={"arguments": piece}) for piece in pieces), chunk("tool_calls"), "[DONE]"
    )
    fold = Fold()
    for event in read("openai-chat", content):
        fold.add(event)
    (call,) = fold.answer().tool_calls
    assert (call.id, call.name, call.arguments) == ("a", "f", arguments)


@given(st.permutations([0, 1, 0, 1, 2, 2]))
def test_calls_that_come_interleaved_are_kept_apart(order: Sequence[int]) -> None:
    begun: set[int] = set()
    chunks: list[dict[str, Any]] = []
    for at in order:
        opening = {} if at in begun else {"id": f"c{at}", "type": "function"}
        name = {} if at in begun else {"name": f"f{at}"}
        begun.add(at)
        chunks.append(call_chunk(at, **opening, function={**name, "arguments": f"<{at}>"}))
    events = read("openai-chat", openai(*chunks, chunk("tool_calls"), "[DONE]"))
    fold = Fold()
    for event in events:
        fold.add(event)
    calls = {call.name: (call.id, call.arguments) for call in fold.answer().tool_calls}
    assert calls == {f"f{at}": (f"c{at}", f"<{at}><{at}>") for at in begun}
    assert any(isinstance(event, ToolCallDelta) for event in events)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
async def test_a_byte_order_mark_before_json_is_no_fault(tmp_path: Path, mark: bytes) -> None:
    reply = httpx2.Response(200, headers=JSON, content=mark + f'{{"choices": [{{{MESSAGE}}}]}}'.encode())
    async with a_house(tmp_path, Upstream([reply])) as house:
        done = await house.parts.turn.take(ask(house))
    assert done.answer.text == "Hi"
    # No count came with it: ours stands in and is marked.
    assert (done.receipt.cost_state, done.receipt.tried[0].fault) == ("estimated", None)


async def test_what_follows_a_complete_answer_does_not_take_it_back(tmp_path: Path) -> None:
    content = openai_stream_bytes("Whole", usage=(100, 10))
    upstream = Upstream([streamed(content, httpx2.ReadError("reset"))])  # type: ignore[arg-type]
    async with a_house(tmp_path, upstream) as house:
        done = await house.parts.turn.take(ask(house, commit="first"))
        assert await bill(house) == (0, 0, 120_000)
    assert (done.answer.text, done.receipt.cost_state) == ("Whole", "exact")
    assert len(upstream.seen) == 1


async def test_one_target_that_lies_about_its_size_leaves_the_ledger_working(tmp_path: Path) -> None:
    most = 2**31 - 1
    usage = f'{{"prompt_tokens": {most}, "completion_tokens": {most}}}'
    settings = TWO_TARGETS.replace('input = "1"', 'input = "1000"').replace('output = "2"', 'output = "1000"')
    async with a_house(tmp_path, Upstream([with_usage(usage)]), settings=settings) as house:
        for _ in range(3):
            await house.parts.turn.take(ask(house, model="one/alpha"))
        totals = await house.parts.usage.totals(since=0, until=4e9, caller=OWNER.id, session=None, group_by=None)
    assert totals.cost_nano == 3 * 2 * most * 1_000_000
