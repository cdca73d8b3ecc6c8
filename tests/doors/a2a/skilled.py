"""Skills of a real house, asked without a door."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from fakes import FakeClock
from houses import OWNER
from omniroute_agent.app import House
from omniroute_agent.doors.a2a.skills.choose import choose
from omniroute_agent.doors.a2a.skills.skill import Ask, Discard, Finished, Said, Skill, SkillContext, Words
from omniroute_agent.doors.a2a.skills.table import SkillTable, make_table
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.chat import Message, Part, Text
from omniroute_tools import TOOLS

TABLE = make_table(TOOLS)


class Still(FakeClock):
    """A clock on which no wait ends: only what arrives moves anything."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.Event().wait()


@dataclass
class Heard:
    """All that a skill said."""

    said: list[Said] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        return [each.text for each in self.said if isinstance(each, Words) and each.text]

    @property
    def text(self) -> str:
        return "".join(self.words)

    @property
    def discards(self) -> int:
        return sum(isinstance(each, Discard) for each in self.said)

    @property
    def end(self) -> Finished:
        last = self.said[-1]
        assert isinstance(last, Finished)
        assert sum(isinstance(each, Finished) for each in self.said) == 1
        return last

    @property
    def envelope(self) -> dict[str, Any]:
        return self.end.envelope

    @property
    def events(self) -> list[str]:
        return [each["event"] for each in self.envelope["resilience_trace"]]


def an_ask(
    text: str = "Hello",
    *,
    parts: Sequence[Part] = (),
    options: dict[str, JsonValue] | None = None,
    streams: bool = False,
    caller: Caller = OWNER,
    task_id: str = "task-1",
    because: str = "it was named",
) -> Ask:
    return Ask(
        caller=caller,
        task_id=task_id,
        context_id=caller.session,
        text=text,
        messages=(Message("user", (Text(text), *parts)),),
        options=options or {},
        because=because,
        streams=streams,
    )


async def listen(house: House, skill: Skill, ask: Ask, heard: Heard, table: SkillTable = TABLE) -> Heard:
    """What is said before a failure is in `heard` too."""
    async with aclosing(skill.run(ask, SkillContext(parts=house.parts, table=table))) as said:
        async for each in said:
            heard.said.append(each)
    return heard


async def routed(house: House, ask: Ask) -> Heard:
    return await listen(house, TABLE.default, ask, Heard())


async def answered(house: House, text: str, **more: Any) -> Heard:
    """By the skill that the text means."""
    chosen = choose(text, {}, TABLE)
    return await listen(house, chosen.skill, an_ask(text, because=chosen.because, **more), Heard())
