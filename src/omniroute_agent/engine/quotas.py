"""From what was told of quota windows to what planning may use now."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from omniroute_agent.engine.breaker import clock
from omniroute_agent.engine.situation import QuotaWindow
from omniroute_agent.kernel.health import Refusal
from omniroute_agent.kernel.quota import OWN_COUNT, ConnectionQuota


def windows_of(known: Iterable[ConnectionQuota], now: float) -> Mapping[str, tuple[QuotaWindow, ...]]:
    """By connection, or by target where a window counts for one model; without what is too old to say anything."""
    windows: defaultdict[str, list[QuotaWindow]] = defaultdict(list)
    for quota in known:
        reading = quota.reading
        if reading.stale(now):
            continue
        ended = reading.ended(now)
        whose = quota.connection if quota.model is None else f"{quota.connection}/{quota.model}"
        windows[whose].append(
            QuotaWindow(
                window=reading.window,
                left=reading.left(now),
                # The next end of a window that has ended since is not known before the next answer.
                resets_at=None if ended else reading.resets_at,
                seconds=reading.seconds,
                limit=reading.limit,
                used=0.0 if ended else reading.used,
                remaining=reading.limit if ended else reading.remaining,
                source=reading.source,
                at=reading.at,
            )
        )
    return {whose: tuple(found) for whose, found in windows.items()}


def counted_out(windows: Iterable[QuotaWindow]) -> Refusal | None:
    """Which declared quota leaves no room, by our own count. What providers tell as used up is locked already."""
    for window in windows:
        if window.source == OWN_COUNT and window.remaining == 0 and window.resets_at is not None:
            detail = f"{window.limit:.0f} {window.window} are used, counted here; more at {clock(window.resets_at)}."
            return Refusal(reason="quota_reached", detail=detail, until=window.resets_at)
    return None
