"""Which skill a message asks for: the one it names, else the one its words clearly mean, else the first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from omniroute_agent.doors.a2a.skills.phrases import plain
from omniroute_agent.doors.a2a.skills.skill import Skill
from omniroute_agent.doors.a2a.skills.table import SkillTable
from omniroute_agent.doors.a2a.words import EXTENSION
from omniroute_agent.kernel.errors import InvalidRequest

_NOTHING: Final[tuple[JsonValue, ...]] = (None, "")
_PLAIN: Final = ("skill", "skill_id", "skillId")


@dataclass(frozen=True, slots=True)
class Chosen:
    skill: Skill
    because: str


def choose(text: str, metadata: Mapping[str, JsonValue], table: SkillTable) -> Chosen:
    """
    Raises:
        NotFound: the skill that is named does not exist; the nearest names are in it.
        InvalidRequest: the name is not text.
    """
    named = _named(metadata)
    if named is not None:
        where, name = named
        if not isinstance(name, str):
            raise InvalidRequest(f"`{where}` must be the id of a skill.", hint=f"Known: {_known(table)}.")
        return Chosen(table.find(name.strip()), f"`{where}` names it")
    if (words := plain(text)) is not None:
        for skill in table:
            for rule in skill.rules:
                if rule.matches(words):
                    return Chosen(skill, f"the text {rule.says}")
    return Chosen(table.default, "nothing in the text asks for another skill")


def _known(table: SkillTable) -> str:
    return ", ".join(f"`{skill.id}`" for skill in table)


def _named(metadata: Mapping[str, JsonValue]) -> tuple[str, JsonValue] | None:
    """Where a skill is named, and how; the extension's own word goes first."""
    extension = metadata.get(EXTENSION)
    if isinstance(extension, dict) and extension.get("skill") not in _NOTHING:
        return "skill", extension["skill"]
    return next(((key, metadata[key]) for key in _PLAIN if metadata.get(key) not in _NOTHING), None)
