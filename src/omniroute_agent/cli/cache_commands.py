"""The `cache` group: options and help. The code behind it is loaded when it is called."""

from typing import Annotated

import typer

from omniroute_agent.cli.tree import Bare, Json, OfCaller, examples, start_of, tree

cache = tree(cls=Bare, help="Answers kept to be given again to the same request.")
CACHE_EXAMPLES = examples("cache", "cache clear")


@cache.command("ls", epilog=examples("cache", "cache ls --limit 5"))
def cache_list(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10000, metavar="N", help="How many at most.")] = 50,
    as_json: Json = False,
) -> int:
    """List the kept answers, last used first, without what they say."""
    from omniroute_agent.cli.cache import list_cache

    return list_cache(start_of(ctx), limit=limit, as_json=as_json)


@cache.command("clear", epilog=examples("cache clear", "cache clear --caller laptop"))
def cache_clear(
    ctx: typer.Context,
    caller: OfCaller = None,
    as_json: Json = False,
) -> int:
    """Erase the kept answers. Running servers notice at once."""
    from omniroute_agent.cli.cache import clear_cache

    return clear_cache(start_of(ctx), caller=caller, as_json=as_json)
