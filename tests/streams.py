"""Streams as providers send them, and a reader that goes through parser and decoder like the engine does."""

import json
from typing import Any

from omniroute_agent.kernel.chat import ChatEvent
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.table import DIALECTS


def read(dialect: str, content: bytes, quirks: Quirks | None = None) -> list[ChatEvent]:
    parser, decoder = DIALECTS[dialect].splitter(), DIALECTS[dialect].decoder(quirks or Quirks())
    events = [event for sent in parser.feed(content) for event in decoder.feed(sent)]
    decoder.close()
    return events


def openai(*chunks: object) -> bytes:
    lines = (chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks)
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def chunk(finish: str | None = None, usage: dict[str, Any] | None = None, **delta: object) -> dict[str, Any]:
    return {"model": "gpt", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": usage}


def anthropic(*events: dict[str, Any]) -> bytes:
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def responses(*events: dict[str, Any]) -> bytes:
    return "".join(f"event: {event.get('type')}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def delta(kind: str, text: str, at: int = 0) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": at, "delta": text}


def item(kind: str, at: int = 0, end: str = "done", **members: object) -> dict[str, Any]:
    return {"type": f"response.output_item.{end}", "output_index": at, "item": {"type": kind, **members}}


def completed(**members: object) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"status": "completed", "model": "gpt", **members}}


def candidate(*parts: dict[str, Any], finish: str | None = None, **members: object) -> dict[str, Any]:
    ended = {} if finish is None else {"finishReason": finish}
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **ended}], **members}


def ndjson(*lines: dict[str, Any]) -> bytes:
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()


def said(*, done: str | None = None, **message: object) -> dict[str, Any]:
    ended = {"done": False} if done is None else {"done": True, "done_reason": done}
    return {"model": "qwen", "message": {"role": "assistant", "content": "", **message}, **ended}


WHOLE = {
    "openai-responses": responses(
        {"type": "response.created", "response": {"status": "in_progress", "model": "gpt"}},
        item("reasoning", end="added", id="rs", summary=[]),
        delta("reasoning_summary_text", "Hm"),
        item("reasoning", id="rs", summary=[{"type": "summary_text", "text": "Hm"}], encrypted_content="e"),
        delta("output_text", "Grüße", 1),
        item("function_call", 2, "added", call_id="a", name="f", arguments=""),
        delta("function_call_arguments", "{}", 2),
        item("function_call", 2, call_id="a", name="f", arguments="{}"),
        completed(usage={"input_tokens": 3, "output_tokens": 2}),
    ),
    "gemini": openai(
        candidate({"text": "Hm", "thought": True}, modelVersion="gemini"),
        candidate({"text": "Grüße"}),
        candidate({"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "cw=="}),
        candidate({"text": ""}, finish="STOP", usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 2}),
    ),
    "ollama": ndjson(
        said(thinking="Hm"),
        said(content="Grüße"),
        said(tool_calls=[{"function": {"name": "f", "arguments": {}}}]),
        {**said(done="stop"), "prompt_eval_count": 3, "eval_count": 2},
    ),
    "openai-chat": openai(
        chunk(role="assistant", content=""),
        chunk(reasoning_content="Hm"),
        chunk(content="Grüße"),
        chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]),
        chunk("tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
        "[DONE]",
    ),
    "anthropic-messages": anthropic(
        {"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Grüße"}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ),
}
