"""Ollama answers and errors, read and written."""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import JsonValue

from omniroute_agent.kernel.chat import ChatAnswer, Reasoning
from omniroute_agent.kernel.fold import Fold
from omniroute_agent.wire.errors import ErrorReport, WireError
from omniroute_agent.wire.members import Members, refuse_answer, shown, with_rest
from omniroute_agent.wire.neutral import texts_of
from omniroute_agent.wire.ollama.decoder import OllamaDecoder
from omniroute_agent.wire.ollama.words import FINISH_WORD, ID, date_of, write_usage, written_call


def read_answer(body: Mapping[str, JsonValue]) -> ChatAnswer:
    """
    Raises:
        WireError: not an answer of this dialect, or not its end.
    """
    top = Members(body, "", refuse_answer)
    if body.get("done") is not True or not isinstance(body.get("message"), Mapping):
        raise WireError("Its answer is not a finished message.", excerpt=shown(dict(body)))
    fold = Fold()
    for event in OllamaDecoder().line(top):
        fold.add(event)
    top.take("created_at")
    return replace(fold.answer(), origin=ID, rest=top.rest())


def write_answer(answer: ChatAnswer, *, id: str, model: str, created: int) -> dict[str, JsonValue]:  # noqa: A002, ARG001 (the dialects' own word; this one has no ids)
    message: dict[str, JsonValue] = {"role": "assistant", "content": texts_of(answer.parts)}
    if thought := "".join(part.text for part in answer.parts if isinstance(part, Reasoning)):
        message["thinking"] = thought
    if answer.tool_calls:
        message["tool_calls"] = [written_call(call, at) for at, call in enumerate(answer.tool_calls)]
    body: dict[str, JsonValue] = {
        "model": model,
        "created_at": date_of(created),
        "message": message,
        "done": True,
        "done_reason": FINISH_WORD[answer.finish],
        **write_usage(answer.usage),
    }
    return with_rest(body, answer.rest) if answer.origin == ID else body


def write_error(report: ErrorReport, status: int) -> dict[str, JsonValue]:  # noqa: ARG001 (the dialect says it in the status line only)
    return {"error": report.message}
