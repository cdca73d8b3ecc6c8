"""How to add the server to a client, with the paths of this very installation."""

import json
import shlex
import sys
from pathlib import Path
from typing import Final

from omniroute_agent.cli.page import Page
from omniroute_agent.cli.start import Start

_CACHES: Final = frozenset(("archive-v0", ".cache", "Caches"))


def draw_snippets(page: Page, start: Start) -> None:
    command = launch_command(start)
    entry = {"omniroute": {"command": command[0], "args": command[1:]}}
    page.line("  By itself; or claude-desktop, claude-code, vscode, windsurf, codex, gemini-cli, zed, goose, opencode:")
    page.line(f"    {shlex.join([*command[:-1], 'install', '--client', 'cursor'])}")
    page.line("  By hand, in the settings file of Claude Desktop, Cursor, Gemini CLI:")
    page.line(f"    {json.dumps({'mcpServers': entry})}")
    page.line("  VS Code, in .vscode/mcp.json:")
    page.line(f"    {json.dumps({'servers': entry})}")
    page.line("  Claude Code, Codex:")
    for client in ("claude", "codex"):
        page.line(f"    {client} mcp add omniroute -- {shlex.join(command)}")


def may_vanish() -> bool:
    """Whether this installation lies in a cache, as `uvx` and `pipx run` make it: somebody will empty that."""
    return not _CACHES.isdisjoint(Path(sys.prefix).parts)


def launch_command(start: Start) -> list[str]:
    """The command that starts this installation from anywhere: clients have another directory and hardly a PATH."""
    beside = Path(sys.executable).with_name("omniroute-agent.exe" if sys.platform == "win32" else "omniroute-agent")
    program = [str(beside)] if beside.exists() else [sys.executable, "-P", "-m", "omniroute_agent"]
    return [*program, *start.words(), "mcp"]
