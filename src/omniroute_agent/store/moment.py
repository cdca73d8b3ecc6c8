"""What planning looks at, read in one go: a snapshot that fits together, and one trip to the reader."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from omniroute_agent.kernel.guard import Guard
from omniroute_agent.kernel.quota import ConnectionQuota, QuotaLimit
from omniroute_agent.kernel.record import Affinity, Bench, ComboMemory
from omniroute_agent.store.affinity import read_affinity
from omniroute_agent.store.combo_state import read_benches, read_memory
from omniroute_agent.store.counts import read_counts
from omniroute_agent.store.database import Database
from omniroute_agent.store.guards import GuardsSeen, read_seen
from omniroute_agent.store.health import HealthSnapshot, read_snapshot
from omniroute_agent.store.ledger import read_typical_output
from omniroute_agent.store.profile import read_profile
from omniroute_agent.store.quota import read_quotas


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    health: HealthSnapshot
    guards: GuardsSeen
    quotas: tuple[ConnectionQuota, ...]
    typical_output: int | None
    """Mean output tokens of the last answers; None when there is none yet."""
    profile: str | None
    """The resilience profile that was set at run time."""
    memory: ComboMemory
    benches: Mapping[str, Bench]
    affinity: Affinity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """What is wanted of earlier requests; nothing of it is read for strategies that do not look at it."""

    combo: str | None = None
    """Whose turns, last answer and benches."""
    prefixes: Sequence[str] = field(default_factory=tuple[str, ...])
    """Digests of the prompt's beginnings, the longest first."""


async def moment(
    database: Database,
    windows: Callable[[Sequence[Guard]], Mapping[str, str]],
    *,
    limits: Mapping[str, Sequence[QuotaLimit]],
    now: float,
    recall: Recall,
) -> Moment:
    """`windows` gives the present window of each guard by its name, from the stored guards; `limits` are the quotas
    that were declared.
    """

    def job(connection: sqlite3.Connection) -> Moment:
        return Moment(
            health=read_snapshot(connection),
            guards=read_seen(connection, windows),
            quotas=(*read_quotas(connection), *read_counts(connection, limits, now)),
            typical_output=read_typical_output(connection),
            profile=read_profile(connection),
            memory=ComboMemory() if recall.combo is None else read_memory(connection, recall.combo),
            benches={} if recall.combo is None else read_benches(connection, recall.combo),
            affinity=read_affinity(connection, recall.prefixes, now),
        )

    return await database.read(job)
