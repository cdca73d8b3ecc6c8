"""Chat Completions answers, usage and errors, read and written."""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import (
    ChatAnswer,
    FinishReason,
    Part,
    Reasoning,
    Text,
    ToolCall,
    Usage,
)
from omniroute_agent.wire.errors import ErrorReport, StreamedError, WireError
from omniroute_agent.wire.members import Members, compact, only_filled, refuse_answer, with_rest
from omniroute_agent.wire.neutral import texts_of
from omniroute_agent.wire.openai_chat.request_out import ID

_FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
FINISH_WORD: Final[Mapping[FinishReason, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    # In a stream the text has gone out as content by now; `stop` would let it pass for an answer.
    "refusal": "content_filter",
}
_ERROR_TYPE: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def finish_of(word: str, *, called: bool, refused: bool) -> FinishReason:
    """An unknown word counts as an ordinary end; whoever called tools wants their results, whatever the word.

    Raises:
        StreamedError: the word says that the server failed.
    """
    if word == "insufficient_system_resource":
        raise StreamedError(ErrorReport(message="The provider was overloaded and gave the answer up.", type=word))
    if word == "error":
        raise StreamedError(ErrorReport(message="The provider failed within its answer and did not say why."))
    reason = _FINISH.get(word, "stop")
    if reason != "stop":
        return reason
    if refused:
        return "refusal"
    return "tool_calls" if called else "stop"


def read_usage(node: Members | None) -> Usage | None:
    """None when a count is missing: unknown is not 0.

    Cached tokens that a server counts beside the prompt, and reasoning that it counts beside the completion but within
    the total, are added: neutral counts include them.
    """
    if node is None:
        return None
    prompt, completion = node.count_or_none("prompt_tokens"), node.count_or_none("completion_tokens")
    if prompt is None or completion is None:
        return None
    read = written = reasoning = 0
    if (details := node.inside_or_none("prompt_tokens_details")) is not None:
        read = details.count_or_none("cached_tokens") or 0
        written = details.count_or_none("cache_write_tokens") or 0
    if (details := node.inside_or_none("completion_tokens_details")) is not None:
        reasoning = details.count_or_none("reasoning_tokens") or 0
    # DeepSeek's own word for what OpenAI calls cached_tokens.
    read = read or node.count_or_none("prompt_cache_hit_tokens") or 0
    total = node.count_or_none("total_tokens") or 0
    return Usage(
        input_tokens=max(prompt, read + written),
        output_tokens=max(completion, total - prompt, reasoning),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
    )


def write_usage(usage: Usage) -> dict[str, JsonValue]:
    prompt: dict[str, JsonValue] = {"cached_tokens": usage.cache_read_tokens}
    if usage.cache_write_tokens:
        prompt["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def read_answer(body: Mapping[str, JsonValue]) -> ChatAnswer:
    """
    Raises:
        WireError: not an answer of this dialect.
    """
    top = Members(body, "", refuse_answer)
    choices = top.each("choices")
    if not choices:
        raise WireError("Its answer holds no choice.", excerpt=compact(dict(body)))
    message = choices[0].inside("message")
    refusal = message.text_or_none("refusal")
    parts = _parts(message, refusal)
    word = choices[0].text_or_none("finish_reason") or "stop"
    called = any(isinstance(part, ToolCall) for part in parts)
    usage, model = read_usage(top.inside_or_none("usage")), top.text_or_none("model")
    for known in ("id", "object", "created"):
        top.take(known)
    return ChatAnswer(
        parts=parts,
        finish=finish_of(word, called=called, refused=bool(refusal)),
        usage=usage,
        model=model,
        origin=ID,
        rest=top.rest(),
    )


def _parts(message: Members, refusal: str | None) -> tuple[Part, ...]:
    parts: list[Part] = []
    if thought := thought_in(message):
        parts.append(Reasoning(thought))
    thought, text = split_content(message)
    if thought:
        parts.append(Reasoning(thought))
    if text:
        parts.append(Text(text))
    if refusal:
        parts.append(Text(refusal))
    for at, node in enumerate(message.each("tool_calls")):
        call_id = node.text_or_none("id") or f"call_{at}"
        function = node.inside("function")
        parts.append(ToolCall(call_id, function.text("name"), arguments_in(function) or "{}"))
    return tuple(parts)


def thought_in(message: Members) -> str:
    """Reasoning under either of its names; a server that sends both sends the same twice."""
    named, alias = message.text_or_none("reasoning_content"), message.take("reasoning")
    return named or (alias if isinstance(alias, str) else "")


def split_content(message: Members) -> tuple[str, str]:
    """Reasoning and text of `content`: a string, or the typed parts that some servers send (Mistral's thinking)."""
    content = message.take("content")
    if content is None or isinstance(content, str):
        return "", content or ""
    if not isinstance(content, list):
        raise message.refused_value("content", content, "a text or a list of parts")
    thoughts: list[str] = []
    texts: list[str] = []
    for part in message.members_of("content", content):
        if part.text_or_none("type") == "thinking":
            thoughts += (inner.text_or_none("text") or "" for inner in part.each("thinking"))
        else:
            texts.append(part.text_or_none("text") or "")
    return "".join(thoughts), "".join(texts)


def arguments_in(function: Members) -> str:
    """Arguments as the model wrote them; a server that sends them parsed gets them spelled out again."""
    value = function.take("arguments")
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, dict):
        return compact(value)
    raise function.refused_value("arguments", value, "a text")


def write_answer(answer: ChatAnswer, *, id: str, model: str, created: int) -> dict[str, JsonValue]:  # noqa: A002 (the dialects' own word)
    refused = answer.finish == "refusal"
    calls: list[JsonValue] = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in answer.tool_calls
    ]
    thought = "".join(part.text for part in answer.parts if isinstance(part, Reasoning))
    text = texts_of(answer.parts)
    message = only_filled(
        role="assistant",
        reasoning_content=thought or None,
        tool_calls=calls or None,
    )
    # Both are there even when null: the dialect requires them.
    message["content"] = None if refused or (calls and not text) else text
    message["refusal"] = (text or "The model refused to answer.") if refused else None
    choice: dict[str, JsonValue] = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": "stop" if refused else FINISH_WORD[answer.finish],
    }
    body: dict[str, JsonValue] = {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [choice],
    }
    if answer.usage is not None:
        body["usage"] = write_usage(answer.usage)
    return with_rest(body, answer.rest) if answer.origin == ID else body


def write_error(report: ErrorReport, status: int) -> dict[str, JsonValue]:
    fallback = _ERROR_TYPE.get(status, "invalid_request_error" if status < 500 else "server_error")  # noqa: PLR2004 (RFC 9110 §15)
    return {
        "error": {
            "message": report.message,
            "type": report.type or fallback,
            "param": report.param,
            "code": report.code,
        }
    }
