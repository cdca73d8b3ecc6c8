"""Which tools a server shows at most: what the settings and the flags say."""

from collections.abc import Sequence

from omniroute_agent.kernel.view import View
from omniroute_agent.settings.model import Settings
from omniroute_agent.tooling.tool import Tool
from omniroute_agent.tooling.view import read_view


def shown(settings: Settings, tools: Sequence[Tool]) -> View:
    """
    Raises:
        InvalidRequest: there is no such toolset.
        NotFound: there is no such tool.
    """
    wanted = settings.tools
    return read_view(
        [tool.name for tool in tools],
        toolsets=wanted.toolsets,
        tools=wanted.names,
        exclude=wanted.exclude,
        read_only=wanted.read_only,
    )
