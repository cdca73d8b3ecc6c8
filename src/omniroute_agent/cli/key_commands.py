"""The commands of callers' keys: `keys`."""

from typing import Annotated, Final

import typer

from omniroute_agent.cli.start import SCOPES
from omniroute_agent.cli.tree import Bare, Json, examples, start_of, tree
from omniroute_agent.kernel.guard import CalendarPeriod

KEY_EXAMPLES: Final = examples("keys", "keys create --name laptop --scopes agent", "keys revoke laptop")

keys = tree(cls=Bare, help="Keys that callers of `serve` come in with.")


@keys.command("list", epilog=examples("keys list", "keys list --all --json"))
@keys.command("ls", hidden=True)
def keys_list(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Those that were revoked or have expired, too.")] = False,
    as_json: Json = False,
) -> int:
    """List the keys with what they may do, their end and their last use."""
    from omniroute_agent.cli.keys import list_keys

    return list_keys(start_of(ctx), every=every, as_json=as_json)


@keys.command(
    "create",
    epilog=examples(
        "keys create --name laptop",
        "keys create --name ci --scopes read:health,execute:completions --expires 30d",
        "keys create --name assistant --preset readonly --toolsets core --expires 2027-01-31",
        "keys create --name swarm --budget 5 --budget-period week",
    ),
)
def keys_create(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(metavar="NAME", help="Your name for it.")],
    scopes: Annotated[str | None, typer.Option(metavar=SCOPES.metavar, help=SCOPES.help)] = None,
    preset: Annotated[str | None, typer.Option(metavar="WORD", help="The same for one preset. Default: agent.")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Day or time like 2027-01-31, or a span like 30d or 12h.")
    ] = None,
    toolsets: Annotated[str | None, typer.Option(metavar="NAMES", help="Show only these toolsets.")] = None,
    tools: Annotated[str | None, typer.Option(metavar="NAMES", help="Show these tools.")] = None,
    exclude_tools: Annotated[str | None, typer.Option(metavar="NAMES", help="Never show these.")] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Show only tools that change nothing.")] = False,
    budget: Annotated[str | None, typer.Option(metavar="USD", help="What its calls may cost per period.")] = None,
    budget_period: Annotated[
        CalendarPeriod | None, typer.Option(help="Default: day. UTC; weeks start on Monday.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Make a key. It is shown once, and kept as a hash: nobody can look it up later.

    Good at once in every server that runs on the same data directory.
    """
    from omniroute_agent.cli.keys import Wanted, create_key

    wanted = Wanted(
        name=name,
        scopes=scopes,
        preset=preset,
        expires=expires,
        toolsets=toolsets,
        tools=tools,
        exclude=exclude_tools,
        read_only=read_only or None,
        budget=budget,
        period=budget_period,
    )
    return create_key(start_of(ctx), wanted, as_json=as_json)


@keys.command(
    "set", epilog=examples("keys set laptop --scopes full", "keys set ci --expires never", "keys set ci --budget 10")
)
def keys_set(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="Its name or id.")],
    scopes: Annotated[str | None, typer.Option(metavar=SCOPES.metavar, help=SCOPES.help)] = None,
    preset: Annotated[str | None, typer.Option(metavar="WORD", help="The same for one preset.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="WHEN", help='Another end, or "never".')] = None,
    toolsets: Annotated[str | None, typer.Option(metavar="NAMES", help='Other toolsets, or "all".')] = None,
    tools: Annotated[str | None, typer.Option(metavar="NAMES", help='Other tools, or "none".')] = None,
    exclude_tools: Annotated[str | None, typer.Option(metavar="NAMES", help='Others never to show, or "none".')] = None,
    read_only: Annotated[bool | None, typer.Option("--read-only/--read-write", help="Which tools to show.")] = None,
    budget: Annotated[str | None, typer.Option(metavar="USD", help='Another budget, or "none".')] = None,
    budget_period: Annotated[CalendarPeriod | None, typer.Option(help="Its period. Default: day.")] = None,
    as_json: Json = False,
) -> int:
    """Change what a key may do. What is not given stays; clients hear of it within a second."""
    from omniroute_agent.cli.keys import Wanted, change_key

    wanted = Wanted(
        name=key,
        scopes=scopes,
        preset=preset,
        expires=expires,
        toolsets=toolsets,
        tools=tools,
        exclude=exclude_tools,
        read_only=read_only,
        budget=budget,
        period=budget_period,
    )
    return change_key(start_of(ctx), wanted, as_json=as_json)


@keys.command("revoke", epilog=examples("keys revoke laptop", "keys revoke key-3f9x2m7qtb"))
def keys_revoke(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="Its name or id.")],
    as_json: Json = False,
) -> int:
    """Take a key back, for good. Within a second no running server lets it in."""
    from omniroute_agent.cli.keys import revoke_key

    return revoke_key(start_of(ctx), key, as_json=as_json)
