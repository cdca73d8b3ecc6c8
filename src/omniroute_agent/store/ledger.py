"""The ledger: a durable intent before each upstream call, one settlement after it, guards moved in the same commit."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from omniroute_agent.kernel.bill import Hold, Intent, Settlement
from omniroute_agent.kernel.guard import Guard
from omniroute_agent.kernel.health import Refusal, TargetHealth
from omniroute_agent.store.attempts import insert_intent, insert_settlement, open_attempt, take_back, take_hold
from omniroute_agent.store.counts import correct, draw, give_back
from omniroute_agent.store.database import Database
from omniroute_agent.store.guards import GuardState, read_state, read_stored
from omniroute_agent.store.health import read_target, write_target
from omniroute_agent.store.instances import dead_among
from omniroute_agent.store.quota import write_readings
from omniroute_agent.store.tasks import fail_left_tasks


class NotAdmitted(Exception):
    """Breaker, lock or quota refused the attempt at the last moment."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Orphan:
    """An attempt whose process died: its outcome is unknown, its reservation is kept as its cost."""

    attempt_id: str
    request_id: str
    target: str
    reserved: int


@dataclass(slots=True)
class _Reservation:
    """One reservation and, once made, what `admit` changed."""

    intent: Intent
    instance: str
    admit: Callable[[TargetHealth], TargetHealth | Refusal]
    holds: Callable[[Sequence[Guard]], Sequence[Hold]] | None
    before: TargetHealth | None = None
    after: TargetHealth | None = None

    def make(self, connection: sqlite3.Connection) -> None:
        before = read_target(connection, self.intent.connection, self.intent.model)
        after = self.admit(before)
        if isinstance(after, Refusal):
            raise NotAdmitted(after)
        write_target(connection, self.intent.model, before, after)
        insert_intent(connection, self.intent, self.instance)
        if (full := draw(connection, self.intent)) is not None:
            raise NotAdmitted(full)
        for hold in self.intent.holds if self.holds is None else self.holds(read_stored(connection)):
            take_hold(connection, self.intent, hold)
        self.before, self.after = before, after

    def undo(self, connection: sqlite3.Connection) -> None:
        """Nothing was sent: the holds are free again, and so is a probe's turn if nobody learnt anything since."""
        model = self.intent.model
        if open_attempt(connection, self.intent.attempt_id) is not None:
            give_back(connection, self.intent)
        if not take_back(connection, self.intent.attempt_id, self.intent.at) or not (self.before and self.after):
            return
        if read_target(connection, self.intent.connection, model) == self.after:
            write_target(connection, model, self.after, self.before)


@dataclass(frozen=True, slots=True)
class Ledger:
    database: Database
    instance: str

    async def reserve(
        self,
        intent: Intent,
        admit: Callable[[TargetHealth], TargetHealth | Refusal],
        holds: Callable[[Sequence[Guard]], Sequence[Hold]] | None = None,
    ) -> None:
        """Write the intent and reserve its holds in one commit, or leave no trace, also when cancelled. With `holds`, a
        pure function of the guards that are stored by then, those it gives take the place of the intent's.

        Raises:
            NotAdmitted: `admit`, a pure function of the target's live health, refused, or a declared quota is used up.
            LimitReached: a guard has too little left.
        """
        reservation = _Reservation(intent, self.instance, admit, holds)
        try:
            await self.database.write(reservation.make)
        except (asyncio.CancelledError, GeneratorExit):
            self.database.correct(reservation.undo)
            raise

    async def settle(
        self,
        settlement: Settlement,
        learn: Callable[[TargetHealth], TargetHealth],
        keep: Callable[[sqlite3.Connection], None] | None = None,
    ) -> bool:
        """Write the bill, free the reservation and learn from the outcome in one commit; `keep` writes what else is to
        be known of it. A second settlement of the same attempt changes nothing and gives False.
        """

        def job(connection: sqlite3.Connection) -> bool:
            attempt = open_attempt(connection, settlement.attempt_id)
            if attempt is None:
                return False
            insert_settlement(connection, attempt, settlement)
            drawn = settlement.usage.input_tokens + settlement.usage.output_tokens if settlement.usage else 0
            correct(connection, settlement.attempt_id, attempt.connection, attempt.at, drawn)
            write_readings(connection, attempt.connection, attempt.model, settlement.readings)
            before = read_target(connection, attempt.connection, attempt.model)
            write_target(connection, attempt.model, before, learn(before))
            if keep is not None:
                keep(connection)
            return True

        return await self.database.write(job)

    async def settle_orphans(self, directory: Path, now: float) -> tuple[Orphan, ...]:
        """Settle what processes that died left open: outcome unknown, reservation kept. Their keys are free again, and
        the tasks they were working on have failed.
        """
        known = await self.database.read(_instances)
        dead = dead_among(directory, [instance for instance in known if instance != self.instance])
        try:
            if not dead:
                return ()
            return await self.database.write(lambda connection: _bury(connection, tuple(dead), now))
        finally:
            for lock in dead.values():
                lock.remove()

    async def guard_state(self, guard: str, window: str) -> GuardState:
        state = await self.database.read(lambda connection: read_state(connection, guard, window))
        return state or GuardState(0, 0)


def read_typical_output(connection: sqlite3.Connection, last: int = 200) -> int | None:
    """Inside a job: mean output tokens of the last answers; None when there is none yet."""
    (mean,) = connection.execute(
        "SELECT AVG(output_tokens) FROM (SELECT output_tokens FROM settlement "
        "WHERE outcome = 'answered' AND output_tokens IS NOT NULL ORDER BY at DESC LIMIT ?) AS recent",
        (last,),
    ).fetchone()
    return None if mean is None else max(round(mean), 1)


def _instances(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT id FROM instance")]


def _bury(connection: sqlite3.Connection, dead: tuple[str, ...], now: float) -> tuple[Orphan, ...]:
    orphans: list[Orphan] = []
    for instance in dead:
        orphans += _settle_left_open(connection, instance, now)
        _mark_unknown(connection, instance)
        fail_left_tasks(connection, instance, now)
        connection.execute("DELETE FROM answer WHERE instance = ? AND document IS NULL", (instance,))
        connection.execute("DELETE FROM instance WHERE id = ?", (instance,))
    return tuple(orphans)


def _settle_left_open(connection: sqlite3.Connection, instance: str, now: float) -> list[Orphan]:
    rows = connection.execute(
        "SELECT attempt_id, request_id, reserved_nano, price_source FROM intent "
        "WHERE instance = ? AND settled = 0 ORDER BY at",
        (instance,),
    ).fetchall()
    orphans: list[Orphan] = []
    for attempt_id, request_id, reserved, price_source in rows:
        attempt = open_attempt(connection, attempt_id)
        assert attempt is not None, "it was open one line ago, in the same transaction"
        settlement = Settlement(
            attempt_id=attempt_id,
            at=now,
            outcome="unknown",
            # Without a price the reservation is no cost, and no cost is not 0.
            cost=None if price_source is None else reserved,
            cost_state="unknown" if price_source is None else "reserved",
            latency_ms=max(round((now - attempt.at) * 1000), 0),
        )
        insert_settlement(connection, attempt, settlement)
        orphans.append(Orphan(attempt_id, request_id, f"{attempt.connection}/{attempt.model}", reserved))
    return orphans


def _mark_unknown(connection: sqlite3.Connection, instance: str) -> None:
    """The decisions a dead process left running say so, in their row and in their document."""
    rows = connection.execute(
        "SELECT request_id, document FROM decision WHERE instance = ? AND state = 'running'", (instance,)
    ).fetchall()
    for request_id, document in rows:
        told = json.loads(document) | {
            "state": "unknown",
            "error": "unknown_outcome",
            "error_detail": "The process that served it died; what it had reserved is kept as its cost.",
        }
        connection.execute(
            "UPDATE decision SET state = 'unknown', document = ? WHERE request_id = ?", (json.dumps(told), request_id)
        )
