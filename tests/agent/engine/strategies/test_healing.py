"""The bench as a machine: it doubles, it ends, nobody stays out without a chance."""

from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.engine.situation import UNSEEN
from omniroute_agent.engine.strategies.healing import BENCH_MAX, PROBE_SECONDS, probing, seat
from omniroute_agent.kernel.record import Bench, TargetStats


def test_the_wait_doubles_to_thirty_minutes_and_no_further() -> None:
    waits: list[float] = []
    bench: Bench | None = None
    now = 0.0
    for _ in range(5):
        record = TargetStats(attempts=1, last_used_at=now)
        _, bench = seat(bench, 0.1, record, now)
        assert bench is not None
        waits.append(bench.until - now)
        now = bench.until
    assert waits == [300.0, 600.0, 1200.0, 1800.0, 1800.0]


def test_a_score_between_the_two_thresholds_changes_nothing_on_the_field_and_does_not_readmit() -> None:
    assert seat(None, 0.2, UNSEEN, 0.0) == ("playing", None)
    tried = Bench(times=1, since=0.0, until=300.0, score=0.1, probe_at=301.0)
    role, bench = seat(tried, 0.29, TargetStats(last_used_at=301.0), 310.0)
    assert (role, bench and bench.times) == ("benched", 2)
    assert seat(tried, 0.3, TargetStats(last_used_at=301.0), 310.0) == ("playing", None)


def test_a_probe_that_never_came_back_is_sent_again() -> None:
    due = Bench(times=1, since=0.0, until=300.0, score=0.1)
    assert seat(due, 0.9, UNSEEN, 300.0) == ("probe", due)
    out = probing(due, 300.0)
    assert seat(out, 0.9, UNSEEN, 300.0 + PROBE_SECONDS - 1) == ("benched", out)
    assert seat(out, 0.9, UNSEEN, 300.0 + PROBE_SECONDS) == ("probe", out)


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=40), gaps=st.lists(st.floats(0, 3_000), min_size=40))
def test_whoever_sits_out_gets_a_probe_within_half_an_hour_of_asking(scores: list[float], gaps: list[float]) -> None:
    bench: Bench | None = None
    now, record = 0.0, UNSEEN
    for score, gap in zip(scores, gaps, strict=False):
        now += gap
        role, bench = seat(bench, score, record, now)
        assert (bench is None) == (role == "playing")
        if bench is not None:
            assert bench.until <= bench.since + BENCH_MAX
            assert seat(bench, 0.0, record, bench.until + PROBE_SECONDS)[0] in {"probe", "benched"}
        if role != "benched":
            record = TargetStats(attempts=1, last_used_at=now)
            bench = bench and probing(bench, now)
