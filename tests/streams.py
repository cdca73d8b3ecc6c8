"""Streams as providers send them, and a reader that goes through parser and decoder like the engine does."""

import json
from typing import Any

from omniroute_agent.kernel.chat import ChatEvent
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.sse import SseParser
from omniroute_agent.wire.table import DIALECTS


def read(dialect: str, content: bytes, quirks: Quirks | None = None) -> list[ChatEvent]:
    parser, decoder = SseParser(), DIALECTS[dialect].decoder(quirks or Quirks())
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


WHOLE = {
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
