"""Which scopes it takes to read a resource or get a prompt: those of the tools behind it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omniroute_agent.doors.mcp.needs import NeedsOf
from omniroute_agent.doors.mcp.prompts import named
from omniroute_agent.doors.mcp.resources import found
from omniroute_agent.kernel.errors import NotFound
from omniroute_agent.tooling.tool import PREFIX, Tool


def needs_of(tools: Sequence[Tool]) -> Mapping[str, NeedsOf]:
    """By method. What names nothing that is here needs nothing here."""
    scopes = {tool.name.removeprefix(PREFIX): tool.scopes for tool in tools}

    def of_resource(params: Mapping[str, Any]) -> Iterable[str]:
        try:
            resource, _ = found(str(params.get("uri", "")))
        except NotFound:
            return ()
        return scopes.get(resource.tool, ())

    def of_prompt(params: Mapping[str, Any]) -> Iterable[str]:
        prompt = named(str(params.get("name", "")))
        return {scope for tool in prompt.tools for scope in scopes.get(tool, ())} if prompt else ()

    return {"resources/read": of_resource, "resources/subscribe": of_resource, "prompts/get": of_prompt}
