"""The skills there are, in the order of the card."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from omniroute_agent.doors.a2a.skills.capabilities import LIST_CAPABILITIES
from omniroute_agent.doors.a2a.skills.cost import cost_analysis
from omniroute_agent.doors.a2a.skills.health import health_report
from omniroute_agent.doors.a2a.skills.providers import provider_discovery
from omniroute_agent.doors.a2a.skills.quota import quota_management
from omniroute_agent.doors.a2a.skills.routing import SMART_ROUTING
from omniroute_agent.doors.a2a.skills.skill import Skill
from omniroute_agent.kernel.errors import not_found
from omniroute_agent.tooling.tool import PREFIX, Tool

_READING: Final[Mapping[str, Callable[[Tool], Skill]]] = {
    "check_quota": quota_management,
    "list_models_catalog": provider_discovery,
    "cost_report": cost_analysis,
    "get_health": health_report,
}
"""Skills that tell what a tool says, by its name."""


class SkillTable:
    """Skills by id, and the tools that they stand on."""

    def __init__(self, skills: Iterable[Skill], tools: Sequence[Tool] = ()) -> None:
        """The first skill is the one that is meant where nothing speaks for another.

        Raises:
            ValueError: there is no skill, or two share an id.
        """
        listed = tuple(skills)
        self._skills = {skill.id: skill for skill in listed}
        if not listed or len(self._skills) != len(listed):
            raise ValueError("a table of skills needs one at least, and each id once")
        self._tools = {tool.name: tool for tool in tools}

    def __iter__(self) -> Iterator[Skill]:
        return iter(self._skills.values())

    def __len__(self) -> int:
        return len(self._skills)

    @property
    def default(self) -> Skill:
        return next(iter(self))

    def find(self, name: str) -> Skill:
        """
        Raises:
            NotFound: the nearest names are in it.
        """
        skill = self._skills.get(name)
        if skill is None:
            raise not_found("skill", name, list(self._skills))
        return skill

    def get(self, name: str) -> Skill | None:
        return self._skills.get(name)

    def tool(self, name: str) -> Tool:
        """The tool of that name, without its prefix.

        Raises:
            NotFound: the owner's settings leave its package out.
        """
        tool = self.tool_or_none(name)
        if tool is None:
            raise not_found("tool", PREFIX + name, list(self._tools))
        return tool

    def tool_or_none(self, name: str) -> Tool | None:
        return self._tools.get(PREFIX + name)


def make_table(tools: Sequence[Tool], also: Iterable[Skill] = ()) -> SkillTable:
    """Every skill that the tools at hand can serve, in the order of the card, and those that others bring along."""
    known = {tool.name.removeprefix(PREFIX): tool for tool in tools}
    # Without the tool of the same work there is nothing by which a key could hide it.
    routing = SMART_ROUTING if "route_request" in known else replace(SMART_ROUTING, tools=())
    reading = [make(known[name]) for name, make in _READING.items() if name in known]
    return SkillTable((routing, *reading, LIST_CAPABILITIES, *also), tools)
