"""What is left of each account's quota, as its provider told it or as it was counted here."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, WithJsonSchema

from omniroute_agent.kernel.errors import not_found
from omniroute_agent.tooling.tool import ToolContext, ToolInput, ToolOutput, tool
from omniroute_tools.names import Name
from omniroute_tools.pages import Cursor, more_line, page_of

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.engine.situation import QuotaWindow, Situation
    from omniroute_agent.providers.model import Connection


PAGE: Final = 15
_UNTOLD: Final = "No answer of it told one within a day."


class CheckQuotaInput(ToolInput):
    provider: Name | None = None
    connection: Name | None = None
    cursor: Cursor = None


class QuotaReport(ToolOutput):
    connection: str
    model: str | None
    window: str
    used: float | None
    limit: float | None
    percent_left: float | None
    resets_at: str | None
    source: str
    age_seconds: int


class CheckQuotaOutput(ToolOutput):
    windows: Annotated[
        tuple[QuotaReport, ...],
        WithJsonSchema(
            {
                "type": "array",
                "items": {"type": "object"},
                "description": "connection, model (null: all its models share it), window, used, limit (1 where only a "
                "share is told), percent_left, resets_at, source (header, error body, own count), age_seconds; null: "
                "not told. Tightest first.",
            }
        ),
    ]
    not_known: dict[str, str] = Field(description="Connections without a known quota, and why.")
    next_cursor: str | None
    truncated: bool

    def summary(self) -> str:
        lines = [_line(window) for window in self.windows]
        lines += [f"{name}: {why}" for name, why in self.not_known.items()]
        if _UNTOLD in self.not_known.values():
            lines.append("What you know of a quota can be declared under [quota] limits and is then counted here.")
        return "\n".join([*lines, *more_line(self.next_cursor)]) or "No connection yet."


def _line(report: QuotaReport) -> str:
    left = "unknown" if report.percent_left is None else f"{report.percent_left:g} % left"
    of = "" if report.used is None or report.limit is None else f" ({report.used:g} of {report.limit:g} used)"
    resets = f", resets at {report.resets_at}" if report.resets_at else ""
    model = f"/{report.model}" if report.model else ""
    return (
        f"{report.connection}{model} {report.window}: {left}{of}{resets}; {report.source}, {report.age_seconds} s ago"
    )


@tool(title="Quota", scopes=["read:quota"], toolsets=["core", "insight"], read_only=True, idempotent=True)
async def check_quota(args: CheckQuotaInput, ctx: ToolContext) -> CheckQuotaOutput:
    """Quota and rate-limit windows of each connection: used, limit, percent left, reset, where it was read and when."""
    chosen = _chosen(await ctx.parts.connections.all(), args)
    situation = await ctx.parts.gatherer.situation()
    reports = [report for connection in chosen for report in _reports(connection.id, situation)]
    told = {report.connection for report in reports}
    reports.sort(key=lambda r: (r.percent_left is None, r.percent_left, r.connection, r.window))
    windows, next_cursor = page_of(reports, args.cursor, PAGE)
    return CheckQuotaOutput(
        windows=tuple(windows),
        not_known={connection.id: _why(connection) for connection in chosen if connection.id not in told},
        next_cursor=next_cursor,
        truncated=next_cursor is not None,
    )


def _chosen(connections: "Sequence[Connection]", args: CheckQuotaInput) -> "list[Connection]":
    """
    Raises:
        NotFound: no such connection, or no connection at that provider.
    """
    if args.connection is not None and args.connection not in {each.id for each in connections}:
        raise not_found("connection", args.connection, [each.id for each in connections])
    if args.provider is not None and args.provider not in {each.provider.id for each in connections}:
        raise not_found("provider with a connection", args.provider, [each.provider.id for each in connections])
    return [
        each for each in connections if args.connection in (None, each.id) and args.provider in (None, each.provider.id)
    ]


def _why(connection: "Connection") -> str:
    if connection.last_resort:
        return "It runs on this machine and has none."
    return _UNTOLD


def windows_on(connection: str, situation: "Situation") -> "Iterator[tuple[str | None, QuotaWindow]]":
    """Each window a connection has, with the one model it counts for."""
    for whose, windows in situation.quotas.items():
        owner, _, model = whose.partition("/")
        if owner == connection:
            yield from ((model or None, window) for window in windows)


def _reports(connection: str, situation: "Situation") -> Iterator[QuotaReport]:
    for model, window in windows_on(connection, situation):
        at = situation.now if window.at is None else window.at
        yield QuotaReport(
            connection=connection,
            model=model,
            window=window.window,
            used=window.used,
            limit=window.limit,
            percent_left=None if window.left is None else round(window.left * 100, 2),
            resets_at=None if window.resets_at is None else _iso(window.resets_at),
            source=window.source,
            age_seconds=max(round(situation.now - at), 0),
        )


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")
