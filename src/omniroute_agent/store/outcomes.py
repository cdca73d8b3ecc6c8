"""What became of requests: the rows the learner is judged by, and the sums it decides by."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from omniroute_agent.kernel.outcome import Arm, Judged
from omniroute_agent.store.database import Database
from omniroute_agent.store.sums import LARGEST

LOOKED_AT: Final = 50_000
"""Rows of a report, the latest; it costs the same however long the learner ran."""

_COLUMNS: Final = (
    "request_id, caller, target, task, at, first, propensity, answered, quality, signs, feedback, cost_nano, "
    "dearest_nano"
)
_VALUES: Final = "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (request_id, target) DO NOTHING"
_INSERT: Final = "INSERT INTO outcome (" + _COLUMNS + ") " + _VALUES
_ROWS: Final = "SELECT " + _COLUMNS + " FROM outcome "  # noqa: S608 (our own constants)
_OF_REQUEST: Final = _ROWS + "WHERE request_id = ? ORDER BY answered DESC LIMIT 1"
_DRAWN: Final = _ROWS + "WHERE at >= ? AND propensity IS NOT NULL ORDER BY at DESC LIMIT ?"


@dataclass(frozen=True, slots=True)
class Outcomes:
    database: Database

    async def arms(self, task: str) -> Mapping[str, Arm]:
        """What is remembered of each target at this kind of task, by target."""

        def job(connection: sqlite3.Connection) -> Mapping[str, Arm]:
            rows = connection.execute("SELECT target, good, bad, at FROM outcome_arm WHERE task = ?", (task,))
            return {target: Arm(good, bad, at) for target, good, bad, at in rows}

        return await self.database.read(job)

    async def add(self, judged: Sequence[Judged], learn: Callable[[Arm, Judged], Arm]) -> None:
        """Write outcomes and what `learn` makes of their arms, in one commit; one written before changes nothing."""

        def job(connection: sqlite3.Connection) -> None:
            for one in judged:
                if connection.execute(_INSERT, _row(one)).rowcount:
                    _write_arm(connection, one, learn(_read_arm(connection, one), one))

        await self.database.write(job)

    async def say(
        self, request_id: str, feedback: float, revise: Callable[[Arm, Judged, Judged], Arm]
    ) -> tuple[Judged, Judged] | None:
        """Put a person's word in the place of what was measured, for the target that answered, and mend its arm. The
        outcome before and after; None: nothing is known of that request.
        """

        def job(connection: sqlite3.Connection) -> tuple[Judged, Judged] | None:
            row = connection.execute(_OF_REQUEST, (request_id,)).fetchone()
            if row is None:
                return None
            before = _judged(row)
            after = replace(before, feedback=feedback)
            connection.execute(
                "UPDATE outcome SET feedback = ? WHERE request_id = ? AND target = ?",
                (feedback, request_id, before.target),
            )
            _write_arm(connection, after, revise(_read_arm(connection, before), before, after))
            return before, after

        return await self.database.write(job)

    async def drawn(self, *, since: float) -> tuple[Judged, ...]:
        """First choices of the learner since then, the latest first."""

        def job(connection: sqlite3.Connection) -> tuple[Judged, ...]:
            return tuple(_judged(row) for row in connection.execute(_DRAWN, (since, LOOKED_AT)))

        return await self.database.read(job)

    async def tasks(self) -> Mapping[str, Mapping[str, Arm]]:
        """All arms, by task and target."""

        def job(connection: sqlite3.Connection) -> Mapping[str, Mapping[str, Arm]]:
            found: dict[str, dict[str, Arm]] = {}
            rows = connection.execute("SELECT task, target, good, bad, at FROM outcome_arm ORDER BY task, target")
            for task, target, good, bad, at in rows:
                found.setdefault(task, {})[target] = Arm(good, bad, at)
            return found

        return await self.database.read(job)


def _row(judged: Judged) -> tuple[Any, ...]:
    return (
        judged.request_id,
        judged.caller,
        judged.target,
        judged.task,
        judged.at,
        int(judged.first),
        judged.propensity,
        int(judged.answered),
        judged.quality,
        judged.signs,
        judged.feedback,
        None if judged.cost is None else min(judged.cost, LARGEST),
        None if judged.dearest is None else min(judged.dearest, LARGEST),
    )


def _judged(row: tuple[Any, ...]) -> Judged:
    request_id, caller, target, task, at, first, propensity, answered, quality, signs, feedback, cost, dearest = row
    return Judged(
        request_id=request_id,
        caller=caller,
        target=target,
        task=task,
        at=at,
        first=bool(first),
        propensity=propensity,
        answered=bool(answered),
        quality=quality,
        signs=signs,
        feedback=feedback,
        cost=cost,
        dearest=dearest,
    )


def _read_arm(connection: sqlite3.Connection, judged: Judged) -> Arm:
    row = connection.execute(
        "SELECT good, bad, at FROM outcome_arm WHERE task = ? AND target = ?", (judged.task, judged.target)
    ).fetchone()
    return Arm(*row) if row else Arm(at=judged.at)


def _write_arm(connection: sqlite3.Connection, judged: Judged, arm: Arm) -> None:
    connection.execute(
        "INSERT INTO outcome_arm (task, target, good, bad, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (task, target) "
        "DO UPDATE SET good = excluded.good, bad = excluded.bad, at = excluded.at",
        (judged.task, judged.target, arm.good, arm.bad, arm.at),
    )


def forget_outcomes(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Inside a job: delete outcomes from before then, `limit` at most; returns how many went."""
    return connection.execute(
        "DELETE FROM outcome WHERE (request_id, target) IN "
        "(SELECT request_id, target FROM outcome WHERE at < ? ORDER BY at LIMIT ?)",
        (before, limit),
    ).rowcount


def forget_arms(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Inside a job: delete the sums of targets that were not seen since then."""
    return connection.execute(
        "DELETE FROM outcome_arm WHERE (task, target) IN (SELECT task, target FROM outcome_arm WHERE at < ? LIMIT ?)",
        (before, limit),
    ).rowcount
