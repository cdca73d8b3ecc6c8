"""The catalogue as a tool."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.kernel.money import Nano, usd
from omniroute_agent.tooling.tool import ToolContext, ToolInput, ToolOutput, tool

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.providers.catalogue import Entry

PAGE: Final = 50


class ListModelsCatalogInput(ToolInput):
    provider: str | None = Field(default=None, max_length=100, description="Provider or connection.")
    capability: Literal["vision", "tools", "json_schema", "reasoning"] | None = Field(
        default=None, description="Only models known to have it."
    )
    free: bool = Field(default=False, description="Only models known to cost nothing.")
    search: str | None = Field(default=None, max_length=100, description="Part of the name.")
    limit: int = Field(default=PAGE, ge=1, le=200, description="1 to 200.")
    cursor: str | None = Field(default=None, max_length=20, description="next_cursor of the page before.")


class ModelPrice(ToolOutput):
    input_usd_per_million: Nano
    output_usd_per_million: Nano
    source: str


class CatalogModel(ToolOutput):
    id: str = Field(description="To be used as model.")
    provider: str
    context_tokens: int | None
    max_output_tokens: int | None
    vision: bool | None
    tools: bool | None
    json_schema: bool | None
    reasoning: bool | None
    price: ModelPrice | None = Field(description="null: unknown.")
    unavailable: str | None = Field(description="Why not usable now.")
    retiring: str | None = Field(description="Who says so, and its successor.")
    listed: str = Field(description="Where and when.")


class ListModelsCatalogOutput(ToolOutput):
    """A capability that is null is unknown."""

    models: tuple[CatalogModel, ...]
    total: int
    next_cursor: str | None
    truncated: bool

    def summary(self) -> str:
        lines = [f"{len(self.models)} of {self.total} models"]
        for model in self.models:
            price = "price unknown"
            if model.price is not None:
                listed = model.price
                price = f"{usd(listed.input_usd_per_million)}/{usd(listed.output_usd_per_million)} USD per million"
            marks = "; unavailable" if model.unavailable else ""
            marks += f"; {model.retiring}" if model.retiring else ""
            lines.append(f"{model.id}: {price}{marks}")
        if self.next_cursor:
            lines.append(f"more with cursor {self.next_cursor}")
        return "\n".join(lines)


@tool(
    title="List models",
    scopes=["read:models"],
    toolsets=["routing", "insight"],
    read_only=True,
    idempotent=True,
)
async def list_models_catalog(args: ListModelsCatalogInput, ctx: ToolContext) -> ListModelsCatalogOutput:
    """The models that can be used here: capabilities, context, prices with their source, availability. Paged."""
    start = _offset(args.cursor)
    entries = await ctx.parts.catalogue.list(
        provider=args.provider, capability=args.capability, free=args.free or None, text=args.search
    )
    page = entries[start : start + args.limit]
    more = start + len(page) < len(entries)
    return ListModelsCatalogOutput(
        models=tuple(_model(entry) for entry in page),
        total=len(entries),
        next_cursor=str(start + len(page)) if more else None,
        truncated=more,
    )


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isdecimal():
        raise InvalidRequest(
            "That cursor is not one of ours.", hint="Use next_cursor of the page before, or leave it out."
        )
    return int(cursor)


def _model(entry: "Entry") -> CatalogModel:
    facts, price = entry.facts, entry.facts.price
    return CatalogModel(
        id=entry.target,
        provider=entry.provider,
        context_tokens=facts.context_tokens,
        max_output_tokens=facts.max_output_tokens,
        vision=facts.vision,
        tools=facts.tools,
        json_schema=facts.json_schema,
        reasoning=facts.reasoning,
        price=None
        if price is None
        else ModelPrice(
            input_usd_per_million=price.input_per_million,
            output_usd_per_million=price.output_per_million,
            source=price.source,
        ),
        unavailable=entry.why_not,
        retiring=_end(entry),
        listed=_origin(entry),
    )


def _end(entry: "Entry") -> str | None:
    if entry.retirement is None:
        return None
    told = f"{entry.retirement.word}: {entry.retirement.why}"
    return f"{told}; then {entry.connection}/{entry.successor}" if entry.successor else told


def _origin(entry: "Entry") -> str:
    if entry.listed_at is None:
        return entry.origin
    return f"{entry.origin}, {datetime.fromtimestamp(entry.listed_at, UTC).date().isoformat()}"
