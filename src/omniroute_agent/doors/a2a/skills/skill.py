"""What a skill is: a name on the agent's card and one function from what is asked to what is said."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from omniroute_agent.doors.a2a.skills.phrases import Rule
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.chat import Message

if TYPE_CHECKING:  # a card is made before the rooms behind the skills are loaded
    from omniroute_agent.doors.a2a.skills.table import SkillTable
    from omniroute_agent.tooling.parts import Parts

TEXT: Final = "text/plain"
JSON: Final = "application/json"

FREE: Final = "0"
"""USD: what a skill costs that asks no model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One task as its skill sees it."""

    caller: Caller
    """Its session is the task's context."""
    task_id: str
    context_id: str
    text: str
    """All text of the newest message."""
    messages: tuple[Message, ...]
    """The conversation, the newest message last."""
    options: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    because: str = ""
    """Why this skill was chosen."""
    streams: bool = False
    """Whether somebody reads along; else the answer may come in one piece, and a broken attempt can be replaced."""
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of the answer, ready to be sent: it ends where a word ends."""

    text: str
    last: bool = False
    """Known to be the last one. Of an answer that ends just when a piece was sent nobody knows it."""


@dataclass(frozen=True, slots=True)
class Discard:
    """A target broke off and another takes over. Comes only before any words."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an answer, and always the last that a skill says."""

    envelope: dict[str, JsonValue]
    """How it was done, for `metadata[EXTENSION]`."""
    data: JsonValue = None
    """The same answer for programs, sent only on request."""
    receipt: dict[str, JsonValue] | None = None
    """The bill, where something may have been spent."""


Said = Words | Discard | Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillContext:
    """What a running skill may use."""

    parts: "Parts"
    table: "SkillTable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    id: str
    name: str
    description: str
    tags: tuple[str, ...]
    examples: tuple[str, ...]
    scopes: frozenset[str]
    """What a caller needs; the door checks it before there is a task."""
    run: Callable[[Ask, SkillContext], AsyncGenerator[Said, None]]
    """Ends with `Finished`, or raises a `CallError`."""
    spends: bool = False
    """Its task is on the disk before it runs."""
    input_modes: tuple[str, ...] = (TEXT,)
    output_modes: tuple[str, ...] = (TEXT,)
    price: str = "Free: it asks no model."
    """What a task costs at most, in words."""
    ceiling_usd: str | None = FREE
    """The same as a decimal amount of USD; None: what the caller's budget and the owner's guards allow."""
    tools: tuple[str, ...] = ()
    """Tools it stands on, without their prefix: a key that hides one of them is not offered the skill."""
    rules: tuple[Rule, ...] = ()
    """How a text that names no skill means this one."""
