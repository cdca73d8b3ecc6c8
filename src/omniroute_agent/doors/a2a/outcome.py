"""What a task came to: the end of its skill, or what kept it from one, as a state, a sentence and an envelope."""

import logging
from dataclasses import dataclass
from typing import Final

from a2a.types import a2a_pb2 as pb
from pydantic import JsonValue

from omniroute_agent.doors.a2a.live import Envelope
from omniroute_agent.doors.a2a.render import data_artifact
from omniroute_agent.doors.a2a.skills.envelope import failed_envelope, stopped_envelope, unanswered_receipt
from omniroute_agent.doors.a2a.skills.skill import Ask, Finished, Skill
from omniroute_agent.doors.a2a.withheld import withheld
from omniroute_agent.kernel.errors import CallError, ConsentRequired, LimitReached, NotAllowed
from omniroute_agent.tooling.parts import Parts

OPTIONS: Final = "options"
"""Member of a parked task's envelope: what it was asked with, for when it goes on."""

RECEIPT: Final = "receipt"
"""Id of the artifact with the bill, which comes on request."""

INSIDE: Final = "Something went wrong inside this agent; its owner finds it in the log."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a task came to."""

    state: str
    note: str = ""
    envelope: Envelope | None = None
    artifacts: tuple[pb.Artifact, ...] = ()
    """What was not told in pieces."""

    @property
    def request_id(self) -> str | None:
        found = (self.envelope or {}).get("request_id")
        return found if isinstance(found, str) else None


def completed(ask: Ask, finished: Finished) -> Outcome:
    extra: list[pb.Artifact] = []
    if finished.data is not None and ask.options.get("data") is True:
        extra.append(data_artifact("data", finished.data))
    if finished.receipt is not None and ask.options.get("receipt") is True:
        extra.append(data_artifact(RECEIPT, finished.receipt))
    return Outcome(state="completed", envelope=finished.envelope, artifacts=tuple(extra))


async def refused(error: Exception, parts: Parts, skill: Skill, ask: Ask, *, said: bool) -> Outcome:
    """Of a skill that raised. `said`: words of it were told by then, so it was begun and is not merely refused."""
    if not isinstance(error, CallError):
        _log.error("The task %s failed", ask.task_id, exc_info=error)
        return Outcome(state="failed", note=INSIDE)
    envelope = await failed_envelope(error, parts, ask=ask, skill=skill.id)
    if isinstance(error, ConsentRequired):
        envelope |= {"consent": _asked(error), OPTIONS: withheld(dict(ask.options))}
        return Outcome(state="input-required", note=error.sentence(), envelope=envelope)
    denied = isinstance(error, LimitReached | NotAllowed) and not said
    return Outcome(state="rejected" if denied else "failed", note=error.sentence(), envelope=envelope)


async def unanswered(state: str, note: str, parts: Parts, skill: Skill, ask: Ask) -> Outcome:
    """Of a skill that was cut off; what it cost until then is told where that is wanted."""
    receipt = await unanswered_receipt(parts, ask) if ask.options.get("receipt") is True else None
    return Outcome(
        state=state,
        note=note,
        envelope=await stopped_envelope(note, parts, ask=ask, skill=skill.id),
        artifacts=() if receipt is None else (data_artifact(RECEIPT, receipt),),
    )


def silence(seconds: float) -> str:
    minutes = seconds / 60
    return f"Nothing was heard of this task for {minutes:g} minute{'' if minutes == 1 else 's'}."


def _asked(required: ConsentRequired) -> JsonValue:
    """The question for programs: what it is about, and what each way would cost."""
    facts = required.facts
    found: dict[str, JsonValue] = {"question": str(facts.get("question", required.message))}
    if "code" in facts:
        found["code"] = str(facts["code"])
    options = facts.get("options")
    if isinstance(options, list):
        found["options"] = [dict(option) for option in options]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return found
