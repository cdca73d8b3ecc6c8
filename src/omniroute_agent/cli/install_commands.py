"""The commands that add the server to clients: their options and help."""

from pathlib import Path
from typing import Annotated

import typer

from omniroute_agent.cli.tree import Json, examples, start_of

_Client = Annotated[str, typer.Option("--client", metavar="NAME", help="The client; `all-found` means every one here.")]
_Name = Annotated[str, typer.Option(metavar="NAME", help="What the client calls the server.")]
_Project = Annotated[
    bool, typer.Option("--project", help="The file in this directory's project in place of your own one.")
]
_File = Annotated[Path | None, typer.Option(metavar="FILE", help="Another file of that client, such as a profile's.")]
_Print = Annotated[bool, typer.Option("--print", help="Show what would be written, and write nothing.")]


def install(
    ctx: typer.Context,
    client: _Client,
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[-- OPTIONS]", help="Options of `mcp`, behind `--`.")
    ] = None,
    name: _Name = "omniroute",
    project: _Project = False,
    file: _File = None,
    print_only: _Print = False,
    link: Annotated[
        bool, typer.Option("--link", help="Show links that add the server when opened, and write nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite a server of that name that is not this program.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Add the server to a client, such as Cursor.

    Clients: claude-desktop, claude-code, cursor, vscode, windsurf, codex, gemini-cli, zed, goose, opencode.

    Puts one entry into the client's file and leaves everything else in it as it is, comments, too. What was there
    before is kept beside it. Doing it again changes nothing. --config and --data-dir go into the entry.
    """
    from omniroute_agent.cli.install import Wanted, add_to_clients, show_links

    wanted = Wanted(client=client, name=name, project=project, file=file, force=force, more=tuple(more or ()))
    if link:
        return show_links(start_of(ctx), wanted, as_json=as_json)
    return add_to_clients(start_of(ctx), wanted, print_only=print_only, as_json=as_json)


def uninstall(
    client: _Client,
    name: _Name = "omniroute",
    project: _Project = False,
    file: _File = None,
    print_only: _Print = False,
    force: Annotated[
        bool, typer.Option("--force", help="Remove a server of that name that is not this program.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Take the server out of a client again.

    A file that nobody changed since `install` is as it was before, byte for byte; of another one only our entry goes.
    """
    from omniroute_agent.cli.install import Wanted, remove_from_clients

    wanted = Wanted(client=client, name=name, project=project, file=file, force=force)
    return remove_from_clients(wanted, print_only=print_only, as_json=as_json)


def bundle(
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to; without it omniroute-agent-VERSION.mcpb here.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Make a bundle for Claude Desktop.

    One file to open: it holds this program; Claude Desktop fetches what it needs when it installs the bundle.
    """
    from omniroute_agent.cli.bundle import make_bundle

    return make_bundle(output, as_json=as_json)


def add_installers(app: typer.Typer) -> None:
    app.command(
        epilog=examples(
            "install --client cursor",
            "install --client vscode --project",
            "install --client codex --print",
            "--data-dir ~/work install --client zed --name work -- --scopes readonly",
        )
    )(install)
    app.command(epilog=examples("uninstall --client cursor", "uninstall --client all-found"))(uninstall)
    app.command(epilog=examples("bundle", "bundle --output ~/Desktop/omniroute.mcpb"))(bundle)
