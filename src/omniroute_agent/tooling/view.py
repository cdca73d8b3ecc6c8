"""Toolsets and single tools, chosen by a server's owner or kept with a key. They only narrow what the scopes allow."""

from collections.abc import Sequence
from typing import Final, get_args

from omniroute_agent.kernel.errors import InvalidRequest, not_found
from omniroute_agent.kernel.likeness import nearest
from omniroute_agent.kernel.view import EVERYTHING, View
from omniroute_agent.tooling.tool import PREFIX, Tool, Toolset

ALL: Final = "all"
TOOLSETS: Final[tuple[str, ...]] = (*get_args(Toolset), ALL)


def allowed(view: View, tool: Tool) -> bool:
    """Toolsets and single tools add up; without either it is every tool. Of these the excluded ones go, and with
    `read_only` all that change or send something: that wins over everything.
    """
    if view is EVERYTHING:
        return True
    if tool.name in view.exclude or (view.read_only and not tool.hints.read_only):
        return False
    if not view.toolsets and not view.tools:
        return True
    return tool.name in view.tools or not view.toolsets.isdisjoint(tool.toolsets)


def read_view(
    known: Sequence[str],
    *,
    toolsets: Sequence[str] = (),
    tools: Sequence[str] = (),
    exclude: Sequence[str] = (),
    read_only: bool = False,
) -> View:
    """A view from words. `known` are the names of the tools there are; the prefix may be left away.

    Raises:
        InvalidRequest: there is no such toolset.
        NotFound: there is no such tool.
    """
    for word in toolsets:
        if word not in TOOLSETS:
            near = nearest(word, TOOLSETS, most=1)
            ask = f"Did you mean `{near[0]}`? " if near else ""
            raise InvalidRequest(f"No toolset is called `{word[:60]}`.", hint=f"{ask}There are {', '.join(TOOLSETS)}.")
    excluded = frozenset(_full_name(name, known) for name in exclude)
    named = frozenset(_full_name(name, known) for name in tools)
    every = ALL in toolsets
    view = View(
        toolsets=frozenset() if every else frozenset(toolsets),
        tools=frozenset() if every else named,
        exclude=excluded,
        read_only=read_only,
    )
    return EVERYTHING if view == EVERYTHING else view


def _full_name(name: str, known: Sequence[str]) -> str:
    full = name if name.startswith(PREFIX) else PREFIX + name
    if full not in known:
        raise not_found("tool", full, known)
    return full
