"""The learner's two commands: their options and help. The code behind them is loaded when they are called."""

from typing import Annotated

import typer

from omniroute_agent.cli.tree import Json, start_of


def feedback(
    ctx: typer.Context,
    request_id: Annotated[str, typer.Argument(help="As the receipt shows it.", metavar="REQUEST_ID")],
    verdict: Annotated[str, typer.Argument(help="good, bad, or a number from 0 to 1.", metavar="VERDICT")],
    as_json: Json = False,
) -> int:
    """Say how good an answer was, so that the learner routes by it.

    Your word takes the place of what was measured of that answer. It can be changed by saying another.
    """
    from omniroute_agent.cli.feedback import give_feedback

    return give_feedback(start_of(ctx), request_id, verdict, as_json=as_json)


def learner(
    ctx: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=3650, metavar="N", help="How far back to look.")] = 30,
    as_json: Json = False,
) -> int:
    """Show whether the learner is worth having.

    By task: the mean reward and cost of its first choices, against always the best and always the cheapest single
    target, estimated from the same requests.
    """
    from omniroute_agent.cli.learner import show_learner

    return show_learner(start_of(ctx), days=days, as_json=as_json)
