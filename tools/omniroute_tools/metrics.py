"""How providers and combos did lately, of all callers together."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, WithJsonSchema

from omniroute_agent.kernel.errors import not_found
from omniroute_agent.kernel.health import ConnectionHealth
from omniroute_agent.kernel.money import Nano, usd
from omniroute_agent.tooling.tool import ToolContext, ToolInput, ToolOutput, sparse, tool
from omniroute_tools.names import Name
from omniroute_tools.pages import Cursor, more_line, page_of
from omniroute_tools.quota import windows_on

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.engine.situation import Situation
    from omniroute_agent.providers.model import Connection
    from omniroute_agent.store.metrics import Metrics, Percentiles

Window = Literal["1h", "24h", "7d"]
PAGE: Final = 8
SECONDS: Final[dict[Window, float]] = {"1h": 3600.0, "24h": 86_400.0, "7d": 7 * 86_400.0}

TOLD: Final = (
    "requests, attempts, success_rate (0 to 1, of what was answered or failed), latency_ms and first_token_ms (p50, "
    "p95, p99 of the newest answers), tokens_per_second (median), sampled (answers behind the times), cost (USD of "
    "known prices), unknown_cost_attempts, faults (by kind); null: nothing in the window tells it."
)


def _each(words: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "array", "items": {"type": "object"}, "description": words})


class Figures(ToolOutput):
    """None: nothing in the window tells it."""

    requests: int
    attempts: int
    success_rate: float | None
    latency_ms: dict[str, int] | None
    first_token_ms: dict[str, int] | None
    tokens_per_second: float | None
    sampled: int
    cost: Nano | None
    unknown_cost_attempts: int
    faults: dict[str, int]

    def line(self) -> str:
        success = "nothing ended yet" if self.success_rate is None else f"{self.success_rate:.1%} answered"
        slow = "" if self.latency_ms is None else f", p50 {self.latency_ms['p50']} ms, p95 {self.latency_ms['p95']} ms"
        cost = "unknown cost" if self.cost is None else f"{usd(self.cost)} USD"
        faults = "".join(f", {kind} ×{count}" for kind, count in self.faults.items())
        return f"{self.requests} requests, {self.attempts} attempts, {success}{slow}, {cost}{faults}"


class ConnectionMetrics(Figures):
    connection: str
    provider: str
    breaker: str
    quota_left: float | None
    """Share left of its tightest window."""
    last_fault: str | None


class GetProviderMetricsInput(ToolInput):
    provider: Name | None = Field(default=None, description="Provider or connection; default all.")
    window: Window = "24h"
    cursor: Cursor = None


class GetProviderMetricsOutput(ToolOutput):
    since: str
    totals: Annotated[Figures, WithJsonSchema({"type": "object", "description": TOLD})]
    connections: Annotated[
        tuple[ConnectionMetrics, ...],
        _each("As totals, with connection, provider, breaker, quota_left (0 to 1), last_fault. Busiest first."),
    ]
    next_cursor: str | None
    truncated: bool

    def summary(self) -> str:
        lines = [f"since {self.since}: {self.totals.line()}"]
        lines += [f"{c.connection} (breaker {c.breaker}): {c.line()}" for c in self.connections]
        return "\n".join([*lines, *more_line(self.next_cursor)])

    def structured(self) -> dict[str, Any]:
        told = super().structured()
        return {**told, "connections": [sparse(each) for each in told["connections"]]}


@tool(title="Provider metrics", scopes=["read:health"], toolsets=["insight"], read_only=True, idempotent=True)
async def get_provider_metrics(args: GetProviderMetricsInput, ctx: ToolContext) -> GetProviderMetricsOutput:
    """How providers did for all callers: requests, success, latency, speed, cost, faults, breaker, quota."""
    chosen, whose = _chosen(await ctx.parts.connections.all(), args.provider)
    since = ctx.parts.ports.now().timestamp() - SECONDS[args.window]
    names = [connection.id for connection in chosen]
    totals, found = await ctx.parts.metrics.connections(names, since=since, until=inf, **whose)
    situation = await ctx.parts.gatherer.situation()
    busiest = sorted(chosen, key=lambda each: -found[each.id].sums.requests)
    page, next_cursor = page_of(busiest, args.cursor, PAGE)
    return GetProviderMetricsOutput(
        since=_iso(since),
        totals=Figures(**_figures(totals)),
        connections=tuple(_connection(each, found[each.id], situation) for each in page),
        next_cursor=next_cursor,
        truncated=next_cursor is not None,
    )


def _chosen(connections: "Sequence[Connection]", name: str | None) -> "tuple[list[Connection], dict[str, str]]":
    """The connections meant by the name of one or of their provider, and which of the two it is.

    Raises:
        NotFound: it is neither.
    """
    if name is None:
        return list(connections), {}
    if of_provider := [each for each in connections if each.provider.id == name]:
        return of_provider, {"provider": name}
    if named := [each for each in connections if each.id == name]:
        return named, {"connection": name}
    known = {each.id for each in connections} | {each.provider.id for each in connections}
    raise not_found("provider or connection", name, sorted(known))


def _connection(connection: "Connection", found: "Metrics", situation: "Situation") -> ConnectionMetrics:
    health = situation.connections.get(connection.id, ConnectionHealth(connection=connection.id))
    left = [window.left for _, window in windows_on(connection.id, situation) if window.left is not None]
    return ConnectionMetrics(
        connection=connection.id,
        provider=connection.provider.id,
        breaker=health.breaker,
        quota_left=round(min(left), 4) if left else None,
        last_fault=health.last_fault,
        **_figures(found),
    )


def _figures(found: "Metrics") -> dict[str, Any]:
    sums = found.sums
    return {
        "requests": sums.requests,
        "attempts": sums.attempts,
        "success_rate": _share(sums.answered, sums.answered + sums.failed),
        "latency_ms": _times(found.latency_ms),
        "first_token_ms": _times(found.first_token_ms),
        "tokens_per_second": found.tokens_per_second,
        "sampled": found.sampled,
        "cost": None if 0 < sums.attempts == sums.unknown_cost_attempts else sums.cost_nano,
        "unknown_cost_attempts": sums.unknown_cost_attempts,
        "faults": dict(found.faults),
    }


def _share(answered: int, ended: int) -> float | None:
    # A request may have begun before the window that its answer fell into.
    return min(round(answered / ended, 4), 1.0) if ended > 0 else None


def _times(percentiles: "Percentiles | None") -> dict[str, int] | None:
    return None if percentiles is None else asdict(percentiles)


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")


class TargetMetrics(Figures):
    target: str


class GetComboMetricsInput(ToolInput):
    combo: Name
    window: Window = "24h"


class GetComboMetricsOutput(ToolOutput):
    combo: str
    since: str
    totals: Annotated[
        Figures,
        WithJsonSchema(
            {
                "type": "object",
                "description": "As get_provider_metrics returns them; latency and success are those of requests.",
            }
        ),
    ]
    fallbacks: int = Field(description="Requests that needed a second attempt.")
    by_target: Annotated[
        tuple[TargetMetrics, ...],
        _each("As totals, with target; requests are those that it was tried first for."),
    ]

    def summary(self) -> str:
        lines = [f"{self.combo} since {self.since}: {self.totals.line()}, {self.fallbacks} fell back"]
        return "\n".join(lines + [f"{target.target}: {target.line()}" for target in self.by_target])


@tool(title="Combo metrics", scopes=["read:combos"], toolsets=["routing", "insight"], read_only=True, idempotent=True)
async def get_combo_metrics(args: GetComboMetricsInput, ctx: ToolContext) -> GetComboMetricsOutput:
    """How a combo did for all callers, whole and by target: requests, success, fallbacks, latency, cost."""
    combo = await ctx.parts.combos.named(args.combo)
    since = ctx.parts.ports.now().timestamp() - SECONDS[args.window]
    found = await ctx.parts.metrics.combo(combo.name, since=since, until=inf)
    sums = found.whole.sums
    # Of a request's attempts at most one is answered, and one that was cancelled or still runs is its last.
    ended = sums.requests - (sums.attempts - sums.answered - sums.failed)
    whole = Figures(**_figures(found.whole)).model_copy(update={"success_rate": _share(sums.answered, ended)})
    return GetComboMetricsOutput(
        combo=combo.name,
        since=_iso(since),
        totals=whole,
        fallbacks=sums.fallbacks,
        by_target=tuple(
            TargetMetrics(target=target, **_figures(metrics)) for target, metrics in sorted(found.targets.items())
        ),
    )
