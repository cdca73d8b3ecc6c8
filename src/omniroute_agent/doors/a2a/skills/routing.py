"""`smart-routing`: a prompt goes to the best model, through the engine that every door uses."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from omniroute_agent.doors.a2a.skills.chunks import Chunks
from omniroute_agent.doors.a2a.skills.envelope import Route, served_envelope
from omniroute_agent.doors.a2a.skills.options import ANY_MODEL, Options, read_options
from omniroute_agent.doors.a2a.skills.skill import TEXT, Ask, Discard, Finished, Said, Skill, SkillContext, Words
from omniroute_agent.doors.a2a.skills.ticking import ticking
from omniroute_agent.doors.a2a.words import DOOR
from omniroute_agent.engine.events import Discarded, Done, EngineEvent, Routed
from omniroute_agent.engine.request import Request
from omniroute_agent.kernel.chat import Chat, Message, Text, TextDelta

if TYPE_CHECKING:  # a card is made before the rooms behind the skills are loaded
    from omniroute_agent.tooling.parts import Parts

ID: Final = "smart-routing"

SIGN_OF_LIFE_SECONDS: Final = 15.0
"""How long the engine may be at work without a word of it, before a sign that it is."""


async def run(ask: Ask, context: SkillContext) -> AsyncGenerator[Said, None]:
    """Reasoning is not said. What was said cannot be taken back, so the first words of an answer that somebody reads
    along are the commit point.
    """
    parts = context.parts
    request = await request_of(ask, parts)
    listener = _Listener(ask, parts)
    async with aclosing(listener.events(request)) as events:
        async for event in events:
            words = listener.words(event)
            if isinstance(event, Discarded):
                yield Discard()
            elif words is not None:
                yield words
            if isinstance(event, Done):
                yield await _finished(ask, request, event, listener.route, parts)


class _Listener:
    """Turns what the engine does into words."""

    def __init__(self, ask: Ask, parts: "Parts") -> None:
        self._streams = ask.streams
        self._parts = parts
        self._chunks = Chunks()
        self._told_at = parts.ports.monotonic()
        self.route: Route | None = None

    def events(self, request: Request) -> AsyncGenerator[EngineEvent | None, None]:
        """With None in between whenever text has waited long enough."""
        return ticking(self._parts.turn.events(request), self._parts.ports, lambda: self._chunks.due_at)

    def words(self, event: EngineEvent | None) -> Words | None:
        """What can be said now. Empty words are a sign of life, where much comes of which nothing is said."""
        now = self._parts.ports.monotonic()
        text = self._text(event, now)
        if not text and now - self._told_at < SIGN_OF_LIFE_SECONDS:
            return None
        self._told_at = now
        return Words(text, last=isinstance(event, Done))

    def _text(self, event: EngineEvent | None, now: float) -> str:
        match event:
            case None:
                return self._chunks.due(now)
            case TextDelta(text) if self._streams:
                return self._chunks.add(text, now)
            case Done(answer, _):
                return self._chunks.rest() if self._streams else answer.text
            case Routed(plan):
                self.route = Route(plan, self._parts.ports.now())
            case Discarded():
                self._chunks.clear()
            case _:
                pass
        return ""


async def _finished(ask: Ask, request: Request, done: Done, route: Route | None, parts: "Parts") -> Finished:
    answer, receipt = done.answer, done.receipt
    return Finished(
        await served_envelope(done, parts, ask=ask, skill=ID, route=route, request=request),
        data={
            "request_id": receipt.request_id,
            "text": answer.text,
            "finish": answer.finish,
            "served_by": receipt.served_by,
        },
        receipt=receipt.model_dump(mode="json"),
    )


async def request_of(ask: Ask, parts: "Parts") -> Request:
    """Its id is the task's, so that what became of it is found by either.

    Raises:
        InvalidRequest: an option is unknown or cannot be meant.
    """
    options = read_options(ask.options)
    system = (Message("system", (Text(options.system),)),) if options.system else ()
    ports = parts.ports
    return Request(
        id=ask.task_id,
        caller=ask.caller,
        door=DOOR,
        chat=Chat(
            model=await _model(options, parts),
            messages=(*system, *ask.messages),
            max_tokens=options.max_tokens,
            temperature=options.temperature,
            stream=ask.streams,
        ),
        combo=options.combo,
        task=options.role,
        budget=options.budget.amount_usd if options.budget else None,
        handle=options.budget.handle if options.budget else None,
        deadline=ports.monotonic() + (options.deadline_seconds or parts.deadlines.listening),
        limits=parts.limits,
        commit="words" if ask.streams else "result",
        idempotency_key=options.idempotency_key,
        cache=options.cache,
    )


async def _model(options: Options, parts: "Parts") -> str:
    """`auto` is the default combo, unless the owner calls one of the combos so."""
    if options.model == ANY_MODEL and await parts.combos.get(ANY_MODEL) is None:
        return ""
    return options.model or ""


SMART_ROUTING: Final = Skill(
    id=ID,
    name="Smart routing",
    description=(
        "Send a prompt, with text and images, to the best language model of this agent's owner and get the answer. "
        "Falls back to another model when one fails. Options in the metadata: model, combo, budget, role, system, "
        "max_tokens, deadline_seconds."
    ),
    tags=("routing", "llm", "multi-provider", "cost-optimization", "fallback"),
    examples=(
        "Write a hello world in Python.",
        "Explain TCP slow start on the cheapest provider.",
        "Review this function for race conditions.",
    ),
    scopes=frozenset(("execute:completions",)),
    run=run,
    spends=True,
    input_modes=(TEXT, "image/png", "image/jpeg", "image/webp", "image/gif"),
    price="At most the `budget` of the request; without one what the owner's guards leave.",
    ceiling_usd=None,
    tools=("route_request",),
)
