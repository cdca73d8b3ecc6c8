"""The tools of the packages the owner names. Apart from the app, so that a door can list them before anything opens."""

from collections.abc import Sequence
from importlib import import_module

from omniroute_agent.tooling.tool import Tool


def load_tools(packages: Sequence[str]) -> tuple[Tool, ...]:
    """`TOOLS` of each named package, in order. Only packages the owner names are loaded.

    Raises:
        LookupError: a package is missing or has no tuple of tools under `TOOLS`.
    """
    tools: list[Tool] = []
    for package in packages:
        try:
            found = import_module(package).TOOLS
        except (ImportError, AttributeError) as error:
            raise LookupError(f"[tools] names the package {package!r}, which gives no TOOLS: {error}") from error
        if not isinstance(found, tuple) or not all(isinstance(tool, Tool) for tool in found):
            raise LookupError(f"TOOLS of the package {package!r} is not a tuple of tools")
        tools += found
    names = [tool.name for tool in tools]
    if twice := {name for name in names if names.count(name) > 1}:
        raise LookupError(f"two tools are called {', '.join(sorted(twice))}")
    return tuple(tools)
