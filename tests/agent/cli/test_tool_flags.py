"""The flags that choose tools: the quick way to `mcp` reads them as the command tree does, and so do the settings."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from houses import settings_of
from omniroute_agent.cli import commands, window
from omniroute_agent.cli.shown import shown
from omniroute_agent.cli.start import Start, hoisted, read_quickly
from omniroute_agent.kernel.view import View
from omniroute_tools import TOOLS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--toolsets", "core,memory"], {"tools.toolsets": "core,memory"}),
        (
            ["--tools=cost_report", "--exclude-tools", "get_health"],
            {"tools.names": "cost_report", "tools.exclude": "get_health"},
        ),
        (["--read-only", "--scopes", "readonly"], {"tools.read_only": True}),
        ([], {}),
    ],
)
def test_the_quick_way_reads_them_as_the_command_tree_does(
    words: list[str], said: Mapping[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Start] = []

    def remember(start: Start, _scopes: str, **_: object) -> int:
        seen.append(start)
        return 0

    monkeypatch.setattr(window, "open_window", remember)
    commands.run_commands(hoisted(["mcp", *words]))
    quick = read_quickly(["mcp", *words])
    assert quick is not None
    assert [quick.start] == seen
    assert dict(quick.start.overrides) == said


def test_the_settings_say_the_same(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        """
        [tools]
        toolsets = ["core"]
        names = ["omniroute_sync_pricing"]
        exclude = ["get_health"]
        read_only = true
        """,
        {},
    )
    assert shown(settings, TOOLS) == View(
        toolsets=frozenset(("core",)),
        tools=frozenset(("omniroute_sync_pricing",)),
        exclude=frozenset(("omniroute_get_health",)),
        read_only=True,
    )
