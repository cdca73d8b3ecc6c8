"""The clients: files, shape of an entry, and where both were read. Nothing stands here that no source says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from omniroute_agent.clients.edit import Format
from omniroute_agent.clients.places import Surroundings, System
from omniroute_agent.clients.values import get

Shape = Callable[[str, Sequence[str]], dict[str, Any]]

_EVERYWHERE: Final[tuple[System, ...]] = ("linux", "macos", "windows")
_START_SECONDS: Final = 20
"""A first start compiles bytecode; 10, as Codex has it, is short for a slow disk."""
_CALL_SECONDS: Final = 600
"""As long as a caller's own deadline is by default."""
_PASSED_ON: Final = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    id: str
    title: str
    form: Format
    user: Mapping[System, tuple[str, ...]]
    """Templates of the user's own file: the first that exists, else the first whose directory does, else the first."""
    project: tuple[str, ...] = ()
    """The file inside a project, where the client has one; chosen likewise."""
    table: tuple[str, ...]
    """What holds the servers."""
    newer_table: tuple[str, ...] = ()
    """What holds them in files that were written in the client's newer way."""
    shape: Shape
    checked: str
    sources: tuple[str, ...]
    note: str = ""
    after: str = "Start it again; it reads the file when it starts."

    def file(self, around: Surroundings, *, project: bool) -> Path | None:
        """None: it has no file for a project."""
        if project:
            candidates = [around.here / name for name in self.project]
        else:
            candidates = [around.expand(template) for template in self.user[around.system]]
        existing = [path for path in candidates if path.exists()]
        likely = [path for path in candidates if path.parent.is_dir()]
        return next(iter((*existing, *likely, *candidates)), None)

    def seems_installed(self, around: Surroundings) -> bool:
        """Whether its file is here, or a directory that is its own."""
        file = self.file(around, project=False)
        return file is not None and (file.exists() or (file.parent.is_dir() and file.parent != around.home))

    def path(self, data: Any, name: str) -> tuple[str, ...]:
        """Where the entry `name` stands in this file, or would."""
        if self.newer_table:
            servers = get(data, self.newer_table)
            # In the older way a server could itself be called like that.
            if isinstance(servers, Mapping) and not {"type", "command", "url", "enabled"} & set(servers):
                return (*self.newer_table, name)
        return (*self.table, name)


def _same_everywhere(*templates: str) -> dict[System, tuple[str, ...]]:
    return dict.fromkeys(_EVERYWHERE, templates)


def _in_app_data(rest: str) -> dict[System, tuple[str, ...]]:
    return {"linux": (f"{{config}}/{rest}",), "macos": (f"{{support}}/{rest}",), "windows": (f"{{appdata}}/{rest}",)}


def _plain(command: str, args: Sequence[str]) -> dict[str, Any]:
    return {"command": command, "args": list(args)}


def _typed(command: str, args: Sequence[str]) -> dict[str, Any]:
    return {"type": "stdio", **_plain(command, args)}


def _codex(command: str, args: Sequence[str]) -> dict[str, Any]:
    return {
        **_plain(command, args),
        "env_vars": list(_PASSED_ON),
        "startup_timeout_sec": _START_SECONDS,
        "tool_timeout_sec": _CALL_SECONDS,
    }


def _goose(command: str, args: Sequence[str]) -> dict[str, Any]:
    return {
        "enabled": True,
        "type": "stdio",
        "name": "omniroute",
        "description": "Routes requests to language models",
        "cmd": command,
        "args": list(args),
        "timeout": _CALL_SECONDS,
    }


def _opencode(command: str, args: Sequence[str]) -> dict[str, Any]:
    return {"type": "local", "command": [command, *args]}


_ALL: Final = (
    Client(
        id="claude-desktop",
        title="Claude Desktop",
        form="json",
        user=_in_app_data("Claude/claude_desktop_config.json"),
        table=("mcpServers",),
        shape=_plain,
        checked="2026-11-21",
        sources=(
            "https://raw.githubusercontent.com/confluentinc/mcp-confluent/master/docs/configuring-claude-desktop.md",
            "https://mcpbundles.com/blog/claude-desktop-mcp",
        ),
        after="Quit it completely and start it again.",
    ),
    Client(
        id="claude-code",
        title="Claude Code",
        form="json",
        user=_same_everywhere("{home}/.claude.json"),
        project=(".mcp.json",),
        table=("mcpServers",),
        shape=_typed,
        checked="2026-11-21",
        sources=(
            "https://www.developersdigest.tech/mcp-servers/clients/claude-code",
            "https://dev.to/aicoding-guide/claude-mcp-add-scope-local-vs-project-vs-user-and-which-to-pick-4ajm",
        ),
        note="It writes your file itself while it runs: close it before. A project's servers are asked about once.",
    ),
    Client(
        id="cursor",
        title="Cursor",
        form="json",
        user=_same_everywhere("{home}/.cursor/mcp.json"),
        project=(".cursor/mcp.json",),
        table=("mcpServers",),
        shape=_typed,
        checked="2026-11-21",
        sources=("https://cursor.com/docs/mcp/install-links", "https://alivemcp.com/seo/mcp-server-cursor"),
        after="It notices by itself; switch the server on under Settings, MCP.",
    ),
    Client(
        id="vscode",
        title="VS Code",
        form="json",
        user=_in_app_data("Code/User/mcp.json"),
        project=(".vscode/mcp.json",),
        table=("servers",),
        shape=_typed,
        checked="2026-11-21",
        sources=(
            "https://code.visualstudio.com/docs/copilot/reference/mcp-configuration",
            "https://code.visualstudio.com/docs/copilot/guides/mcp-developer-guide",
            "https://glama.ai/mcp/servers/@NgoTaiCo/mcp-codebase-index/blob/341495a9fd820073fa3a658772b5d664f2af5983/config/README.md",
        ),
        note="The user's file is the one of the default profile; for another profile or Insiders give `--file`.",
        after="It notices by itself; `MCP: List Servers` starts it.",
    ),
    Client(
        id="windsurf",
        title="Windsurf (Devin Desktop)",
        form="json",
        user={
            "linux": ("{config}/devin/mcp_config.json", "{home}/.codeium/windsurf/mcp_config.json"),
            "macos": ("{config}/devin/mcp_config.json", "{home}/.codeium/windsurf/mcp_config.json"),
            "windows": ("{appdata}/devin/mcp_config.json", "{home}/.codeium/windsurf/mcp_config.json"),
        },
        table=("mcpServers",),
        shape=_plain,
        checked="2026-11-21",
        sources=(
            "https://docs.devin.ai/desktop/cascade/mcp",
            "https://vaadin.com/docs/latest/building-apps/agentic-development/mcp/supported-tools/devin-desktop",
            "https://docs.sevalla.com/ai-agents/windsurf",
        ),
        note="Called Devin Desktop since June 2026; the second file is that of earlier versions.",
    ),
    Client(
        id="codex",
        title="Codex",
        form="toml",
        user=_same_everywhere("{codex}/config.toml"),
        project=(".codex/config.toml",),
        table=("mcp_servers",),
        shape=_codex,
        checked="2026-11-21",
        sources=(
            "https://www.mcpbundles.com/guides/codex",
            "https://dev.to/vibeidedev/codex-mcp-add-configure-and-debug-mcp-servers-in-codex-cli-1j1p",
        ),
        note="It passes only the variables named in `env_vars` on. A project's file counts once that is trusted.",
    ),
    Client(
        id="gemini-cli",
        title="Gemini CLI",
        form="json",
        user=_same_everywhere("{home}/.gemini/settings.json"),
        project=(".gemini/settings.json",),
        table=("mcpServers",),
        shape=_plain,
        checked="2026-11-21",
        sources=("https://geminicli.com/docs/cli/configuration", "https://www.mcpbundles.com/guides/gemini-cli"),
    ),
    Client(
        id="zed",
        title="Zed",
        form="json",
        user={
            "linux": ("{config}/zed/settings.json",),
            "macos": ("{home}/.config/zed/settings.json",),
            "windows": ("{appdata}/Zed/settings.json",),
        },
        table=("context_servers",),
        shape=_plain,
        checked="2026-11-21",
        sources=(
            "https://zed.dev/docs/ai/mcp",
            "https://zed.dev/docs/configuring-zed",
            "https://github.com/zed-industries/zed/blob/main/crates/paths/src/paths.rs",
        ),
        note="That a project's settings may hold servers could not be confirmed, so `--project` is not there for it.",
        after="It notices by itself.",
    ),
    Client(
        id="goose",
        title="Goose",
        form="yaml",
        user={
            "linux": ("{config}/goose/config.yaml",),
            "macos": ("{config}/goose/config.yaml",),
            "windows": ("{appdata}/Block/goose/config/config.yaml",),
        },
        table=("extensions",),
        shape=_goose,
        checked="2026-11-21",
        sources=("https://block.github.io/goose/docs/guides/config-files",),
    ),
    Client(
        id="opencode",
        title="opencode",
        form="json",
        user=_same_everywhere("{config}/opencode/opencode.jsonc", "{config}/opencode/opencode.json"),
        project=("opencode.jsonc", "opencode.json"),
        table=("mcp",),
        newer_table=("mcp", "servers"),
        shape=_opencode,
        checked="2026-11-21",
        sources=("https://opencode.ai/docs/mcp-servers", "https://opencode.ai/v2/docs/mcp-servers"),
        note="An entry goes under `mcp`, which versions 1 and 2 read; in a file that has `mcp.servers`, under that.",
    ),
)

CLIENTS: Final[Mapping[str, Client]] = {client.id: client for client in _ALL}
