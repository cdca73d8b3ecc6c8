"""The commands of the A2A door: `a2a`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from omniroute_agent.cli.tree import Json, examples, start_of, tree

A2A_EXAMPLES: Final = examples(
    "a2a card", "a2a call 'Why is the sky blue?'", "a2a call --url https://agent.example --key-env AGENT_KEY 'Hi'"
)

a2a = tree(help="Ask agents over A2A: your own `serve`, or any other.")

Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="The agent's address. Without it: the `serve` of this data directory."),
]
KeyFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Read the key from a file.")]
KeyEnv = Annotated[str | None, typer.Option(metavar="VARIABLE", help="Read the key from a variable.")]
KeyStdin = Annotated[bool, typer.Option("--key-stdin", help="Read the key from stdin.")]
NoKey = Annotated[bool, typer.Option("--no-key", help="The agent needs no key.")]


@a2a.command("card", epilog=examples("a2a card", "a2a card --url https://agent.example --verify", "a2a card --json"))
def a2a_card(
    ctx: typer.Context,
    url: Url = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check its signature; exits with 1 when that is not good.")
    ] = False,
    extended: Annotated[
        bool, typer.Option("--extended", help="The card for callers with a key: what this key may do.")
    ] = False,
    key_file: KeyFile = None,
    key_env: KeyEnv = None,
    key_stdin: KeyStdin = False,
    no_key: NoKey = False,
    as_json: Json = False,
) -> int:
    """Show what an agent says of itself.

    Keys for --verify are taken from the card's own server only.
    """
    from omniroute_agent.cli.a2a import show_card
    from omniroute_agent.cli.a2a_agent import place_of
    from omniroute_agent.cli.typed_keys import KeySource

    source = KeySource(stdin=key_stdin, file=key_file, variable=key_env, none=no_key)
    place = place_of(start_of(ctx), url, source, keyless=not extended)
    return show_card(place, extended=extended, verify=verify, as_json=as_json)


@a2a.command(
    "call",
    epilog=examples(
        "a2a call 'Why is the sky blue?'",
        "a2a call --skill cost-analysis 'What did this week cost?'",
        "a2a call --model openai/gpt-5-mini --budget 0.01 'Sum this up:' - < notes",
        "a2a call --task 01KAJQ4ZJ6S7V3T8W2X5Y9ABCD yes",
    ),
)
def a2a_call(
    ctx: typer.Context,
    prompt: Annotated[
        list[str] | None, typer.Argument(help="The message; `-` stands for what comes in on stdin.", show_default=False)
    ] = None,
    url: Url = None,
    skill: Annotated[
        str | None, typer.Option(metavar="ID", help="Skill that is to answer; without it the agent decides.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="connection/model or a model.")] = None,
    combo: Annotated[str | None, typer.Option(metavar="NAME", help="Combo to route through.")] = None,
    role: Annotated[str | None, typer.Option(metavar="WORD", help="What the message is for, like coding.")] = None,
    budget: Annotated[str | None, typer.Option(metavar="USD", help="Most this may cost.")] = None,
    handle_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="Variable with the budget handle that pays.")
    ] = None,
    context: Annotated[str | None, typer.Option(metavar="ID", help="Conversation it belongs to.")] = None,
    task: Annotated[str | None, typer.Option(metavar="ID", help="Task that waits for this message.")] = None,
    no_stream: Annotated[bool, typer.Option("--no-stream", help="Wait for the whole answer.")] = False,
    key_file: KeyFile = None,
    key_env: KeyEnv = None,
    key_stdin: KeyStdin = False,
    no_key: NoKey = False,
    as_json: Json = False,
) -> int:
    """Send a message to an agent. The answer streams to stdout, the receipt is the last line on stderr.

    Ctrl-C cancels the task.
    """
    from omniroute_agent.cli.a2a_agent import place_of
    from omniroute_agent.cli.a2a_call import Order, call_agent
    from omniroute_agent.cli.typed_keys import KeySource

    order = Order(
        words=tuple(prompt or ()),
        skill=skill,
        model=model,
        combo=combo,
        role=role,
        budget=budget,
        handle_variable=handle_env,
        context=context,
        task=task,
        stream=not no_stream,
    )
    source = KeySource(stdin=key_stdin, file=key_file, variable=key_env, none=no_key)
    return call_agent(place_of(start_of(ctx), url, source), order, as_json=as_json)


@a2a.command("tasks", epilog=examples("a2a tasks", "a2a tasks --state working", "a2a tasks 01KAJQ4ZJ6S7V3T8W2X5Y9ABCD"))
def a2a_tasks(
    ctx: typer.Context,
    task: Annotated[str | None, typer.Argument(help="Show this one with its answer.", metavar="ID")] = None,
    url: Url = None,
    state: Annotated[
        str | None, typer.Option(metavar="WORD", help="Only those of this state, like working or input-required.")
    ] = None,
    context: Annotated[str | None, typer.Option(metavar="ID", help="Only those of this conversation.")] = None,
    after: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only those whose state changed since, like 2027-01-31T12:00Z.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, metavar="N", help="Most to show.")] = 20,
    cursor: Annotated[str | None, typer.Option(metavar="TEXT", help="Where the page before ended.")] = None,
    key_file: KeyFile = None,
    key_env: KeyEnv = None,
    key_stdin: KeyStdin = False,
    no_key: NoKey = False,
    as_json: Json = False,
) -> int:
    """List the tasks of your key, those that changed last first; or show one."""
    from omniroute_agent.cli.a2a import Wanted, list_tasks, show_task
    from omniroute_agent.cli.a2a_agent import place_of
    from omniroute_agent.cli.typed_keys import KeySource

    source = KeySource(stdin=key_stdin, file=key_file, variable=key_env, none=no_key)
    place = place_of(start_of(ctx), url, source)
    if task is not None:
        return show_task(place, task, as_json=as_json)
    wanted = Wanted(state=state, context=context, after=after, limit=limit, cursor=cursor)
    return list_tasks(place, wanted, as_json=as_json)


@a2a.command("cancel", epilog=examples("a2a cancel 01KAJQ4ZJ6S7V3T8W2X5Y9ABCD"))
def a2a_cancel(
    ctx: typer.Context,
    task: Annotated[str, typer.Argument(help="The task.", metavar="ID")],
    url: Url = None,
    key_file: KeyFile = None,
    key_env: KeyEnv = None,
    key_stdin: KeyStdin = False,
    no_key: NoKey = False,
    as_json: Json = False,
) -> int:
    """Cancel a task. What it has spent so far is settled."""
    from omniroute_agent.cli.a2a import cancel_task
    from omniroute_agent.cli.a2a_agent import place_of
    from omniroute_agent.cli.typed_keys import KeySource

    source = KeySource(stdin=key_stdin, file=key_file, variable=key_env, none=no_key)
    return cancel_task(place_of(start_of(ctx), url, source), task, as_json=as_json)
