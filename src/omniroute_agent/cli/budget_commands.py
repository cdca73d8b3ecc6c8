"""The commands of spending: `budget` and `approve`."""

from typing import Annotated, Final

import typer

from omniroute_agent.cli.tree import Bare, Json, OfCaller, examples, start_of, tree
from omniroute_agent.kernel.guard import Action, GuardTier, Period

BUDGET_EXAMPLES: Final = examples("budget", "budget set day --limit 5", "budget rm day")

budget = tree(cls=Bare, help="Guards: limits on what calls may cost.")


@budget.command("ls", epilog=examples("budget ls", "budget ls --json"))
def budget_ls(ctx: typer.Context, as_json: Json = False) -> int:
    """List every guard with what is spent, reserved and left in its present window."""
    from omniroute_agent.cli.budget import list_guards

    return list_guards(start_of(ctx), as_json=as_json)


@budget.command(
    "set",
    epilog=examples(
        "budget set day --limit 5",
        "budget set monthly --limit 40 --period month --action degrade --tier cheap",
        "budget set environment --limit 20",
    ),
)
def budget_set(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A new name, or one of `budget ls`.")],
    limit: Annotated[str | None, typer.Option(metavar="USD", help="Limit per period.")] = None,
    period: Annotated[Period | None, typer.Option(help="Default: day. UTC; weeks start on Monday.")] = None,
    action: Annotated[Action | None, typer.Option(help="What happens beyond it. Default: block.")] = None,
    tier: Annotated[GuardTier | None, typer.Option(help="For degrade. Default: free.")] = None,
    caller: OfCaller = None,
    combo: Annotated[str | None, typer.Option(metavar="NAME", help="Only calls through this combo.")] = None,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Whether it is in force.")] = None,
    as_json: Json = False,
) -> int:
    """Set a guard, or change one. In force from the next request on, in every running process.

    What is not given stays. A new guard counts what was spent in its period already. The settings file stays as it is.
    """
    from omniroute_agent.cli.budget import Wanted, set_guard

    wanted = Wanted(limit=limit, period=period, action=action, tier=tier, caller=caller, combo=combo, on=on)
    return set_guard(start_of(ctx), name, wanted, as_json=as_json)


@budget.command("rm", epilog=examples("budget rm day"))
def budget_rm(
    ctx: typer.Context, name: Annotated[str, typer.Argument(help="The guard.")], as_json: Json = False
) -> int:
    """Forget what was set by hand: the guard is gone, or is again what the settings file says."""
    from omniroute_agent.cli.budget import remove_guard

    return remove_guard(start_of(ctx), name, as_json=as_json)


handles = tree(cls=Bare, help="Budget handles: shares of a budget that agents gave each other.")
budget.add_typer(handles, name="handles", epilog=examples("budget handles", "budget handles revoke bh-3f9x2m7qtb"))


@handles.command("ls", epilog=examples("budget handles ls", "budget handles ls --all --json"))
def handles_ls(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Those that were revoked or have expired, too.")] = False,
    as_json: Json = False,
) -> int:
    """List the handles with who made them, what is spent, reserved, given on and left. Their texts are kept nowhere."""
    from omniroute_agent.cli.handles import list_handles

    return list_handles(start_of(ctx), every=every, as_json=as_json)


@handles.command("revoke", epilog=examples("budget handles revoke bh-3f9x2m7qtb"))
def handles_revoke(
    ctx: typer.Context, handle: Annotated[str, typer.Argument(help="Its id.")], as_json: Json = False
) -> int:
    """End a handle and all that was split off it, at once. What of a share is left is its parent's again."""
    from omniroute_agent.cli.handles import revoke_handle

    return revoke_handle(start_of(ctx), handle, as_json=as_json)


def approve(
    ctx: typer.Context,
    code: Annotated[str | None, typer.Argument(help="As the refused call told it.", show_default=False)] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree without being asked again.")] = False,
    deny: Annotated[bool, typer.Option("--deny", help="Say no.")] = False,
    as_json: Json = False,
) -> int:
    """Answer a question that only the owner may answer.

    Shows the question and asks. A yes is good for that one call, for 15 minutes. Without a code it lists what waits.
    """
    from omniroute_agent.cli.approve import answer_question, list_questions

    if code is None:
        return list_questions(start_of(ctx), as_json=as_json)
    return answer_question(start_of(ctx), code, yes=yes, deny=deny, as_json=as_json)
