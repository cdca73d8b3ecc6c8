"""The `audit` group and `ps`: options and help. The code behind them is loaded when it is called."""

from typing import Annotated

import typer

from omniroute_agent.cli.tree import Bare, Json, OfCaller, examples, start_of, tree

audit = tree(cls=Bare, help="Who called which tool, and how it ended.")
AUDIT_EXAMPLES = examples("audit", "audit --tool route_request --since 2h", "audit clear --caller laptop")
PS_EXAMPLES = examples("ps", "ps --json")


@audit.command("ls", epilog=AUDIT_EXAMPLES)
def audit_list(
    ctx: typer.Context,
    tool: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this tool, with or without omniroute_.")
    ] = None,
    caller: OfCaller = None,
    outcome: Annotated[
        str | None, typer.Option(metavar="WORD", help="Only calls that ended so: ok, cancelled or an error's code.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="How far back, like 90s, 15m, 2h, 7d, or since when, ISO 8601.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many at most.")] = 50,
    as_json: Json = False,
) -> int:
    """List tool calls of all processes, the latest first.

    Also those that were refused. Of what a call was about only a hash is kept, unless `[audit] level` is full.
    """
    from omniroute_agent.cli.audit import list_calls

    return list_calls(
        start_of(ctx), tool=tool, caller=caller, outcome=outcome, since=since, limit=limit, as_json=as_json
    )


@audit.command("clear", epilog=examples("audit clear --caller laptop"))
def audit_clear(
    ctx: typer.Context,
    caller: Annotated[str, typer.Option(metavar="NAME", help="A key by its name or id, or owner.")],
    as_json: Json = False,
) -> int:
    """Erase everything recorded of one caller: of a name, of all keys that ever had it."""
    from omniroute_agent.cli.audit import clear_calls

    return clear_calls(start_of(ctx), caller=caller, as_json=as_json)


def ps(ctx: typer.Context, as_json: Json = False) -> int:
    """List the running processes of this data directory.

    What each serves, for whom, since when, and when it last gave a sign of life. One that died without putting its
    things in order is shown until the next start clears it away.
    """
    from omniroute_agent.cli.ps import list_processes

    return list_processes(start_of(ctx), as_json=as_json)
