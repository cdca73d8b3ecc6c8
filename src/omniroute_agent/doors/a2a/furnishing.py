"""What the A2A door is made of, before the SDK is loaded."""

from dataclasses import dataclass

from omniroute_agent.doors.a2a.card import CardBook
from omniroute_agent.doors.a2a.push.pushes import Pushes
from omniroute_agent.doors.a2a.skills.table import SkillTable
from omniroute_agent.doors.a2a.terms import Terms
from omniroute_agent.doors.challenge import Issuer
from omniroute_agent.doors.limits import InboundLimits
from omniroute_agent.store.tasks import TaskRows
from omniroute_agent.tooling.parts import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Furnishing:
    """What the door is made of; none of it loads the SDK."""

    parts: Parts
    rows: TaskRows
    table: SkillTable
    cards: CardBook
    pushes: Pushes
    limits: InboundLimits
    issuer: Issuer | None
    terms: Terms
