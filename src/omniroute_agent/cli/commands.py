"""The command tree: every command's options and help. The code behind a command is loaded when it is called."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from omniroute_agent import __version__
from omniroute_agent.cli.a2a_commands import A2A_EXAMPLES, a2a
from omniroute_agent.cli.audit_commands import AUDIT_EXAMPLES, PS_EXAMPLES, audit, ps
from omniroute_agent.cli.budget_commands import BUDGET_EXAMPLES, approve, budget
from omniroute_agent.cli.cache_commands import CACHE_EXAMPLES, cache
from omniroute_agent.cli.combo_commands import EXAMPLES, combos
from omniroute_agent.cli.failures import OTHER, USAGE, CommandFailed
from omniroute_agent.cli.figure_commands import add_figures
from omniroute_agent.cli.install_commands import add_installers
from omniroute_agent.cli.key_commands import KEY_EXAMPLES, keys
from omniroute_agent.cli.learner_commands import feedback, learner
from omniroute_agent.cli.model_commands import MODEL_EXAMPLES, PRICE_EXAMPLES, models, prices
from omniroute_agent.cli.start import CONFIG, DATA_DIR, FULL, NO_FORWARD, SCOPES, Start
from omniroute_agent.cli.tool_flags import Excluded, ReadOnly, Tools, Toolsets
from omniroute_agent.cli.tree import PROGRAM, Bare, Json, examples, start_of, tree
from omniroute_agent.engine.request import Task
from omniroute_agent.kernel.tier import Tier

app = tree(
    help="Lets any agent use every language model you may use: an MCP server with a router behind it.",
    epilog=examples("demo", "doctor", "ask 'Why is the sky blue?'"),
)
connections = tree(help="Accounts at providers.")
config = tree(cls=Bare, help="Settings: in force, where, and what is wrong.")
app.add_typer(models, name="models", epilog=MODEL_EXAMPLES)
app.add_typer(prices, name="prices", epilog=PRICE_EXAMPLES)
app.add_typer(combos, name="combos", epilog=EXAMPLES)
app.add_typer(
    connections,
    name="connections",
    epilog=examples("connections add openai", "connections test openai", "connections ls"),
)
app.add_typer(config, name="config", epilog=examples("config", "config check"))
app.add_typer(budget, name="budget", epilog=BUDGET_EXAMPLES)
app.add_typer(cache, name="cache", epilog=CACHE_EXAMPLES)
app.add_typer(keys, name="keys", epilog=KEY_EXAMPLES)
app.add_typer(audit, name="audit", epilog=AUDIT_EXAMPLES)
app.add_typer(a2a, name="a2a", epilog=A2A_EXAMPLES)


def run_commands(words: Sequence[str]) -> int:
    """Run one command line.

    Raises:
        CommandFailed: the command line is wrong.
    """
    try:
        code = app(args=list(words), prog_name=PROGRAM, standalone_mode=False)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        path = getattr(context, "command_path", PROGRAM)
        raise CommandFailed(
            error.format_message(), f"Try `{path} --help`.", "usage", USAGE if error.exit_code else OTHER
        ) from None
    return code if isinstance(code, int) else 0


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def _before(
    ctx: typer.Context,
    config_file: Annotated[Path | None, typer.Option(CONFIG.name, metavar=CONFIG.metavar, help=CONFIG.help)] = None,
    data_dir: Annotated[Path | None, typer.Option(DATA_DIR.name, metavar=DATA_DIR.metavar, help=DATA_DIR.help)] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    ctx.obj = Start(config=config_file, data_dir=data_dir)


@app.command(epilog=examples("mcp", "mcp --scopes readonly", "mcp --toolsets core"))
def mcp(
    ctx: typer.Context,
    scopes: Annotated[str, typer.Option(SCOPES.name, metavar=SCOPES.metavar, help=SCOPES.help)] = FULL,
    toolsets: Toolsets = None,
    tools: Tools = None,
    exclude_tools: Excluded = None,
    read_only: ReadOnly = False,
    no_forward: Annotated[bool, typer.Option(NO_FORWARD.name, help=NO_FORWARD.help)] = False,
) -> int:
    """Serve MCP on stdin and stdout.

    An editor or a desktop client starts this. It ends when its stdin ends, downloads nothing and asks nothing. Where a
    `serve` with the same settings and keys runs already, it hands everything to that: so it starts at once.
    """
    from omniroute_agent.cli.window import open_window

    start = start_of(ctx).showing(toolsets=toolsets, tools=tools, exclude_tools=exclude_tools, read_only=read_only)
    return open_window(start, scopes, forward=not no_forward)


@app.command(epilog=examples("serve", "serve --port 9000"))
def serve(
    ctx: typer.Context,
    host: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Address to listen on; others than loopback need TLS or a proxy."),
    ] = None,
    port: Annotated[int | None, typer.Option(metavar="N", help="Port to listen on; 0 takes a free one.")] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Let anyone on this machine in without a key; for tests.")
    ] = False,
    toolsets: Toolsets = None,
    tools: Tools = None,
    exclude_tools: Excluded = None,
    read_only: ReadOnly = False,
    as_json: Json = False,
) -> int:
    """Serve MCP and A2A over HTTP.

    It is at /mcp, for older clients at /sse. Callers need a key: the owner key, which the first start writes to a file
    that only you can read, or one of `keys create`.
    """
    from omniroute_agent.cli.serve import serve_http_door

    start = start_of(ctx).showing(toolsets=toolsets, tools=tools, exclude_tools=exclude_tools, read_only=read_only)
    return serve_http_door(start, host=host, port=port, no_auth=no_auth, as_json=as_json)


@app.command(
    epilog=examples(
        "ask 'Why is the sky blue?'", "ask --model openai/gpt-5-mini --budget 0.01 'Hi'", "ask 'Sum this up:' - < notes"
    )
)
def ask(
    ctx: typer.Context,
    prompt: Annotated[
        list[str] | None, typer.Argument(help="The prompt; `-` stands for what comes in on stdin.", show_default=False)
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="connection/model or a model; without it the default combo.")
    ] = "",
    combo: Annotated[str | None, typer.Option(metavar="NAME", help="Combo to route through.")] = None,
    task: Annotated[Task | None, typer.Option(help="What the prompt is for.")] = None,
    budget: Annotated[str | None, typer.Option(metavar="USD", help="Most this may cost.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, metavar="N", help="Longest answer, in tokens.")
    ] = None,
    system: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Instruction that stands before the prompt.")
    ] = None,
    deadline: Annotated[float | None, typer.Option(metavar="SECONDS", help="Longest wait.")] = None,
    reasoning: Annotated[bool, typer.Option("--reasoning", help="Show the model's reasoning, too.")] = False,
    as_json: Json = False,
) -> int:
    """Ask a language model. The answer streams to stdout, the receipt is the last line on stderr."""
    from omniroute_agent.cli.ask import Question, ask_model

    question = Question(
        words=tuple(prompt or ()),
        model=model,
        combo=combo,
        task=task,
        budget=budget,
        max_tokens=max_tokens,
        system=system,
        deadline=deadline,
    )
    return ask_model(start_of(ctx), question, reasoning=reasoning, as_json=as_json)


@app.command(epilog=examples("explain 01KAJQ4ZJ6S7V3T8W2X5Y9ABCD"))
def explain(
    ctx: typer.Context,
    request_id: Annotated[str, typer.Argument(help="As the receipt shows it.")],
    as_json: Json = False,
) -> int:
    """Tell why a request went where it went.

    Shows the stored plan, what was excluded and why, every attempt and its cost.
    """
    from omniroute_agent.cli.explain import explain_request

    return explain_request(start_of(ctx), request_id, as_json=as_json)


@app.command(epilog=examples("demo", "demo --model ollama/llama3.2 --prompt 'Tell me a joke'"))
def demo(
    ctx: typer.Context,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Another model than the free local one; it may cost money.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="What to ask it.")] = None,
    as_json: Json = False,
) -> int:
    """Watch an MCP client use a real model.

    Starts the server as an editor would, lists its tools, plans a request, sends it, shows answer and receipt. Without
    --model it uses the small local model, which is fetched once (93 MB) and costs nothing.
    """
    from omniroute_agent.cli.demo import show_demo

    return show_demo(start_of(ctx), model=model, prompt=prompt, as_json=as_json)


@app.command(epilog=examples("doctor", "doctor --fix"))
def doctor(
    ctx: typer.Context,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend permissions, and fetch the local model where it is wanted.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Say what is here, what is wrong and what to do.

    Exits with 1 when nothing can be routed. Each connection is asked for its list of models, which costs nothing; no
    prompt is sent.
    """
    from omniroute_agent.cli.doctor import examine

    return examine(start_of(ctx), fix=fix, as_json=as_json)


@connections.command(
    "add",
    epilog=examples(
        "connections add openai",
        "connections add openai-work --provider openai --expires 2027-01-31",
        "connections add openai --replace --key-stdin < new-key",
        "connections add azure --set resource=acme",
        "connections add lab --provider custom-openai --base-url https://lab.example/v1 --key-env LAB_KEY",
    ),
)
def connections_add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Your name for it; targets read name/model.", metavar="NAME")],
    stray: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    provider: Annotated[str | None, typer.Option(metavar="NAME", help="Its provider, when NAME is not one.")] = None,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="Address of the API, if it is another.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Part of the provider's address; repeatable."),
    ] = None,
    key_stdin: Annotated[bool, typer.Option("--key-stdin", help="Read the key from stdin.")] = False,
    key_file: Annotated[Path | None, typer.Option(metavar="FILE", help="Read the key from a file.")] = None,
    key_env: Annotated[str | None, typer.Option(metavar="VARIABLE", help="Read the key from a variable, now.")] = None,
    no_key: Annotated[bool, typer.Option("--no-key", help="It needs no key.")] = False,
    typed_key: Annotated[str | None, typer.Option("--key", hidden=True)] = None,
    models: Annotated[str | None, typer.Option(metavar="NAMES", help="The models it serves, with commas.")] = None,
    default_model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Its model in the combo `default`.")
    ] = None,
    tier: Annotated[Tier | None, typer.Option(help="What it costs you; without it the provider's.")] = None,
    header: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Extra header; repeatable.")] = None,
    header_env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VARIABLE", help="The same with its value in a variable.")
    ] = None,
    proxy: Annotated[str | None, typer.Option(metavar="URL", help='Proxy for its calls, or "none".')] = None,
    proxy_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="The same in a variable, for one with a password.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="DAY", help='Day its key expires, like 2027-01-31, or "never".')
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Change it; what is not given stays.")] = False,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Use it, or keep it without using it.")] = None,
    as_json: Json = False,
) -> int:
    """Add an account, or change one.

    The key is asked for at a hidden prompt, or read from stdin, a file or a variable, and never taken from the command
    line. It is kept encrypted in the database.
    """
    from omniroute_agent.cli.connections import Wanted, add_connection
    from omniroute_agent.cli.typed_keys import KeySource

    wanted = Wanted(
        id=name,
        provider=provider,
        base_url=base_url,
        blanks=tuple(set_ or ()),
        models=models,
        default_model=default_model,
        tier=tier,
        headers=tuple(header or ()),
        secret_headers=tuple(header_env or ()),
        proxy=proxy,
        proxy_env=proxy_env,
        expires=expires,
        on=on,
        replace=replace,
        key=KeySource(stdin=key_stdin, file=key_file, variable=key_env, none=no_key),
        stray=tuple(stray or ()),
        typed_key=typed_key,
    )
    return add_connection(start_of(ctx), wanted, as_json=as_json)


@connections.command("ls", epilog=examples("connections ls", "connections ls --json"))
def connections_ls(ctx: typer.Context, as_json: Json = False) -> int:
    """List all connections: added by hand, of the settings, found in the environment and on this machine."""
    from omniroute_agent.cli.connections import list_connections

    return list_connections(start_of(ctx), as_json=as_json)


@connections.command("test", epilog=examples("connections test openai", "connections test lab --model small"))
def connections_test(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The connection, wherever it comes from.")],
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Another model than its default.")] = None,
    as_json: Json = False,
) -> int:
    """Make one small real call and say what was seen. Exits with 1 when it fails."""
    from omniroute_agent.cli.trial import try_connection

    return try_connection(start_of(ctx), name, model=model, as_json=as_json)


@connections.command("rm", epilog=examples("connections rm openai-work"))
def connections_rm(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The connection; it was added with `connections add`.")],
    as_json: Json = False,
) -> int:
    """Remove a connection that was added by hand, with its key."""
    from omniroute_agent.cli.connections import remove_connection

    return remove_connection(start_of(ctx), name, as_json=as_json)


@connections.command("rotate-key", epilog=examples("connections rotate-key"))
def connections_rotate_key(ctx: typer.Context, as_json: Json = False) -> int:
    """Seal everything anew under a new master key, all of it or nothing.

    A master key from the environment is replaced by the one in OMNIROUTE_MASTER_KEY_NEXT; set that as
    OMNIROUTE_MASTER_KEY afterwards.
    """
    from omniroute_agent.cli.connections import rotate_key

    return rotate_key(start_of(ctx), as_json=as_json)


@config.command("show", epilog=examples("config show", "config show --json"))
def config_show(ctx: typer.Context, as_json: Json = False) -> int:
    """Show every setting in force and where it comes from. Secrets show as ***."""
    from omniroute_agent.cli.config import show

    return show(start_of(ctx), as_json=as_json)


@config.command("path", epilog=examples("config path"))
def config_path(ctx: typer.Context, as_json: Json = False) -> int:
    """Say where the settings file lies, or would."""
    from omniroute_agent.cli.config import path

    return path(start_of(ctx), as_json=as_json)


@config.command("check", epilog=examples("config check", "--config new.toml config check"))
def config_check(ctx: typer.Context, as_json: Json = False) -> int:
    """Check the settings without starting anything. Exits with 2 when they cannot be used."""
    from omniroute_agent.cli.config import check

    return check(start_of(ctx), as_json=as_json)


# Behind the commands above: help begins with what people come for.
add_installers(app)
add_figures(app)
app.command("approve", epilog=examples("approve", "approve K7QX-M2PD-9TRA"))(approve)
app.command(epilog=examples("feedback 01KAJQ4ZJ6S7V3T8W2X5Y9ABCD good"))(feedback)
app.command(epilog=examples("learner", "learner --days 7"))(learner)
app.command("ps", epilog=PS_EXAMPLES)(ps)
