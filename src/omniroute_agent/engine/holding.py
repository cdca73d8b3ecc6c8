"""What an attempt is held against at the moment of its reservation: a guard may have been set since it was planned."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from omniroute_agent.engine.eligibility import rooms_of
from omniroute_agent.engine.guard_changes import MOST
from omniroute_agent.engine.guards import Guards, rooms_for
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.kernel.bill import Hold, Intent
from omniroute_agent.kernel.guard import Guard


def holds_of(
    guards: Guards, intent: Intent, candidate: Candidate, request: Request, situation: Situation, *, bounded: bool
) -> Callable[[Sequence[Guard]], tuple[Hold, ...]]:
    """The holds as a pure function of the guards that are stored when it is called.

    Where nothing bounds what the attempt may cost, a guard it was not planned under has no room for it.
    """
    planned = {hold.guard for hold in intent.holds}
    now = datetime.fromtimestamp(intent.at, UTC)

    def holds(stored: Sequence[Guard]) -> tuple[Hold, ...]:
        standing = rooms_for(guards.standing(stored, request.caller, now), intent.combo)
        rooms = rooms_of(candidate, request, replace(situation, rooms=standing))
        return tuple(room.hold(intent.reserved if bounded or room.guard in planned else MOST + 1) for room in rooms)

    return holds
