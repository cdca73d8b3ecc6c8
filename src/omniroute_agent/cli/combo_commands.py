"""The commands under `combos`: their options and help."""

from typing import Annotated

import typer

from omniroute_agent.cli.tree import Bare, Json, examples, start_of, tree
from omniroute_agent.kernel.tier import Tier

combos = tree(cls=Bare, help="Named chains of models, tried in order.")

EXAMPLES = examples("combos --metrics", "combos add cheap --template cost-saver", "combos switch cheap")

_Name = Annotated[str, typer.Argument(help="The combo.", metavar="NAME")]
_Targets = Annotated[
    list[str] | None,
    typer.Option("--target", metavar="TARGET", help="connection/model or combo/NAME; repeatable, best first."),
]
_Strategy = Annotated[str | None, typer.Option(metavar="NAME", help="What orders its targets.")]
_Options = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="KEY=VALUE", help="For the strategy; repeatable. Without VALUE it is dropped."),
]
_Template = Annotated[
    str | None, typer.Option(metavar="NAME", help="Take targets, strategy and options of this template.")
]
_Tier = Annotated[Tier | None, typer.Option(help="What it costs you.")]


@combos.command("list", epilog=examples("combos --metrics"))
def combos_list(
    ctx: typer.Context,
    metrics: Annotated[bool, typer.Option("--metrics", help="Add requests and cost of the last 24 hours.")] = False,
    as_json: Json = False,
) -> int:
    """List the combos: targets, strategy, which is the default, what keeps one from working."""
    from omniroute_agent.cli.combos import list_combos

    return list_combos(start_of(ctx), metrics=metrics, as_json=as_json)


@combos.command("ls", hidden=True)
def combos_ls(
    ctx: typer.Context,
    metrics: Annotated[bool, typer.Option("--metrics", help="Add requests and cost of the last 24 hours.")] = False,
    as_json: Json = False,
) -> int:
    """The same as `list`."""
    return combos_list(ctx, metrics=metrics, as_json=as_json)


@combos.command("show", epilog=examples("combos show cheap"))
def combos_show(ctx: typer.Context, name: _Name, as_json: Json = False) -> int:
    """Show one combo: its targets with what they stand for, its options, what speaks against it."""
    from omniroute_agent.cli.combos import show_combo

    return show_combo(start_of(ctx), name, as_json=as_json)


@combos.command("switch", epilog=examples("combos switch cheap", "combos switch cheap --off"))
def combos_switch(
    ctx: typer.Context,
    name: _Name,
    off: Annotated[bool, typer.Option("--off", help="Disable it.")] = False,
    as_json: Json = False,
) -> int:
    """Make a combo the default, or disable it. The settings file stays as it is."""
    from omniroute_agent.cli.combos import switch_combo

    return switch_combo(start_of(ctx), name, active=not off, as_json=as_json)


@combos.command(
    "add",
    epilog=examples(
        "combos add fast --target groq/openai/gpt-oss-20b --target openai/gpt-5-mini",
        "combos add shares --target a/m --target b/m --strategy weighted --option weights.a/m=3 --option weights.b/m=1",
        "combos add cheap --template cost-saver",
        "combos add safe --target combo/fast --target anthropic/claude-sonnet-4-5",
    ),
)
def combos_add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What callers will ask for.", metavar="NAME")],
    target: _Targets = None,
    strategy: _Strategy = None,
    option: _Options = None,
    tier: _Tier = None,
    template: _Template = None,
    off: Annotated[bool, typer.Option("--off", help="Keep it disabled for now.")] = False,
    as_json: Json = False,
) -> int:
    """Make a combo. It is kept in the database, and programs that run take it up within a second."""
    from omniroute_agent.cli.combo_edits import Wanted, add_combo

    wanted = Wanted(
        name=name,
        targets=tuple(target or ()),
        strategy=strategy,
        options=tuple(option or ()),
        tier=tier,
        template=template,
        enabled=False if off else None,
    )
    return add_combo(start_of(ctx), wanted, as_json=as_json)


@combos.command(
    "edit",
    epilog=examples(
        "combos edit fast --strategy round-robin --option sticky=5",
        "combos edit default --strategy headroom",
        "combos edit fast --target openai/gpt-5-mini",
    ),
)
def combos_edit(
    ctx: typer.Context,
    name: _Name,
    target: _Targets = None,
    strategy: _Strategy = None,
    option: _Options = None,
    tier: _Tier = None,
    template: _Template = None,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Enable or disable it.")] = None,
    as_json: Json = False,
) -> int:
    """Change a combo; what is not given stays. Targets are replaced as a whole.

    A combo of the settings file is changed here only: the file stays as it is, and `combos rm` takes the changes back.
    """
    from omniroute_agent.cli.combo_edits import Wanted, edit_combo

    wanted = Wanted(
        name=name,
        targets=tuple(target or ()),
        strategy=strategy,
        options=tuple(option or ()),
        tier=tier,
        template=template,
        enabled=on,
    )
    return edit_combo(start_of(ctx), wanted, as_json=as_json)


@combos.command("rm", epilog=examples("combos rm fast"))
def combos_rm(ctx: typer.Context, name: _Name, as_json: Json = False) -> int:
    """Remove a combo that was made here, or take back what was changed of one of the settings file."""
    from omniroute_agent.cli.combo_edits import remove_combo

    return remove_combo(start_of(ctx), name, as_json=as_json)


@combos.command("validate", epilog=examples("combos validate", "combos validate cheap"))
def combos_validate(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="The combo; without it all of them.", metavar="NAME")] = None,
    as_json: Json = False,
) -> int:
    """Say what keeps combos from working, with what to do. Exits with 1 when there is anything."""
    from omniroute_agent.cli.combo_edits import validate_combos

    return validate_combos(start_of(ctx), name, as_json=as_json)


@combos.command("templates", epilog=examples("combos templates"))
def combos_templates(ctx: typer.Context, as_json: Json = False) -> int:
    """Show the templates with what each would choose from your connections now, or why it cannot be made."""
    from omniroute_agent.cli.combo_edits import show_templates

    return show_templates(start_of(ctx), as_json=as_json)


@combos.command("test", epilog=examples("combos test cheap", "combos test cheap --prompt 'Say hello.'"))
def combos_test(
    ctx: typer.Context,
    name: _Name,
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="What to send to each target.")] = None,
    as_json: Json = False,
) -> int:
    """Make one small real call to each target and show what came back. Exits with 1 when none answered."""
    from omniroute_agent.cli.combos import test_combo

    return test_combo(start_of(ctx), name, prompt=prompt, as_json=as_json)
