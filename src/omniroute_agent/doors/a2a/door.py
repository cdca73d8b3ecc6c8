"""The A2A door put together. Importing this module loads the SDK."""

from anyio.abc import TaskGroup
from starlette.types import ASGIApp, Receive, Scope, Send

from omniroute_agent.doors.a2a.desk import Desk
from omniroute_agent.doors.a2a.furnishing import Furnishing
from omniroute_agent.doors.a2a.hooks import Hooks
from omniroute_agent.doors.a2a.intake import Intake
from omniroute_agent.doors.a2a.rest import RestDoor
from omniroute_agent.doors.a2a.rpc import RpcDoor
from omniroute_agent.doors.a2a.runs import Runs
from omniroute_agent.doors.a2a.skills.skill import SkillContext
from omniroute_agent.doors.a2a.words import PATH


class Door:
    def __init__(self, runs: Runs, rpc: ASGIApp, rest: ASGIApp) -> None:
        self._runs = runs
        self._rpc = rpc
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        binding = self._rpc if scope["path"] in (PATH, f"{PATH}/") else self._rest
        await binding(scope, receive, send)

    async def stop(self) -> None:
        """The server ends."""
        await self._runs.stop()


def make_door(furnishing: Furnishing, group: TaskGroup) -> Door:
    parts = furnishing.parts
    runs = Runs(
        rows=furnishing.rows,
        instance=parts.ledger.instance,
        ports=parts.ports,
        context=SkillContext(parts=parts, table=furnishing.table),
        terms=furnishing.terms,
        changed=furnishing.pushes.kick,
        group=group,
    )
    group.start_soon(runs.heed_others)
    desk = Desk(
        runs=runs,
        intake=Intake(runs=runs, table=furnishing.table),
        hooks=Hooks(furnishing.pushes),
        cards=furnishing.cards,
    )
    rpc = RpcDoor(desk, furnishing.limits, furnishing.issuer, furnishing.terms)
    rest = RestDoor(desk, furnishing.limits, furnishing.issuer, furnishing.terms)

    return Door(runs, rpc, rest)
