"""Counters that cannot be made to grow without end."""

from omniroute_agent.kernel.meter import MOST_SERIES, OTHER, Family, Histogram, Meter

CALLS = Family("calls_total", "counter", "Calls.", ("who",))


def test_what_comes_beyond_the_bound_is_counted_together() -> None:
    meter = Meter()
    for number in range(MOST_SERIES + 40):
        meter.count(CALLS, f"caller-{number}")
    meter.count(CALLS, "caller-0")
    ((_, series),) = meter.families()
    assert len(series) == MOST_SERIES + 1
    assert series[OTHER,] == 40
    assert series["caller-0",] == 2


def test_a_value_on_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 1.0, 7.0):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 1]
    assert histogram.total == 8.65
