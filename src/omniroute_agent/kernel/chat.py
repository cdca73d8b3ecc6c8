"""A chat in neutral form: what every dialect translates to and from.

Conventions that hold everywhere:
- system text is a message of role `system` and may stand anywhere; dialects lift it where theirs wants it;
- a tool's result is a `ToolResult` part of a `user` message;
- `rest` keeps the fields a dialect sent that this form has no word for. They are written back only when the request
  leaves in the dialect it came in (`Chat.origin`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Rest = Mapping[str, JsonValue]

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal"]


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    rest: Rest = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image:
    """Exactly one of `data` (base64, with `media_type`) and `url` is set."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    rest: Rest = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A thinking block. `signature` is the provider's proof for it; `redacted` replaces the text when it is sealed."""

    text: str
    signature: str | None = None
    redacted: str | None = None
    rest: Rest = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str
    """JSON text exactly as the model wrote it; malformed text is not repaired."""
    rest: Rest = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolResult:
    call_id: str
    content: tuple["Text | Image", ...]
    is_error: bool = False
    rest: Rest = field(default_factory=dict)


Part = Text | Image | Reasoning | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    parts: tuple[Part, ...]
    rest: Rest = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolSpec:
    name: str
    description: str
    schema: Mapping[str, JsonValue]
    rest: Rest = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolChoice:
    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """`schema` None asks for any JSON object."""

    schema: Mapping[str, JsonValue] | None = None
    name: str = "answer"
    strict: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    model: str
    """As the caller wrote it: a model, an alias or a combo."""
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    response_format: ResponseFormat | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    stream: bool = False
    """What the caller asked its door for; the engine always streams."""
    origin: str | None = None
    """Id of the dialect this chat was read from, None when it was built in neutral form."""
    rest: Rest = field(default_factory=dict)


class Usage(BaseModel):
    """Token counts of one attempt. `input_tokens` includes cache reads and writes, `output_tokens` the reasoning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    cache_read_tokens: int = Field(default=0, ge=0)
    cache_write_tokens: int = Field(default=0, ge=0)
    reasoning_tokens: int = Field(default=0, ge=0)
    estimated: bool = False
    """True when the provider reported no counts and ours stand in."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str = ""
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the tool call at `index`; `id` and `name` come with its first piece."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class UsageSeen:
    """Usage reported so far; a later one replaces an earlier one."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Finished:
    """The dialect's own end of the answer was seen. `model` is what the provider says answered."""

    reason: FinishReason
    model: str | None = None


ChatEvent = TextDelta | ReasoningDelta | ToolCallDelta | UsageSeen | Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswer:
    parts: tuple[Part, ...]
    finish: FinishReason
    usage: Usage | None = None
    model: str | None = None
    origin: str | None = None
    rest: Rest = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))
