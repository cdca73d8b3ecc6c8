"""What the parts of the command tree share: how a group is made, its examples, the option `--json`."""

from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from omniroute_agent.cli.start import Start

PROGRAM: Final = "omniroute-agent"
HELP: Final = ("--help", "-h")

Json = Annotated[
    bool, typer.Option("--json", help="One JSON object on stdout and nothing else; an error as JSON on stderr.")
]
OfCaller = Annotated[
    str | None, typer.Option("--caller", metavar="NAME", help="Only of this caller: a key by its name or id, or owner.")
]


class Bare(TyperGroup):
    """A group whose bare name, or its name with options only, means its first command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in HELP):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


def tree(**more: Any) -> typer.Typer:
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": list(HELP), "max_content_width": 100},
        **more,
    )


def examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {PROGRAM} {line}" for line in lines)


def start_of(ctx: typer.Context) -> Start:
    start = ctx.obj
    assert isinstance(start, Start)
    return start
