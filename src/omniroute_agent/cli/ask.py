"""`ask`: one prompt, the answer as it comes, one line of receipt."""

from contextlib import aclosing
from dataclasses import dataclass

from omniroute_agent.app import House
from omniroute_agent.cli.failures import USAGE, CommandFailed
from omniroute_agent.cli.house import DOOR, in_house, owner
from omniroute_agent.cli.page import Page, err, out, print_json
from omniroute_agent.cli.prompts import prompt_of
from omniroute_agent.cli.receipt import receipt_line
from omniroute_agent.cli.start import Start
from omniroute_agent.engine.events import Done
from omniroute_agent.engine.request import Request, Task
from omniroute_agent.kernel.chat import Chat, Message, Reasoning, ReasoningDelta, Text, TextDelta, ToolCall
from omniroute_agent.kernel.money import nano_from_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What stands on the command line."""

    words: tuple[str, ...]
    model: str
    combo: str | None
    task: Task | None
    budget: str | None
    max_tokens: int | None
    system: str | None
    deadline: float | None


def ask_model(start: Start, question: Question, *, reasoning: bool, as_json: bool) -> int:
    budget = _budget(question.budget)
    if question.model and question.combo:
        raise _wrong("Give --model or --combo, not both.")
    if question.deadline is not None and question.deadline <= 0:
        raise _wrong("--deadline must be greater than 0.")
    chat = Chat(model=question.model, messages=_messages(question), max_tokens=question.max_tokens)
    settings = start.settings()

    def request(house: House) -> Request:
        parts = house.parts
        return Request(
            id=parts.ports.new_id(),
            caller=owner(house),
            door=DOOR,
            chat=chat,
            combo=question.combo,
            task=question.task,
            budget=budget,
            deadline=parts.ports.monotonic() + (question.deadline or parts.deadlines.listening),
            limits=parts.limits,
            # What is on the screen cannot be taken back; one JSON object can still come from another target.
            commit="result" if as_json else "first",
        )

    if as_json:
        done = in_house(settings, lambda house: house.parts.turn.take(request(house)))
        print_json(_as_json(done))
    else:
        page = out()
        done = in_house(settings, lambda house: _stream(house, request(house), page, reasoning=reasoning))
        err().line(receipt_line(done.receipt.model_dump(mode="json"), done.answer.finish), "dim")
    return 0


async def _stream(house: House, request: Request, page: Page, *, reasoning: bool) -> Done:
    """Show the answer piece by piece. Whatever ends it early, the line on the screen is ended."""
    done: Done | None = None
    last = ""
    thinking = False
    try:
        async with aclosing(house.parts.turn.events(request)) as events:
            async for event in events:
                match event:
                    case TextDelta(text) if text:
                        if thinking:
                            page.write("\n\n")
                        thinking = False
                        page.write(text)
                        last = text
                    case ReasoningDelta(text) if text and reasoning:
                        thinking = True
                        page.write(text, "dim")
                        last = text
                    case Done():
                        done = event
                    case _:
                        pass
    finally:
        if last and not last.endswith("\n"):
            page.line()
    assert done is not None, "the engine ends with Done or raises"
    return done


def _as_json(done: Done) -> dict[str, object]:
    answer = done.answer
    thoughts = "".join(part.text for part in answer.parts if isinstance(part, Reasoning))
    calls = [part for part in answer.parts if isinstance(part, ToolCall)]
    return {
        "request_id": done.receipt.request_id,
        "text": answer.text,
        "tool_calls": [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in calls],
        "finish": answer.finish,
        "reasoning": thoughts or None,
        "receipt": done.receipt.model_dump(mode="json"),
    }


def _messages(question: Question) -> tuple[Message, ...]:
    prompt = prompt_of(question.words, "ask")
    system = (Message("system", (Text(question.system),)),) if question.system else ()
    return (*system, Message("user", (Text(prompt),)))


def _budget(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        budget = nano_from_usd(text)
    except ValueError:
        budget = -1
    if budget < 0:
        raise _wrong('--budget takes an amount of USD, like "0.05".')
    return budget


def _wrong(message: str, hint: str = "Try `omniroute-agent ask --help`.") -> CommandFailed:
    return CommandFailed(message, hint, "usage", USAGE)
