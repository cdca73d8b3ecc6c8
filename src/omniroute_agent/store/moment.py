"""What planning looks at, read in one go: a snapshot that fits together, and one trip to the reader."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omniroute_agent.kernel.quota import ConnectionQuota, QuotaLimit
from omniroute_agent.store.counts import read_counts
from omniroute_agent.store.database import Database
from omniroute_agent.store.health import HealthSnapshot, read_snapshot
from omniroute_agent.store.ledger import GuardState, read_guard, read_typical_output
from omniroute_agent.store.quota import read_quotas


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    health: HealthSnapshot
    guards: Mapping[str, GuardState]
    quotas: tuple[ConnectionQuota, ...]
    typical_output: int | None
    """Mean output tokens of the last answers; None when there is none yet."""


async def moment(
    database: Database, windows: Mapping[str, str], *, limits: Mapping[str, Sequence[QuotaLimit]], now: float
) -> Moment:
    """`windows` has the present window of each guard by the guard's name, `limits` the quotas that were declared."""

    def job(connection: sqlite3.Connection) -> Moment:
        return Moment(
            health=read_snapshot(connection),
            guards={guard: read_guard(connection, guard, window) for guard, window in windows.items()},
            quotas=(*read_quotas(connection), *read_counts(connection, limits, now)),
            typical_output=read_typical_output(connection),
        )

    return await database.read(job)
