"""Prices as a tool."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import Field

from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.kernel.money import usd
from omniroute_agent.tooling.tool import DRY_RUN, NOT_YET, ToolContext, ToolInput, ToolOutput, tool
from omniroute_tools.names import Name

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.providers.price_sync import PriceChange, PriceSyncReport
    from omniroute_agent.tooling.parts import Parts

BUNDLED: Final = "bundled"
SHOWN: Final = 20
_ENDINGS: Final = (".json", ".toml")


class SyncPricingInput(ToolInput):
    source: Name = Field(default=BUNDLED, description="bundled, a file in the data directory, or an https URL.")
    dry_run: bool = DRY_RUN


class SyncPricingOutput(ToolOutput):
    source: str
    format: str
    applied: bool
    added: int
    changed: int
    removed: int
    unchanged: int
    cheaper: int = Field(description="Lower, new or gone: these need the owner's consent.")
    kept: int = Field(description="The owner's own.")
    left_out: int = Field(description="Rows of no use here.")
    first: tuple[str, ...] = Field(description="model: USD per million in/out, before → after.")

    def summary(self) -> str:
        done = "Synced" if self.applied else "Would sync"
        counts = (
            f"{self.added} added, {self.changed} changed, {self.removed} removed, {self.unchanged} unchanged; "
            f"{self.kept} of the owner's kept; {self.left_out} rows left out"
        )
        lines = [f"{done} from {self.source} ({self.format}): {counts}", *self.first]
        return "\n".join(lines if self.applied else [*lines, NOT_YET])


@tool(
    title="Sync prices",
    scopes=["write:pricing"],
    toolsets=["routing"],
    read_only=False,
    destructive=True,
    idempotent=True,
    open_world=True,
)
async def sync_pricing(args: SyncPricingInput, ctx: ToolContext) -> SyncPricingOutput:
    """Take prices over from a list, or go back to the bundled ones. The owner's own prices are never overwritten; an
    empty or malformed source changes nothing. A URL, and whatever lowers, adds or removes a price, needs the owner's
    consent.
    """
    # Imported here because a tool is listed before the rooms behind it are loaded.
    from omniroute_agent.providers.price_sync import check_url  # noqa: PLC0415 (lazy)

    parts, source = ctx.parts, args.source

    async def agree(report: "PriceSyncReport") -> None:
        if report.cheaper:
            await parts.consents.require(
                ctx.caller,
                "sync_pricing",
                {"source": source, "prices": report.digest},
                _question(ctx.caller.id, report),
            )

    if source == BUNDLED:
        return report_of(await parts.price_sync.to_bundled(dry_run=args.dry_run, agree=agree))
    if "://" in source:
        check_url(source)
        # Looking at it is a call to a stranger's server, too.
        await parts.consents.require(
            ctx.caller,
            "sync_pricing",
            {"source": source, "dry_run": args.dry_run},
            f"{'Read' if args.dry_run else 'Take over'} the price list at {source}?",
        )
        return report_of(await parts.price_sync.from_url(source, dry_run=args.dry_run))
    path = _inside(parts, source)
    return report_of(await parts.price_sync.from_file(path, dry_run=args.dry_run, agree=agree))


def _question(caller: str, report: "PriceSyncReport") -> str:
    """Prices decide what a budget is worth, so whatever makes a call cheaper widens every guard."""
    changes = {change.name: _change(change) for change in report.changes}
    example = changes.get(report.cheaper[0], report.cheaper[0])
    what = "go back to the bundled prices" if report.source == BUNDLED else f"take over the prices of {report.source}"
    return f"May `{caller}` {what}? Lower, new or gone: {len(report.cheaper)}, such as {example}."


def report_of(report: "PriceSyncReport") -> SyncPricingOutput:
    count = {kind: sum(change.kind == kind for change in report.changes) for kind in ("added", "changed", "removed")}
    return SyncPricingOutput(
        source=report.source,
        format=report.format,
        applied=report.applied,
        added=count["added"],
        changed=count["changed"],
        removed=count["removed"],
        unchanged=report.unchanged,
        cheaper=len(report.cheaper),
        kept=report.kept,
        left_out=sum(report.left_out.values()),
        first=tuple(_change(change) for change in report.changes[:SHOWN]),
    )


def _change(change: "PriceChange") -> str:
    return f"{change.name}: {_pair(change.before)} → {_pair(change.after)}"


def _pair(rates: tuple[int, int] | None) -> str:
    return "unknown" if rates is None else f"{usd(rates[0])}/{usd(rates[1])}"


def _inside(parts: "Parts", name: str) -> Path:
    """A file of the data directory and nothing else: a caller must not have any other file read.

    Raises:
        InvalidRequest: it lies elsewhere, or is no price list by its name.
    """
    directory = parts.database.path.parent.resolve()
    # A NUL is no part of any name, and the system's own refusal would be taken for a defect.
    path = (directory / name.replace("\0", "")).resolve()
    if "\0" in name or not path.is_relative_to(directory) or path.suffix.lower() not in _ENDINGS:
        raise InvalidRequest(
            "Only a .json or .toml file in the data directory can be named here.",
            hint="Put it there, or let the owner run `omniroute-agent prices sync FILE`.",
        )
    return path
