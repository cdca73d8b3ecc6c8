"""The ledger: a durable intent before each upstream call, one settlement after it, guards moved in the same commit."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from omniroute_agent.kernel.bill import Hold, Intent, Settlement
from omniroute_agent.kernel.errors import LimitReached
from omniroute_agent.kernel.health import Refusal, TargetHealth
from omniroute_agent.kernel.money import usd
from omniroute_agent.store.database import Database
from omniroute_agent.store.health import read_target, write_target
from omniroute_agent.store.instances import dead_among


class NotAdmitted(Exception):
    """Breaker or lock refused the attempt at the last moment."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class GuardState:
    spent: int
    reserved: int


@dataclass(frozen=True, slots=True)
class Orphan:
    """An attempt whose process died: its outcome is unknown, its reservation is kept as its cost."""

    attempt_id: str
    request_id: str
    target: str
    reserved: int


@dataclass(frozen=True, slots=True)
class Ledger:
    database: Database
    instance: str

    async def reserve(self, intent: Intent, admit: Callable[[TargetHealth], TargetHealth | Refusal]) -> None:
        """Write the intent and reserve its holds in one commit, or leave no trace.

        Raises:
            NotAdmitted: `admit`, a pure function of the target's live health, refused.
            LimitReached: a guard has too little left.
        """

        def job(connection: sqlite3.Connection) -> None:
            before = read_target(connection, intent.connection, intent.model)
            after = admit(before)
            if isinstance(after, Refusal):
                raise NotAdmitted(after)
            write_target(connection, intent.model, before, after)
            _insert_intent(connection, intent, self.instance)
            for hold in intent.holds:
                _hold(connection, intent, hold)

        await self.database.write(job)

    async def settle(self, settlement: Settlement, learn: Callable[[TargetHealth], TargetHealth]) -> bool:
        """Write the bill, free the reservation and learn from the outcome in one commit. A second settlement of the
        same attempt changes nothing and gives False.
        """

        def job(connection: sqlite3.Connection) -> bool:
            if not _insert_settlement(connection, settlement):
                return False
            _release_holds(connection, settlement)
            name, model = connection.execute(
                "SELECT connection, model FROM intent WHERE attempt_id = ?", (settlement.attempt_id,)
            ).fetchone()
            before = read_target(connection, name, model)
            write_target(connection, model, before, learn(before))
            return True

        return await self.database.write(job)

    async def settle_orphans(self, directory: Path, now: float) -> tuple[Orphan, ...]:
        """Settle what processes that died left open: outcome unknown, reservation kept. Their keys are free again."""
        known = await self.database.read(_instances)
        dead = dead_among(directory, [instance for instance in known if instance != self.instance])
        try:
            if not dead:
                return ()
            return await self.database.write(lambda connection: _bury(connection, tuple(dead), now))
        finally:
            for lock in dead.values():
                lock.path.unlink(missing_ok=True)
                lock.release()

    async def guard_state(self, guard: str, window: str) -> GuardState:
        def job(connection: sqlite3.Connection) -> GuardState:
            row = connection.execute(
                "SELECT spent_nano, reserved_nano FROM guard_window WHERE guard = ? AND win = ?", (guard, window)
            ).fetchone()
            return GuardState(*row) if row else GuardState(0, 0)

        return await self.database.read(job)

    async def typical_output(self, *, last: int = 200) -> int | None:
        """Mean output tokens of the last answers; None when there is none yet."""

        def job(connection: sqlite3.Connection) -> int | None:
            (mean,) = connection.execute(
                "SELECT AVG(output_tokens) FROM (SELECT s.output_tokens FROM intent i "
                "JOIN settlement s ON s.attempt_id = i.attempt_id "
                "WHERE s.outcome = 'answered' AND s.output_tokens IS NOT NULL ORDER BY i.at DESC LIMIT ?) AS recent",
                (last,),
            ).fetchone()
            return None if mean is None else max(round(mean), 1)

        return await self.database.read(job)


def _insert_intent(connection: sqlite3.Connection, intent: Intent, instance: str) -> None:
    connection.execute(
        "INSERT INTO intent (attempt_id, instance, request_id, caller, session, door, at, connection, provider, model, "
        "combo, task, reserved_nano, price_source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            intent.attempt_id,
            instance,
            intent.request_id,
            intent.caller,
            intent.session,
            intent.door,
            intent.at,
            intent.connection,
            intent.provider,
            intent.model,
            intent.combo,
            intent.task,
            intent.reserved,
            intent.price_source,
        ),
    )


def _hold(connection: sqlite3.Connection, intent: Intent, hold: Hold) -> None:
    connection.execute(
        "INSERT INTO guard_window (guard, win, spent_nano, reserved_nano, resets_at, touched_at) "
        "VALUES (?, ?, 0, 0, ?, ?) ON CONFLICT (guard, win) DO NOTHING",
        (hold.guard, hold.window, hold.resets_at, intent.at),
    )
    taken = connection.execute(
        "UPDATE guard_window SET reserved_nano = reserved_nano + ?, touched_at = ? "
        "WHERE guard = ? AND win = ? AND spent_nano + reserved_nano + ? <= ?",
        (hold.amount, intent.at, hold.guard, hold.window, hold.amount, hold.limit),
    )
    if taken.rowcount == 0:
        spent, reserved = connection.execute(
            "SELECT spent_nano, reserved_nano FROM guard_window WHERE guard = ? AND win = ?", (hold.guard, hold.window)
        ).fetchone()
        raise _limit_reached(hold, spent, reserved)
    connection.execute(
        "INSERT INTO hold (attempt_id, guard, win, amount_nano) VALUES (?, ?, ?, ?)",
        (intent.attempt_id, hold.guard, hold.window, hold.amount),
    )


def _limit_reached(hold: Hold, spent: int, reserved: int) -> LimitReached:
    resets = None if hold.resets_at is None else datetime.fromtimestamp(hold.resets_at, UTC).isoformat()
    return LimitReached(
        f"The guard `{hold.guard}` allows {usd(hold.limit)} USD; {usd(spent)} are spent and {usd(reserved)} reserved, "
        f"so {usd(hold.amount)} more do not fit.",
        hint=f"It starts anew at {resets}." if resets else "Allow a larger budget or ask for a shorter answer.",
        facts={
            "guard": hold.guard,
            "limit_usd": usd(hold.limit),
            "spent_usd": usd(spent),
            "reserved_usd": usd(reserved),
            "needed_usd": usd(hold.amount),
            "resets_at": resets,
        },
    )


def _insert_settlement(connection: sqlite3.Connection, settlement: Settlement) -> bool:
    """False when the attempt was settled before."""
    first = connection.execute(
        "UPDATE intent SET settled = 1 WHERE attempt_id = ? AND settled = 0", (settlement.attempt_id,)
    )
    if first.rowcount == 0:
        return False
    usage = settlement.usage
    connection.execute(
        "INSERT INTO settlement (attempt_id, at, outcome, fault, input_tokens, output_tokens, cache_read_tokens, "
        "cache_write_tokens, reasoning_tokens, usage_estimated, cost_nano, cost_state, latency_ms, first_token_ms) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            settlement.attempt_id,
            settlement.at,
            settlement.outcome,
            settlement.fault,
            usage.input_tokens if usage else None,
            usage.output_tokens if usage else None,
            usage.cache_read_tokens if usage else None,
            usage.cache_write_tokens if usage else None,
            usage.reasoning_tokens if usage else None,
            int(usage.estimated) if usage else 0,
            settlement.cost,
            settlement.cost_state,
            settlement.latency_ms,
            settlement.first_token_ms,
        ),
    )
    _add_to_month(connection, settlement)
    return True


def _add_to_month(connection: sqlite3.Connection, settlement: Settlement) -> None:
    month = datetime.fromtimestamp(settlement.at, UTC).strftime("%Y-%m")
    usage = settlement.usage
    connection.execute(
        "INSERT INTO spend_month (month, caller, provider, model, attempts, input_tokens, output_tokens, cost_nano, "
        "unknown_cost_attempts) SELECT ?, caller, provider, model, 1, ?, ?, ?, ? FROM intent WHERE attempt_id = ? "
        "ON CONFLICT (month, caller, provider, model) DO UPDATE SET attempts = spend_month.attempts + 1, "
        "input_tokens = spend_month.input_tokens + excluded.input_tokens, "
        "output_tokens = spend_month.output_tokens + excluded.output_tokens, "
        "cost_nano = spend_month.cost_nano + excluded.cost_nano, "
        "unknown_cost_attempts = spend_month.unknown_cost_attempts + excluded.unknown_cost_attempts",
        (
            month,
            usage.input_tokens if usage else 0,
            usage.output_tokens if usage else 0,
            settlement.cost or 0,
            int(settlement.cost is None),
            settlement.attempt_id,
        ),
    )


def _release_holds(connection: sqlite3.Connection, settlement: Settlement) -> None:
    """Reserved becomes spent, by the true cost. An unknown cost keeps the reservation as spent: it can only be less."""
    holds = connection.execute(
        "SELECT guard, win, amount_nano FROM hold WHERE attempt_id = ?", (settlement.attempt_id,)
    ).fetchall()
    for guard, window, amount in holds:
        spent = amount if settlement.cost is None else settlement.cost
        connection.execute(
            "UPDATE guard_window SET reserved_nano = reserved_nano - ?, spent_nano = spent_nano + ?, touched_at = ? "
            "WHERE guard = ? AND win = ?",
            (amount, spent, settlement.at, guard, window),
        )
    connection.execute("DELETE FROM hold WHERE attempt_id = ?", (settlement.attempt_id,))


def _instances(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT id FROM instance")]


def _bury(connection: sqlite3.Connection, dead: tuple[str, ...], now: float) -> tuple[Orphan, ...]:
    orphans: list[Orphan] = []
    for instance in dead:
        rows = connection.execute(
            "SELECT attempt_id, request_id, connection, model, reserved_nano, at FROM intent "
            "WHERE instance = ? AND settled = 0",
            (instance,),
        ).fetchall()
        for attempt_id, request_id, name, model, reserved, at in rows:
            settlement = Settlement(
                attempt_id=attempt_id,
                at=now,
                outcome="unknown",
                cost=reserved,
                cost_state="reserved",
                latency_ms=max(round((now - at) * 1000), 0),
            )
            if _insert_settlement(connection, settlement):
                _release_holds(connection, settlement)
                orphans.append(Orphan(attempt_id, request_id, f"{name}/{model}", reserved))
        _mark_unknown(connection, instance)
        connection.execute("DELETE FROM answer WHERE instance = ? AND document IS NULL", (instance,))
        connection.execute("DELETE FROM instance WHERE id = ?", (instance,))
    return tuple(orphans)


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
