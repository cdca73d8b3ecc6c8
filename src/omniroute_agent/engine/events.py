"""What serving a request gives, piece by piece."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from omniroute_agent.engine.decision import Plan, Receipt
from omniroute_agent.kernel.chat import ChatAnswer, ChatEvent

if TYPE_CHECKING:  # doors and tools name these events before the engine is loaded
    from omniroute_agent.engine.faults import Fault


@dataclass(frozen=True, slots=True)
class Routed:
    """The plan is made; nothing was sent yet."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Discarded:
    """What was yielded of the last attempt is void: it broke, another target takes over."""

    fault: "Fault"


@dataclass(frozen=True, slots=True)
class Done:
    answer: ChatAnswer
    receipt: Receipt


EngineEvent = Routed | ChatEvent | Discarded | Done
