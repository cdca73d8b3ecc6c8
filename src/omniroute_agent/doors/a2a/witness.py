"""Sees every task: counts it, records it in the audit, gives it a span that continues its sender's trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pydantic import JsonValue

from omniroute_agent.doors.a2a.skills.skill import Ask, Skill
from omniroute_agent.doors.a2a.words import DOOR
from omniroute_agent.kernel.meter import Family
from omniroute_agent.tooling.parts import Parts

TASKS: Final = Family("omniroute_a2a_tasks_total", "counter", "A2A tasks, by outcome.", ("skill", "state"))
TASK_SECONDS: Final = Family("omniroute_a2a_task_seconds", "histogram", "Time of A2A tasks.", ("skill",))


class Witnessed:
    """One task from its beginning until it is over or waits for its caller."""

    def __init__(self, parts: Parts, skill: Skill, ask: Ask, options: JsonValue) -> None:
        """`options` are the task's without secrets."""
        self._parts = parts
        self._skill = skill
        self._ask = ask
        self._options = options
        self._at = parts.ports.now().timestamp()
        self._began = parts.ports.monotonic()
        self.state = "failed"
        self.request_id: str | None = None

    @contextmanager
    def spanned(self) -> Iterator[None]:
        if self._parts.spans is None:
            yield
            return
        ask = self._ask
        attributes = {"a2a.task_id": ask.task_id, "gen_ai.conversation.id": ask.context_id}
        with self._parts.spans.task(self._skill.id, {"traceparent": ask.traceparent}, attributes) as span:
            try:
                yield
            finally:
                span.ended("ok" if self.state == "completed" else self.state, self.request_id)

    def end(self) -> None:
        seconds = self._parts.ports.monotonic() - self._began
        self._parts.meter.count(TASKS, self._skill.id, self.state)
        self._parts.meter.observe(TASK_SECONDS, seconds, self._skill.id)
        self._parts.audit.record_call(
            at=self._at,
            caller=self._ask.caller,
            door=DOOR,
            tool=f"{DOOR}/{self._skill.id}",
            arguments={"text": self._ask.text, "options": self._options},
            outcome="ok" if self.state == "completed" else self.state,
            duration_ms=round(seconds * 1000, 3),
            request_id=self.request_id,
        )
