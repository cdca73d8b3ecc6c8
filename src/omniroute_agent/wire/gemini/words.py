"""Words that both directions of the dialect share: finish reasons, usage, spelling, signatures."""

import base64
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import FinishReason, Usage
from omniroute_agent.wire.errors import ErrorReport, StreamedError
from omniroute_agent.wire.members import Members
from omniroute_agent.wire.proof import own_proof, passed_on, proof_by, taken_back

ID: Final = "gemini"

_FINISH: Final[Mapping[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    # What the provider would go on with, if it were asked to with a token that has no place here.
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
_FAILED: Final[Mapping[str, str]] = {
    "MALFORMED_FUNCTION_CALL": "The model wrote a tool call that could not be read.",
    "UNEXPECTED_TOOL_CALL": "The model called a tool although none was offered.",
    "TOO_MANY_TOOL_CALLS": "The model called too many tools in a row.",
    "MISSING_THOUGHT_SIGNATURE": "The model's earlier reasoning came back without its signature.",
    "MALFORMED_RESPONSE": "The model wrote an answer that could not be read.",
    "OTHER": "The provider gave the answer up and did not say why.",
}
FINISH_WORD: Final[Mapping[FinishReason, str]] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
}


def finish_of(word: str, message: str | None, *, called: bool) -> FinishReason:
    """An unknown word counts as an ordinary end; whoever called tools wants their results, whatever the word.

    Raises:
        StreamedError: the word says that the model or the provider failed.
    """
    if word in _FAILED:
        raise StreamedError(ErrorReport(message=message or _FAILED[word], type=word))
    reason = _FINISH.get(word, "stop")
    return "tool_calls" if called and reason == "stop" else reason


def read_usage(node: Members | None) -> Usage | None:
    """None when the prompt's count is missing: unknown is not 0. Other counts of 0 are left out by the protocol."""
    if node is None:
        return None
    prompt, answer = node.count_or_none("promptTokenCount"), node.count_or_none("candidatesTokenCount")
    tools, thoughts = node.count_or_none("toolUsePromptTokenCount"), node.count_or_none("thoughtsTokenCount") or 0
    cached, total = node.count_or_none("cachedContentTokenCount") or 0, node.count_or_none("totalTokenCount")
    if prompt is None or (answer is None and total is None):
        return None
    given = max(prompt + (tools or 0), cached)
    # The answer's count leaves the thoughts out.
    produced = (answer or 0) + thoughts if answer is not None else max((total or 0) - given, thoughts)
    return Usage(input_tokens=given, output_tokens=produced, cache_read_tokens=cached, reasoning_tokens=thoughts)


def write_usage(usage: Usage) -> dict[str, JsonValue]:
    written: dict[str, JsonValue] = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": max(usage.output_tokens - usage.reasoning_tokens, 0),
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    if usage.cache_read_tokens:
        written["cachedContentTokenCount"] = usage.cache_read_tokens
    if usage.reasoning_tokens:
        written["thoughtsTokenCount"] = usage.reasoning_tokens
    return written


# ---- signatures: base64 on the wire, so a proof that was passed on is spelled in base64


def shown_signature(signature: str | None, redacted: str | None) -> str | None:
    """What a caller of this dialect is shown: the provider's own signature as it came, others spelled in base64."""
    if own := own_proof(ID, signature):
        return own
    text = passed_on(signature, redacted)
    return None if text is None else base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")


def signature_in(value: str) -> tuple[str | None, str | None]:
    """Signature and sealed thinking of a `thoughtSignature`."""
    try:
        text = base64.b64decode(value, validate=True).decode("ascii")
    except ValueError:
        text = ""
    return taken_back(text) or (proof_by(ID, value), None)


# ---- spelling: the protocol takes snake_case as well, answers are in camelCase


_FREE: Final = frozenset(
    ("args", "response", "responseJsonSchema", "parametersJsonSchema", "partMetadata", "labels", "default", "example")
)
"""Members whose content is the caller's own."""
_NAMED: Final = frozenset(("properties",))
"""Members whose keys are the caller's own, not their values."""


def camel(word: str) -> str:
    first, *others = word.lstrip("_").split("_")
    return first + "".join(other.capitalize() for other in others)


def in_camel_case(value: JsonValue) -> JsonValue:
    """The same message with all of the protocol's own names in camelCase."""
    if isinstance(value, list):
        return [in_camel_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _inside(name, inner) for key, inner in value.items() for name in (camel(key),)}


def _inside(name: str, inner: JsonValue) -> JsonValue:
    if name in _FREE:
        return inner
    if name in _NAMED and isinstance(inner, dict):
        return {key: in_camel_case(item) for key, item in inner.items()}
    return in_camel_case(inner)
