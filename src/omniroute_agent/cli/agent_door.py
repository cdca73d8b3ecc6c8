"""The A2A door as the settings want it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute

from omniroute_agent import __version__
from omniroute_agent.app import House
from omniroute_agent.cli.inbound import issuer_of, limits_of
from omniroute_agent.doors.a2a.card import CardBook
from omniroute_agent.doors.a2a.card_limits import limits_from
from omniroute_agent.doors.a2a.card_routes import CARD_PATHS, card_routes
from omniroute_agent.doors.a2a.furnishing import Furnishing
from omniroute_agent.doors.a2a.push.policy import HookPolicy
from omniroute_agent.doors.a2a.push.pushes import Pushes
from omniroute_agent.doors.a2a.routes import LateDoor
from omniroute_agent.doors.a2a.signer import Signer, new_signing_key
from omniroute_agent.doors.a2a.skills.skill import Skill
from omniroute_agent.doors.a2a.skills.table import SkillTable, make_table
from omniroute_agent.doors.a2a.terms import Terms
from omniroute_agent.doors.mcp.http import Lifespan
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.scopes import missing
from omniroute_agent.kernel.view import View
from omniroute_agent.outside.addresses import AllowedOrigins
from omniroute_agent.settings.a2a import A2aSettings
from omniroute_agent.settings.private import signing_key
from omniroute_agent.store.push import PushRows
from omniroute_agent.store.tasks import TaskRows
from omniroute_agent.tooling.view import allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDoor:
    routes: Sequence[BaseRoute] = ()
    open_paths: frozenset[str] = frozenset()
    lifespans: Sequence[Lifespan] = ()
    closing: Sequence[Callable[[], None]] = ()
    """Called when the server is told to stop."""


def agent_door(house: House, *, keys: bool) -> AgentDoor:
    """`keys`: whether callers need one.

    Raises:
        SettingsError: the key it signs with cannot be made or read.
    """
    settings, parts = house.settings, house.parts
    if not settings.a2a.enabled:
        return AgentDoor()
    signer = signing_key(settings.directory, make=new_signing_key, read=Signer)
    table = make_table(house.tools)
    cards = CardBook(
        table,
        signer,
        version=__version__,
        public_url=settings.a2a.public_url,
        strict=settings.a2a.strict,
        keys=keys,
        offered=_offered(table),
        limits=limits_from(parts),
    )
    tasks = TaskRows(parts.database)
    pushes = Pushes(
        PushRows(parts.database),
        tasks,
        ports=parts.ports,
        keys=house.keys,
        policy=_policy(settings.a2a, house.origins),
        sign=signer.sign,
        issuer=settings.a2a.public_url or "omniroute-agent",
    )
    door = LateDoor(
        Furnishing(
            parts=parts,
            rows=tasks,
            table=table,
            cards=cards,
            pushes=pushes,
            limits=limits_of(settings.server),
            issuer=issuer_of(settings.auth),
            terms=_terms(settings.a2a),
        )
    )
    return AgentDoor(
        routes=[*card_routes(cards, parts.started_at), *door.routes()],
        open_paths=CARD_PATHS,
        lifespans=[door.lifespan],
        closing=[door.close],
    )


def _terms(settings: A2aSettings) -> Terms:
    return Terms(
        silent=settings.silent_minutes * 60.0,
        kept=settings.retention_days * 86_400.0,
        heartbeat=float(settings.heartbeat_seconds),
        lenient=settings.lenient_version,
    )


def _policy(settings: A2aSettings, taken: AllowedOrigins) -> HookPolicy:
    """What the guard lets pass by then is for other ends; what is named as hooks it lets pass from here on."""
    allowed_hooks = AllowedOrigins()
    for origin in settings.hook_origins:
        allowed_hooks.allow(origin)
        taken.allow(origin)
    return HookPolicy(allowed=allowed_hooks, taken=taken)


def _offered(table: SkillTable) -> Callable[[Caller], Iterable[Skill]]:
    """What a caller's scopes and the tools its key shows let it ask for."""

    def seen(view: View, skill: Skill) -> bool:
        return all(allowed(view, table.tool(name)) for name in skill.tools)

    return lambda caller: [
        skill for skill in table if not missing(caller.scopes, skill.scopes) and seen(caller.view, skill)
    ]
