"""What serving a request gives, piece by piece."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omniroute_agent.engine.decision import Plan, Receipt
from omniroute_agent.kernel.chat import (
    ChatAnswer,
    ChatEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
)
from omniroute_agent.kernel.fold import events_of

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


def told_again(answer: ChatAnswer) -> Iterator[TextDelta | ReasoningDelta | ToolCallDelta]:
    """The pieces of an answer that is there already: their fold is the answer, like the fold of the first telling."""
    for event in events_of(answer):
        if isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
            yield event
