"""The catalogue as a tool."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, WithJsonSchema

from omniroute_agent.kernel.money import Nano, usd
from omniroute_agent.tooling.tool import ToolContext, ToolInput, ToolOutput, sparse, tool
from omniroute_tools.names import Name
from omniroute_tools.pages import Cursor, more_line, page_of

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.providers.catalogue import Entry

PAGE: Final = 15


class ListModelsCatalogInput(ToolInput):
    provider: Name | None = Field(default=None, description="Provider or connection.")
    capability: Literal["vision", "tools", "json_schema", "reasoning"] | None = Field(
        default=None, description="Only models known to have it."
    )
    free: bool = Field(default=False, description="Only models known to cost nothing.")
    search: Name | None = Field(default=None, description="Part of the name.")
    limit: int = Field(default=PAGE, ge=1, le=200, description="1 to 200.")
    cursor: Cursor = None


class ModelPrice(ToolOutput):
    input_usd_per_million: Nano
    output_usd_per_million: Nano
    source: str


def _text(words: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": words})


_Count = Annotated[int | None, WithJsonSchema({"type": "integer"})]
_Known = Annotated[bool | None, WithJsonSchema({"type": "boolean"})]


class CatalogModel(ToolOutput):
    """What is not known is left out of the JSON."""

    id: str = Field(description="To be used as model.")
    provider: str
    context_tokens: _Count
    max_output_tokens: _Count
    vision: _Known
    tools: _Known
    json_schema: _Known
    reasoning: _Known
    price: ModelPrice | None
    unavailable: Annotated[str | None, _text("Why not usable now.")]
    retiring: Annotated[str | None, _text("Who says so, and its successor.")]
    listed: str = Field(description="Where and when.")


class ListModelsCatalogOutput(ToolOutput):
    models: tuple[CatalogModel, ...] = Field(description="What a model does not say is unknown.")
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
        return "\n".join([*lines, *more_line(self.next_cursor)])

    def structured(self) -> dict[str, Any]:
        told = super().structured()
        return {**told, "models": [sparse(model) for model in told["models"]]}


@tool(
    title="List models",
    scopes=["read:models"],
    toolsets=["routing", "insight"],
    read_only=True,
    idempotent=True,
)
async def list_models_catalog(args: ListModelsCatalogInput, ctx: ToolContext) -> ListModelsCatalogOutput:
    """The models that can be used here: capabilities, context, prices with their source, availability. Paged."""
    entries = await ctx.parts.catalogue.list(
        provider=args.provider, capability=args.capability, free=args.free or None, text=args.search
    )
    page, next_cursor = page_of(entries, args.cursor, args.limit)
    return ListModelsCatalogOutput(
        models=tuple(_model(entry) for entry in page),
        total=len(entries),
        next_cursor=next_cursor,
        truncated=next_cursor is not None,
    )


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
