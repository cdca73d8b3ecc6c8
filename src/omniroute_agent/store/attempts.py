"""Inside a job: the rows of one attempt, from its reservation to its bill."""

import sqlite3
from datetime import UTC, datetime

from omniroute_agent.kernel.bill import Hold, Intent, Settlement
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.errors import LimitReached
from omniroute_agent.kernel.money import usd
from omniroute_agent.store.handle_books import free_handle, hold_of_handle
from omniroute_agent.store.sums import LARGEST, OpenAttempt, add_to_sums


def insert_intent(connection: sqlite3.Connection, intent: Intent, instance: str) -> None:
    earlier = connection.execute(
        "SELECT provider, connection, model FROM intent WHERE request_id = ?", (intent.request_id,)
    ).fetchall()
    connection.execute(
        "INSERT INTO intent (attempt_id, instance, request_id, caller, session, door, at, connection, provider, model, "
        "combo, task, reserved_nano, price_source, nth, new_provider, new_connection, new_model) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            _bounded(intent.reserved),
            intent.price_source,
            len(earlier) + 1,
            int(all(provider != intent.provider for provider, _, _ in earlier)),
            int(all(name != intent.connection for _, name, _ in earlier)),
            int(all(model != intent.model for _, _, model in earlier)),
        ),
    )


def take_hold(connection: sqlite3.Connection, intent: Intent, hold: Hold) -> None:
    """
    Raises:
        LimitReached: the guard has too little left.
    """
    if hold.handle:
        hold_of_handle(connection, intent, hold)
        return
    connection.execute(
        "INSERT INTO guard_window (guard, win, spent_nano, reserved_nano, resets_at, touched_at) "
        "VALUES (?, ?, 0, 0, ?, ?) ON CONFLICT (guard, win) DO NOTHING",
        (hold.guard, hold.window, hold.resets_at, intent.at),
    )
    # What costs nothing fits even where a limit was lowered below what is spent.
    limit = _bounded(hold.limit) if hold.enforced and hold.amount else None
    amount = _bounded(hold.amount)
    # More than the limit itself may be more than a column holds.
    fits = (limit is None or hold.amount <= limit) and connection.execute(
        "UPDATE guard_window SET reserved_nano = reserved_nano + ?, touched_at = ? "
        "WHERE guard = ? AND win = ? AND (? IS NULL OR spent_nano + reserved_nano + ? <= ?)",
        (amount, intent.at, hold.guard, hold.window, limit, amount, limit),
    ).rowcount
    if not fits:
        spent, reserved = connection.execute(
            "SELECT spent_nano, reserved_nano FROM guard_window WHERE guard = ? AND win = ?", (hold.guard, hold.window)
        ).fetchone()
        raise _limit_reached(hold, spent, reserved)
    connection.execute(
        "INSERT INTO hold (attempt_id, guard, win, amount_nano) VALUES (?, ?, ?, ?)",
        (intent.attempt_id, hold.guard, hold.window, amount),
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


def take_back(connection: sqlite3.Connection, attempt_id: str, at: float) -> bool:
    """Undo a reservation under which nothing was sent; False when there is none."""
    if open_attempt(connection, attempt_id) is None:
        return False
    _free_holds(connection, attempt_id, at, cost=0)
    connection.execute("DELETE FROM intent WHERE attempt_id = ?", (attempt_id,))
    return True


def open_attempt(connection: sqlite3.Connection, attempt_id: str) -> OpenAttempt | None:
    """None when it is unknown or settled."""
    row = connection.execute(
        "SELECT caller, provider, connection, model, combo, task, at, nth, new_provider, new_connection, new_model "
        "FROM intent WHERE attempt_id = ? AND settled = 0",
        (attempt_id,),
    ).fetchone()
    if row is None:
        return None
    caller, provider, name, model, combo, task, at, nth, new_provider, new_connection, new_model = row
    return OpenAttempt(
        caller=caller,
        provider=provider,
        connection=name,
        model=model,
        combo=combo,
        task=task,
        at=at,
        nth=nth,
        new_provider=new_provider,
        new_connection=new_connection,
        new_model=new_model,
    )


def insert_settlement(connection: sqlite3.Connection, attempt: OpenAttempt, settlement: Settlement) -> None:
    """The bill of an attempt that is open, the sums it counts in and its holds."""
    connection.execute("UPDATE intent SET settled = 1 WHERE attempt_id = ?", (settlement.attempt_id,))
    connection.execute(
        "INSERT INTO settlement (attempt_id, at, outcome, fault, input_tokens, output_tokens, cache_read_tokens, "
        "cache_write_tokens, reasoning_tokens, usage_estimated, cost_nano, cost_state, latency_ms, first_token_ms) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            settlement.attempt_id,
            settlement.at,
            settlement.outcome,
            settlement.fault,
            *_counts(settlement.usage),
            None if settlement.cost is None else _bounded(settlement.cost),
            settlement.cost_state,
            settlement.latency_ms,
            settlement.first_token_ms,
        ),
    )
    add_to_sums(connection, attempt, settlement)
    _free_holds(connection, settlement.attempt_id, settlement.at, cost=settlement.cost)


def _counts(usage: Usage | None) -> tuple[int | None, int | None, int | None, int | None, int | None, int]:
    if usage is None:
        return None, None, None, None, None, 0
    return (
        _bounded(usage.input_tokens),
        _bounded(usage.output_tokens),
        _bounded(usage.cache_read_tokens),
        _bounded(usage.cache_write_tokens),
        _bounded(usage.reasoning_tokens),
        int(usage.estimated),
    )


def _bounded(amount: int) -> int:
    return min(amount, LARGEST)


def _free_holds(connection: sqlite3.Connection, attempt_id: str, at: float, *, cost: int | None) -> None:
    """Reserved becomes spent, by the true cost. An unknown cost keeps the reservation as spent: it can only be less."""
    holds = connection.execute(
        "SELECT guard, win, amount_nano FROM hold WHERE attempt_id = ?", (attempt_id,)
    ).fetchall()
    for guard, window, amount in holds:
        connection.execute(
            "UPDATE guard_window SET reserved_nano = reserved_nano - ?, spent_nano = spent_nano + ?, touched_at = ? "
            "WHERE guard = ? AND win = ?",
            (amount, amount if cost is None else _bounded(cost), at, guard, window),
        )
    if holds:
        connection.execute("DELETE FROM hold WHERE attempt_id = ?", (attempt_id,))
    free_handle(connection, attempt_id, cost=cost)
