"""A request as tools take it, and its translation to neutral form. Shared by the tools that route."""

import re
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema, field_validator, model_validator

from omniroute_agent.engine.request import Request, Task
from omniroute_agent.kernel.chat import (
    Chat,
    Image,
    Message,
    Part,
    ResponseFormat,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.kernel.money import nano_from_usd
from omniroute_agent.tooling.tool import Detail, ToolContext, ToolInput
from omniroute_tools.names import Name

_USD: Final = re.compile(r"[0-9]{1,12}(\.[0-9]+)?")


def _amount(told: object) -> object:
    """Models like to write a number; a decimal text says the same without a float."""
    number = isinstance(told, int | float) and not isinstance(told, bool)
    text = format(Decimal(str(told)), "f") if number else told
    if isinstance(text, str) and not _USD.fullmatch(text):
        raise ValueError("give an amount of USD like 0.05")
    return text


UsdText = Annotated[str, BeforeValidator(_amount)]


class ContentPart(ToolInput):
    type: Literal["text", "image", "tool_call", "tool_result"]
    text: str | None = Field(default=None, description="Also a tool's result.")
    url: str | None = Field(default=None, description="Image: URL, or data with media_type.")
    data: str | None = Field(default=None, description="base64")
    media_type: str | None = None
    id: str | None = Field(default=None, description="Of the tool call.")
    name: str | None = None
    arguments: str | None = Field(default=None, description="JSON text.")
    is_error: bool = False

    @model_validator(mode="after")
    def _complete(self) -> "ContentPart":
        needed = {
            "text": (("text",),),
            "image": (("url",), ("data", "media_type")),
            "tool_call": (("id", "name", "arguments"),),
            "tool_result": (("id", "text"),),
        }[self.type]
        if not any(all(getattr(self, field) is not None for field in fields) for fields in needed):
            wanted = " or ".join(" and ".join(fields) for fields in needed)
            raise ValueError(f"a part of type {self.type} needs {wanted}")
        return self

    def part(self) -> Part:
        match self.type:
            case "text":
                return Text(self.text or "")
            case "image":
                return Image(media_type=self.media_type, data=self.data, url=self.url)
            case "tool_call":
                return ToolCall(self.id or "", self.name or "", self.arguments or "{}")
            case "tool_result":
                return ToolResult(self.id or "", (Text(self.text or ""),), is_error=self.is_error)


class ChatMessage(ToolInput):
    role: Literal["system", "user", "assistant"]
    content: str | list[ContentPart]

    def message(self) -> Message:
        parts = (Text(self.content),) if isinstance(self.content, str) else tuple(p.part() for p in self.content)
        return Message(self.role, parts)


class ToolDefinition(ToolInput):
    name: str
    description: str = ""
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="JSON Schema.")


class RequestInput(ToolInput):
    """The part of a request that decides where it goes. `simulate_route` and `route_request` share it."""

    messages: list[ChatMessage] = Field(min_length=1)
    model: str = Field(default="", description="`provider/model`, a model, or empty: default combo.")
    combo: Name | None = Field(default=None, description="Instead of a model.")
    task: Task | None = Field(default=None, description="Kind of work.")
    budget_usd: UsdText | None = Field(default=None, description="Most it may cost, decimal USD.")
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000, description="Output cap.")
    temperature: float | None = Field(default=None, ge=0, le=2)
    tools: list[ToolDefinition] = Field(default_factory=list[ToolDefinition])
    tool_choice: str | None = Field(default=None, description="auto, none, required or a tool's name.")
    json_schema: dict[str, JsonValue] | None = Field(default=None, description="The answer must follow it.")

    @field_validator("model")
    @classmethod
    def _bounded(cls, name: str) -> str:
        if len(name) > 200:  # noqa: PLR2004 (longer than any provider's name)
            raise ValueError("a model name has at most 200 characters")
        return name.strip()

    @model_validator(mode="after")
    def _one_goal(self) -> "RequestInput":
        if self.model and self.combo:
            raise ValueError("give model or combo, not both")
        return self

    def chat(self) -> Chat:
        return Chat(
            model=self.model,
            messages=tuple(message.message() for message in self.messages),
            tools=tuple(ToolSpec(t.name, t.description, t.parameters or {"type": "object"}) for t in self.tools),
            tool_choice=_tool_choice(self.tool_choice, [t.name for t in self.tools]),
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            response_format=ResponseFormat(schema=self.json_schema) if self.json_schema is not None else None,
        )

    def request(
        self,
        ctx: ToolContext,
        *,
        deadline_seconds: float | None = None,
        idempotency_key: str | None = None,
        cache: bool = True,
    ) -> Request:
        deadlines = ctx.parts.deadlines
        seconds = deadline_seconds or (deadlines.listening if ctx.listens else deadlines.quiet)
        return Request(
            id=ctx.parts.ports.new_id(),
            caller=ctx.caller,
            door=ctx.door,
            chat=self.chat(),
            combo=self.combo,
            task=self.task,
            budget=None if self.budget_usd is None else nano_from_usd(self.budget_usd),
            deadline=ctx.parts.ports.monotonic() + seconds,
            limits=ctx.parts.limits,
            commit="result",
            idempotency_key=idempotency_key,
            cache=cache,
        )


_SAID: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "role": {"type": "string", "enum": ["system", "user", "assistant"]},
        "content": {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}],
            "description": "Text, or parts as route_request takes them.",
        },
    },
    "required": ["role", "content"],
}


_TOOLS: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"type": "object"},
    "description": "name, description, parameters.",
}


class SimulatedInput(RequestInput):
    """The same request, whose parts are spelled out once, by the tool that sends it."""

    messages: Annotated[list[ChatMessage], WithJsonSchema({"type": "array", "items": _SAID, "minItems": 1})] = Field(
        min_length=1
    )
    tools: Annotated[list[ToolDefinition], WithJsonSchema(_TOOLS)] = Field(default_factory=list[ToolDefinition])
    detail: Detail = Field(default="concise", description="detailed: scores of all targets.")


def _tool_choice(word: str | None, names: list[str]) -> ToolChoice | None:
    match word:
        case None:
            return None
        case "auto" | "none" | "required":
            return ToolChoice(word)
        case name if name in names:
            return ToolChoice("named", name)
        case name:
            raise InvalidRequest(
                f"tool_choice names `{name[:80]}`, which is not among the tools.",
                hint=f"Use auto, none, required{''.join(f', {known}' for known in names)}.",
            )
