"""What combos remember from one request to the next: whose turn it is, who answered last, who sits out."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from omniroute_agent.kernel.record import Bench, ComboMemory
from omniroute_agent.store.database import Database

T = TypeVar("T")

_WRITE: Final = (
    "INSERT INTO combo_state (combo, turns, last_target, streak, last_good, bag, touched_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (combo) DO UPDATE SET turns = excluded.turns, "
    "last_target = excluded.last_target, streak = excluded.streak, last_good = excluded.last_good, "
    "bag = excluded.bag, touched_at = excluded.touched_at"
)
# The last that answered is nearly always the one before; then there is nothing to write.
_ANSWERED: Final = (
    "INSERT INTO combo_state (combo, turns, streak, last_good, bag, touched_at) VALUES (?, 0, 0, ?, '[]', ?) "
    "ON CONFLICT (combo) DO UPDATE SET last_good = excluded.last_good, touched_at = excluded.touched_at "
    "WHERE combo_state.last_good IS NULL OR combo_state.last_good <> excluded.last_good"
)
_BENCH: Final = (
    "INSERT INTO bench (combo, target, times, since, until, score, probe_at) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (combo, target) DO UPDATE SET times = excluded.times, since = excluded.since, "
    "until = excluded.until, score = excluded.score, probe_at = excluded.probe_at"
)


class Remembered(NamedTuple):
    """What a combo knows; as a change: None leaves its memory as it is, and a bench that is None ends."""

    memory: ComboMemory | None
    benches: Mapping[str, Bench | None]


@dataclass(frozen=True, slots=True)
class ComboStates:
    database: Database

    async def turn(
        self, combo: str, at: float, take: Callable[[ComboMemory, Mapping[str, Bench]], tuple[T, Remembered]]
    ) -> T:
        """Give `take` what the combo remembers and keep what it changes, with nobody in between: not two requests, of
        whichever processes, take the same turn. `take` is pure and quick; it runs on the writer's thread.
        """

        def job(connection: sqlite3.Connection) -> T:
            taken, change = take(read_memory(connection, combo), read_benches(connection, combo))
            _keep(connection, combo, change, at)
            return taken

        return await self.database.write(job)


def read_memory(connection: sqlite3.Connection, combo: str) -> ComboMemory:
    """Inside a job."""
    row = connection.execute(
        "SELECT turns, last_target, streak, last_good, bag FROM combo_state WHERE combo = ?", (combo,)
    ).fetchone()
    if row is None:
        return ComboMemory()
    turns, last_target, streak, last_good, bag = row
    return ComboMemory(
        turns=turns, last_target=last_target, streak=streak, last_good=last_good, bag=tuple(json.loads(bag))
    )


def read_benches(connection: sqlite3.Connection, combo: str) -> dict[str, Bench]:
    """Inside a job: by target."""
    rows = connection.execute(
        "SELECT target, times, since, until, score, probe_at FROM bench WHERE combo = ?", (combo,)
    )
    return {
        target: Bench(times=times, since=since, until=until, score=score, probe_at=probe_at)
        for target, times, since, until, score, probe_at in rows
    }


def _keep(connection: sqlite3.Connection, combo: str, change: Remembered, at: float) -> None:
    memory = change.memory
    if memory is not None:
        bag = json.dumps(memory.bag, ensure_ascii=False)
        connection.execute(_WRITE, (combo, memory.turns, memory.last_target, memory.streak, memory.last_good, bag, at))
    for target, bench in change.benches.items():
        if bench is None:
            connection.execute("DELETE FROM bench WHERE combo = ? AND target = ?", (combo, target))
        else:
            connection.execute(
                _BENCH, (combo, target, bench.times, bench.since, bench.until, bench.score, bench.probe_at)
            )


def note_answer(connection: sqlite3.Connection, combo: str, target: str, at: float) -> None:
    """Inside a job: this target answered the combo's latest request."""
    connection.execute(_ANSWERED, (combo, target, at))


def forget_states(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Inside a job: drop what combos that nobody asked for since then remember; returns how many rows went."""
    states = connection.execute(
        "DELETE FROM combo_state WHERE combo IN "
        "(SELECT combo FROM combo_state WHERE touched_at < ? ORDER BY touched_at LIMIT ?)",
        (before, limit),
    ).rowcount
    benches = connection.execute(
        "DELETE FROM bench WHERE (combo, target) IN "
        "(SELECT combo, target FROM bench WHERE until < ? ORDER BY until LIMIT ?)",
        (before, limit),
    ).rowcount
    return states + benches
