"""Sums and the single rows behind them tell the same, whatever was settled and whichever span is asked for."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent.store.bills import a_ledger, as_it_is, intent, settlement
from omniroute_agent.kernel.bill import CostState, Intent, Outcome, Settlement
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.store.attempts import insert_intent, insert_settlement, open_attempt
from omniroute_agent.store.buckets import KINDS, Kind, bucket_start, pieces, visible
from omniroute_agent.store.migrate import migrate, migrations
from omniroute_agent.store.retention import DAY_SECONDS, Retention, sweep
from omniroute_agent.store.sums import Asked, By, Report, Sums, move_horizon, read_sums
from omniroute_agent.store.usage import UsageBook

START = 1_793_404_800.0
"""2026-10-31 00:00 UTC: a day before a month ends."""
DAYS = 40
BYS: tuple[By | None, ...] = (None, "provider", "model", "combo", "task", "connection", "target", "fault")


@dataclass(frozen=True)
class Told:
    """One attempt as it was written, settled or not."""

    intent: Intent
    settlement: Settlement | None
    nth: int


@contextmanager
def a_file() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection)
        yield connection
    finally:
        connection.close()


MOMENTS = st.one_of(
    st.integers(0, DAYS * 24 - 1).map(lambda hour: START + hour * 3600.0),
    st.floats(0, DAYS * 86_400.0 - 1).map(lambda seconds: START + seconds),
)
COUNTS = st.integers(0, 2**54)


@st.composite
def attempts(draw: st.DrawFn, *, running: bool = True) -> list[Told]:
    told: list[Told] = []
    for request in range(draw(st.integers(0, 8))):
        begins = sorted(draw(st.lists(MOMENTS, min_size=1, max_size=3)))
        caller, combo, task = (draw(st.sampled_from(names)) for names in (("a", "b"), (None, "c"), (None, "coding")))
        for nth, at in enumerate(begins, 1):
            connection, model = draw(st.sampled_from(("one", "two"))), draw(st.sampled_from(("alpha", "beta")))
            begun = intent(
                f"{request}-{nth}",
                request_id=f"r{request}",
                caller=caller or "",
                at=at,
                connection=connection,
                model=model,
            ).model_copy(update={"combo": combo, "task": task})
            told.append(Told(begun, draw(st.none() | settlements(begun) if running else settlements(begun)), nth))
    return told


@st.composite
def settlements(draw: st.DrawFn, begun: Intent) -> Settlement:
    outcome: Outcome = draw(st.sampled_from(("answered", "failed", "abandoned", "cancelled", "unknown")))
    state: CostState = draw(st.sampled_from(("exact", "estimated", "unknown", "reserved")))
    counts = [draw(COUNTS) for _ in range(5)]
    usage = Usage(
        input_tokens=counts[0],
        output_tokens=counts[1],
        cache_read_tokens=counts[2],
        cache_write_tokens=counts[3],
        reasoning_tokens=counts[4],
    )
    return settlement(
        begun.attempt_id,
        None if state == "unknown" else draw(COUNTS),
        outcome=outcome,
        state=state,
        usage=draw(st.sampled_from((None, usage))),
        fault=draw(st.sampled_from((None, "timeout", "rate_limited"))) if outcome != "answered" else None,
        at=begun.at + draw(st.floats(0, 90_000)),
    )


def write(connection: sqlite3.Connection, told: Iterable[Told]) -> None:
    """In the order things happened: each attempt ends after it began, and some while later ones have begun."""
    events = [(each.intent.at, 0, each) for each in told]
    events += [(each.settlement.at, 1, each) for each in told if each.settlement is not None]
    for _, kind, each in sorted(events, key=lambda event: (event[0], event[1], event[2].nth)):
        if kind == 0:
            insert_intent(connection, each.intent, "here")
        elif each.settlement is not None and (open_ := open_attempt(connection, each.intent.attempt_id)):
            insert_settlement(connection, open_, each.settlement)


def named(by: By | None, each: Told) -> str | None:
    if by is None or (by == "fault" and each.settlement is None):
        return None
    if by == "fault":
        return each.settlement.fault if each.settlement else None
    if by == "target":
        return f"{each.intent.connection}/{each.intent.model}"
    return {
        "provider": each.intent.provider,
        "model": each.intent.model,
        "combo": each.intent.combo,
        "task": each.intent.task,
        "connection": each.intent.connection,
    }[by]


def capped(count: int | None) -> int:
    return min(count or 0, 2**53)


def counted(told: list[Told], asked: Asked, by: By | None) -> Mapping[str | None, Sums]:
    """What a person would count on paper."""
    sums: dict[str | None, Sums] = {}
    for each in told:
        begun, bill = each.intent, each.settlement
        if not asked.since <= begun.at < asked.until or asked.caller not in {None, begun.caller}:
            continue
        if asked.connection not in {None, begun.connection} or asked.combo not in {None, begun.combo}:
            continue
        earlier = [e for e in told if e.intent.request_id == begun.request_id and e.nth < each.nth]
        first = (
            not any(named(by, e) == named(by, each) for e in earlier)
            if by in {"provider", "model", "connection"}
            else each.nth == 1
        )
        usage, cost = bill.usage if bill else None, capped(bill.cost) if bill else 0
        sums[named(by, each)] = sums.get(named(by, each), Sums()) + Sums(
            requests=int(first),
            attempts=1,
            answered=int(bill is not None and bill.outcome == "answered"),
            failed=int(bill is not None and bill.outcome in {"failed", "abandoned"}),
            fallbacks=int(each.nth == 2),
            input_tokens=capped(usage.input_tokens) if usage else 0,
            output_tokens=capped(usage.output_tokens) if usage else 0,
            cache_read_tokens=capped(usage.cache_read_tokens) if usage else 0,
            cache_write_tokens=capped(usage.cache_write_tokens) if usage else 0,
            reasoning_tokens=capped(usage.reasoning_tokens) if usage else 0,
            cost_nano=cost,
            estimated_cost_nano=cost if bill and bill.cost_state in {"estimated", "reserved"} else 0,
            unknown_cost_attempts=int(bill is not None and bill.cost_state == "unknown"),
        )
    return sums


def said(report: Report) -> dict[str | None, Sums]:
    return {name: sums for name, sums in report.sums.items() if sums != Sums()}


@given(
    told=attempts(),
    span=st.tuples(MOMENTS, st.just(inf) | MOMENTS).filter(lambda span: span[0] < span[1]),
    caller=st.sampled_from((None, "a")),
    connection=st.sampled_from((None, "one")),
    combo=st.sampled_from((None, "c")),
)
def test_sums_are_what_a_person_would_count(
    told: list[Told], span: tuple[float, float], caller: str | None, connection: str | None, combo: str | None
) -> None:
    asked = Asked(since=span[0], until=span[1], caller=caller, connection=connection, combo=combo)
    with a_file() as file:
        write(file, told)
        for by in BYS:
            assert said(read_sums(file, asked, by)) == counted(told, asked, by), by


@given(told=attempts(running=False), day=st.integers(0, DAYS), kept=st.integers(0, 3))
def test_sums_are_the_same_after_the_rows_they_were_made_of_are_gone(told: list[Told], day: int, kept: int) -> None:
    with a_file() as file:
        write(file, told)
        gone = START + day * 86_400.0
        for kind in KINDS[:kept]:
            move_horizon(file, kind, gone)
        file.execute("DELETE FROM settlement WHERE attempt_id IN (SELECT attempt_id FROM intent WHERE at < ?)", (gone,))
        file.execute("DELETE FROM intent WHERE at < ?", (gone,))
        asked = Asked(since=START + 5000.0, until=START + 20 * 86_400.0 + 7.0)
        if kept == 0:
            asked = replace(asked, since=START, until=inf)
        report = read_sums(file, asked, "target")
        assert report.since <= asked.since
        assert report.until >= asked.until
        assert said(report) == counted(told, Asked(since=report.since, until=report.until), "target")


@given(
    since=st.floats(-(10.0**10), 10.0**10),
    length=st.floats(0.001, 10.0**8) | st.just(inf),
    gone=st.fixed_dictionaries({}, optional={kind: st.floats(-(10.0**10), 10.0**10) for kind in KINDS[:3]}),
)
def test_pieces_lie_end_to_end_and_only_on_what_is_there(since: float, length: float, gone: dict[Kind, float]) -> None:
    start, end = visible(since, since + length, gone)
    assert start <= since
    assert end >= since + length
    found = list(pieces(start, end, gone))
    assert found[0].since == start
    assert found[-1].until == end
    assert all(one.until == two.since for one, two in pairwise(found))
    for piece in found:
        assert piece.since >= gone.get(piece.kind, -inf)
        assert piece.kind == "detail" or bucket_start(piece.since, piece.kind) == piece.since
        assert piece.kind == "detail" or bucket_start(piece.until, piece.kind) == piece.until
    assert len(found) <= 7


def test_a_span_of_years_is_a_handful_of_pieces() -> None:
    assert [piece.kind for piece in pieces(START + 0.5, START + 800 * 86_400.0 + 4000, {})] == [
        *("detail", "hour", "month", "day", "hour", "detail"),
    ]
    assert [piece.kind for piece in pieces(START + 86_400, inf, {})] == ["month"]


def test_a_file_without_sums_gets_them_from_its_rows() -> None:
    """An older file brings rows, and months whose rows are gone already."""
    with a_file() as new:
        told = [
            Told(
                intent(f"{n}-{nth}", request_id=f"r{n}", at=START + n * 50_000 + nth, connection=where),
                settlement(
                    f"{n}-{nth}", n * nth, usage=Usage(input_tokens=n, output_tokens=nth), at=START + n * 50_000 + 9
                ),
                nth,
            )
            for n in range(20)
            for nth, where in ((1, "one"), (2, "two"), (3, "one"))
        ]
        write(new, told)
        old = sqlite3.connect(":memory:", isolation_level=None)
        before = next(n for n, script in enumerate(migrations()) if "CREATE TABLE usage_sum" in script)
        for script in migrations()[:before]:
            old.executescript(script)
        columns = [row[1] for row in old.execute("PRAGMA table_info(intent)")]
        for table, names in (("intent", ", ".join(columns)), ("settlement", "*")):
            rows = new.execute(f"SELECT {names} FROM {table}").fetchall()  # noqa: S608 (constants)
            old.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' for _ in rows[0])})", rows)  # noqa: S608 (constants)
        old.execute("INSERT INTO spend_month VALUES ('2025-03', 'owner', 'provider-one', 'alpha', 7, 70, 8, 900, 1)")
        old.execute("INSERT INTO spend_month VALUES ('2026-10', 'owner', 'provider-one', 'alpha', 4, 1, 6, 6, 0)")
        old.execute(f"PRAGMA user_version = {before}")
        migrate(old)
        everything = Asked(since=START, until=inf)
        for by in BYS:
            assert said(read_sums(old, everything, by)) == said(read_sums(new, everything, by)), by
        gone = read_sums(old, Asked(since=START - 700 * 86_400, until=START - 86_400), "provider").sums["provider-one"]
        old.close()
    assert (gone.attempts, gone.input_tokens, gone.output_tokens, gone.cost_nano) == (7, 70, 8, 900)
    assert gone.unknown_cost_attempts == 1


async def test_a_report_says_which_span_it_could_tell(tmp_path: Path) -> None:
    async with a_ledger(tmp_path) as ledger:
        for day in (0, 40, 41):
            await ledger.reserve(intent(f"a{day}", request_id=f"r{day}", at=START + day * DAY_SECONDS + 5000), as_it_is)
            await ledger.settle(settlement(f"a{day}", 3, at=START + day * DAY_SECONDS + 5001), as_it_is)
        now = START + 45 * DAY_SECONDS
        await sweep(ledger.database, now=now, keep=Retention(decisions_days=1, ledger_days=4))
        book, ragged = UsageBook(ledger.database), START + 40 * DAY_SECONDS + 4000
        early = await book.totals(since=ragged, until=inf, caller=None, session=None, group_by="model")
        late = await book.totals(since=ragged + DAY_SECONDS, until=inf, caller=None, session=None, group_by=None)
    assert (early.since, early.attempts) == (ragged - 400, 2)
    assert [(group.name, group.requests, group.cost_nano) for group in early.groups] == [("alpha", 2, 6)]
    assert (late.since, late.attempts) == (ragged + DAY_SECONDS, 1)
