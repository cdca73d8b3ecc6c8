"""Gemini answers, read and written."""

from collections.abc import Mapping
from dataclasses import replace

from pydantic import JsonValue

from omniroute_agent.kernel.chat import ChatAnswer, Image, Reasoning, Text, ToolCall, ToolResult
from omniroute_agent.kernel.fold import Fold
from omniroute_agent.wire.errors import WireError
from omniroute_agent.wire.gemini.decoder import GeminiDecoder
from omniroute_agent.wire.gemini.words import FINISH_WORD, ID, shown_signature, write_usage
from omniroute_agent.wire.members import Members, refuse_answer, shown, with_rest
from omniroute_agent.wire.neutral import input_of


def read_answer(body: Mapping[str, JsonValue]) -> ChatAnswer:
    """
    Raises:
        StreamedError: the answer says that the model or the provider failed.
        WireError: not an answer of this dialect.
    """
    top = Members(body, "", refuse_answer)
    if not any(body.get(key) for key in ("candidates", "promptFeedback", "response")):
        raise WireError("Its answer holds no candidate.", excerpt=shown(dict(body)))
    fold = Fold()
    for event in GeminiDecoder().chunk(top):
        fold.add(event)
    answer = fold.answer()
    finish = fold.finish or ("tool_calls" if answer.tool_calls else "stop")
    return replace(answer, finish=finish, origin=ID, rest=top.rest())


def write_answer(answer: ChatAnswer, *, id: str, model: str, created: int) -> dict[str, JsonValue]:  # noqa: A002, ARG001 (the dialects' own word; this one has no date)
    candidate: dict[str, JsonValue] = {
        "content": {"role": "model", "parts": _parts(answer)},
        "finishReason": FINISH_WORD[answer.finish],
        "index": 0,
    }
    body: dict[str, JsonValue] = {"candidates": [candidate], "modelVersion": model, "responseId": id}
    if answer.usage is not None:
        body["usageMetadata"] = write_usage(answer.usage)
    return with_rest(body, answer.rest) if answer.origin == ID else body


def _parts(answer: ChatAnswer) -> list[JsonValue]:
    parts: list[JsonValue] = []
    signature: str | None = None
    for part in answer.parts:
        match part:
            case Reasoning(text):
                parts += signature_alone(signature)
                signature = shown_signature(part.signature, part.redacted)
                if text:
                    parts.append(thought_part(text))
            case ToolCall():
                parts.append(call_part(part, signature))
                signature = None
            case Text(text):
                parts += signature_alone(signature)
                signature = None
                parts.append({"text": text})
            case Image() | ToolResult():
                pass
    return [*parts, *signature_alone(signature)]


# ---- parts that the stream writes as well


def thought_part(text: str) -> dict[str, JsonValue]:
    return {"text": text, "thought": True}


def signature_alone(signature: str | None) -> list[JsonValue]:
    return [{"text": "", "thoughtSignature": signature}] if signature is not None else []


def call_part(call: ToolCall, signature: str | None) -> dict[str, JsonValue]:
    part: dict[str, JsonValue] = {"functionCall": {"id": call.id, "name": call.name, "args": input_of(call.arguments)}}
    if signature is not None:
        part["thoughtSignature"] = signature
    return part
