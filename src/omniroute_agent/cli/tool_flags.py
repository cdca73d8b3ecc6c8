"""The flags of `mcp` and `serve` that choose which tools are shown."""

from typing import Annotated

import typer

from omniroute_agent.cli.start import EXCLUDE_TOOLS, READ_ONLY, TOOLS, TOOLSETS

Toolsets = Annotated[str | None, typer.Option(TOOLSETS.name, metavar=TOOLSETS.metavar, help=TOOLSETS.help)]
Tools = Annotated[str | None, typer.Option(TOOLS.name, metavar=TOOLS.metavar, help=TOOLS.help)]
Excluded = Annotated[
    str | None, typer.Option(EXCLUDE_TOOLS.name, metavar=EXCLUDE_TOOLS.metavar, help=EXCLUDE_TOOLS.help)
]
ReadOnly = Annotated[bool, typer.Option(READ_ONLY.name, help=READ_ONLY.help)]
