"""The commands that show figures: their options and help. The code behind one is loaded when it is called."""

from typing import Annotated, Literal

import typer

from omniroute_agent.cli.tree import Json, OfCaller, examples, start_of


def costs(
    ctx: typer.Context,
    period: Annotated[
        Literal["day", "week", "month"] | None, typer.Option(help="Days are UTC, weeks start on Monday; default day.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Instead of a period: its start, ISO 8601.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Its end; without it now.")] = None,
    by: Annotated[
        Literal["provider", "model", "combo", "task", "connection"], typer.Option(help="What to group by.")
    ] = "model",
    caller: OfCaller = None,
    as_json: Json = False,
) -> int:
    """Tell what all callers spent, or one of them, from the ledger."""
    from omniroute_agent.cli.costs import show_costs

    wanted = {"period": period, "since": since, "until": until, "group_by": by}
    return show_costs(start_of(ctx), wanted, caller, as_json=as_json)


def quota(
    ctx: typer.Context,
    provider: Annotated[str | None, typer.Option(metavar="NAME", help="Only connections at this provider.")] = None,
    connection: Annotated[str | None, typer.Option(metavar="NAME", help="Only this connection.")] = None,
    as_json: Json = False,
) -> int:
    """Tell what is left of each account's quota.

    Each number says where it was read and how long ago. Nothing is asked: providers tell it with their answers.
    """
    from omniroute_agent.cli.figures import show_quota

    return show_quota(start_of(ctx), {"provider": provider, "connection": connection}, as_json=as_json)


def metrics(
    ctx: typer.Context,
    provider: Annotated[str | None, typer.Option(metavar="NAME", help="Only this provider or connection.")] = None,
    combo: Annotated[str | None, typer.Option(metavar="NAME", help="A combo and its targets instead.")] = None,
    window: Annotated[Literal["1h", "24h", "7d"], typer.Option(help="How far back.")] = "24h",
    as_json: Json = False,
) -> int:
    """Tell how providers or a combo did lately.

    Requests, success, latency, speed, cost and faults, of all callers.
    """
    from omniroute_agent.cli.figures import show_metrics

    return show_metrics(start_of(ctx), provider=provider, combo=combo, window=window, as_json=as_json)


def resilience(
    ctx: typer.Context,
    profile: Annotated[
        str | None, typer.Argument(help="conservative, balanced or aggressive; without it the present one is shown.")
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Let the settings file decide again.")] = False,
    as_json: Json = False,
) -> int:
    """Show or set how soon a sick provider is left alone.

    Holds from the next request on in every running server, and is kept. The settings file stays as it is.
    """
    from omniroute_agent.cli.figures import show_resilience

    return show_resilience(start_of(ctx), profile, reset=reset, as_json=as_json)


def add_figures(app: typer.Typer) -> None:
    """Add the commands of this module to the tree."""
    app.command(epilog=examples("costs", "costs --period month --by combo", "costs --caller laptop"))(costs)
    app.command(epilog=examples("quota", "quota --connection openai"))(quota)
    app.command(epilog=examples("metrics", "metrics --provider openai --window 7d", "metrics --combo default"))(metrics)
    app.command(epilog=examples("resilience", "resilience conservative", "resilience --reset"))(resilience)
