"""`list-capabilities`: the skills of this agent, as they are open to the one who asks."""

from collections.abc import AsyncGenerator
from typing import Final

from pydantic import JsonValue

from omniroute_agent.doors.a2a.skills.envelope import free_envelope
from omniroute_agent.doors.a2a.skills.phrases import rule
from omniroute_agent.doors.a2a.skills.skill import Ask, Finished, Said, Skill, SkillContext, Words
from omniroute_agent.doors.a2a.words import EXTENSION
from omniroute_agent.kernel.scopes import missing

ID: Final = "list-capabilities"


async def run(ask: Ask, context: SkillContext) -> AsyncGenerator[Said, None]:
    skills = list(context.table)
    lines = [_line(skill, ask) for skill in skills]
    yield Words("\n".join([f"This agent has {len(skills)} skills:", *lines, "", _how(skills[0])]), last=True)
    yield Finished(free_envelope(ask, ID, ()), data={"skills": [_facts(skill, ask) for skill in skills]})


def _line(skill: Skill, ask: Ask) -> str:
    lacking = missing(ask.caller.scopes, skill.scopes)
    closed = f" Your key lacks {', '.join(lacking)} for it." if lacking else ""
    example = f' For example: "{skill.examples[0]}"' if skill.examples else ""
    return f"- {skill.id}: {skill.description} {skill.price}{example}{closed}"


def _how(first: Skill) -> str:
    return (
        f'Name one as `skill` under `metadata["{EXTENSION}"]` of a message. Without that a short question that clearly '
        f"means one goes to it, and everything else to `{first.id}`."
    )


def _facts(skill: Skill, ask: Ask) -> JsonValue:
    return {
        "id": skill.id,
        "name": skill.name,
        "description": skill.description,
        "tags": [*skill.tags],
        "examples": [*skill.examples],
        "input_modes": [*skill.input_modes],
        "output_modes": [*skill.output_modes],
        "price": skill.price,
        "ceiling_usd": skill.ceiling_usd,
        "scopes": [*sorted(skill.scopes)],
        "missing_scopes": [*missing(ask.caller.scopes, skill.scopes)],
    }


_SKILLS: Final = "skill|skills|capabilities|abilities|features"

LIST_CAPABILITIES: Final = Skill(
    id=ID,
    name="List capabilities",
    description="What this agent can do for you: its skills with examples, prices and the scopes they need.",
    tags=("help", "capabilities", "skills"),
    examples=("What can you do?", "Which skills do you have?"),
    scopes=frozenset(),
    run=run,
    rules=(
        rule(
            "asks what this agent can do",
            "help me?",
            "what can|could you|this_agent do for_me|for_us?",
            "what is|are you|this_agent able_to_do|capable_of",
            f"what|which {_SKILLS} do|does|are|can you|this_agent|there have|offer|support|available?",
            f"<show>? about? <our>* {_SKILLS} you_have|of_this_agent?",
            f"<what> <the> <our>* {_SKILLS} <here>*",
            "how can|do i|we use you|this_agent",
            "how can_you help me|us?",
        ),
    ),
)
