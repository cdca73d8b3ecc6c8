"""What families of models can do, by the shape of their names.

Read on 2026-11-21 from the model files of https://github.com/anomalyco/models.dev (which link the makers' pages) and,
where a row says so, elsewhere. A row states what holds for every model its pattern meets; what is not known of all of
them is None. The first pattern that is found decides, so exceptions stand above their family.

`max_output_tokens` is the maker's own limit; a host that runs an open model may allow less, so open models have none.
"""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    pattern: str
    """Searched in the model's name in lower case, without a vendor prefix (`openai/`)."""
    vision: bool | None = None
    tools: bool | None = None
    json_schema: bool | None = None
    reasoning: bool | None = None
    max_output_tokens: int | None = None
    context_tokens: int | None = None
    """Only where the price data has none."""
    chat: bool = True
    """False: not a model one chats with (embeddings, speech, images)."""


_NOT_FOR_CHAT: Final = (
    r"embed|moderation|whisper|transcri|(^|-)tts|-tts($|-)|speech|voice|realtime|rerank|(^|-)ocr(-|$)|dall-e|imagen|"
    r"gpt-image|veo-|lyria|sora|orpheus|(^|-)live(-|$)|gpt-live|translate|davinci|babbage|^curie|^ada$|guard|safeguard|"
    r"nano-banana|-image(-|$)|decider"
)

FAMILIES: Final = (
    Family(pattern=_NOT_FOR_CHAT, chat=False),
    # OpenAI
    Family(pattern=r"^gpt-oss", vision=False, tools=True, json_schema=True, reasoning=True),
    Family(pattern=r"^gpt-5(\.\d)?-chat", vision=True, json_schema=True, max_output_tokens=16_384),
    Family(pattern=r"^gpt-5\.3-codex-spark", vision=False, tools=True, reasoning=True),
    Family(pattern=r"^gpt-5-pro", vision=True, tools=True, json_schema=True, reasoning=True, max_output_tokens=272_000),
    Family(pattern=r"^gpt-[56]", vision=True, tools=True, json_schema=True, reasoning=True, max_output_tokens=128_000),
    Family(pattern=r"^gpt-4\.1", vision=True, tools=True, json_schema=True, reasoning=False, max_output_tokens=32_768),
    Family(pattern=r"^gpt-4o-(2024-05-13|audio|search|mini-audio|mini-search)", reasoning=False),
    Family(pattern=r"^gpt-4o", vision=True, tools=True, json_schema=True, reasoning=False, max_output_tokens=16_384),
    Family(
        pattern=r"^gpt-4-turbo", vision=True, tools=True, json_schema=False, reasoning=False, max_output_tokens=4_096
    ),
    Family(pattern=r"^gpt-3\.5-turbo", vision=False, json_schema=False, reasoning=False, max_output_tokens=4_096),
    Family(pattern=r"^o1-(mini|preview)", vision=False, tools=False, json_schema=False, reasoning=True),
    Family(pattern=r"^o[34](-mini)?-deep-research", reasoning=True, max_output_tokens=100_000),
    Family(pattern=r"^o3-mini", vision=False, tools=True, json_schema=True, reasoning=True, max_output_tokens=100_000),
    Family(
        pattern=r"^o[134]($|-)", vision=True, tools=True, json_schema=True, reasoning=True, max_output_tokens=100_000
    ),
    # Anthropic: structured outputs came with 4.5 (https://platform.claude.com/docs/en/build-with-claude/structured-outputs).
    Family(
        pattern=r"^claude-3-(opus|sonnet|haiku)",
        vision=True,
        tools=True,
        json_schema=False,
        reasoning=False,
        max_output_tokens=4_096,
    ),
    Family(
        pattern=r"^claude-3[-.]5", vision=True, tools=True, json_schema=False, reasoning=False, max_output_tokens=8_192
    ),
    Family(
        pattern=r"^claude-3[-.]7", vision=True, tools=True, json_schema=False, reasoning=True, max_output_tokens=64_000
    ),
    Family(
        pattern=r"^claude-opus-4([-.][01])?($|-2|@)",
        vision=True,
        tools=True,
        json_schema=None,
        reasoning=True,
        max_output_tokens=32_000,
    ),
    Family(
        pattern=r"^claude-sonnet-4([-.]0)?($|-2|@)",
        vision=True,
        tools=True,
        json_schema=False,
        reasoning=True,
        max_output_tokens=64_000,
    ),
    Family(
        pattern=r"^claude-(opus|sonnet|haiku)-4[-.][56]",
        vision=True,
        tools=True,
        json_schema=True,
        reasoning=True,
        max_output_tokens=64_000,
    ),
    Family(
        pattern=r"^claude-(opus|sonnet|haiku|fable|mythos)-(4[-.][78]|5)",
        vision=True,
        tools=True,
        json_schema=True,
        reasoning=True,
        max_output_tokens=128_000,
    ),
    Family(pattern=r"^claude-(2|v1|instant)", vision=False, tools=False, json_schema=False, reasoning=False),
    # Google
    Family(pattern=r"^gemini-(1\.|pro(-1|-vision)?$|flash-1)", tools=True, reasoning=False, max_output_tokens=8_192),
    Family(pattern=r"^gemini-2\.0", vision=True, tools=True, json_schema=True, max_output_tokens=8_192),
    Family(
        pattern=r"^gemini-(2\.5|[34]|(pro|flash|flash-lite)-latest)",
        vision=True,
        tools=True,
        json_schema=True,
        reasoning=True,
        max_output_tokens=65_536,
    ),
    # xAI: its guide lists structured outputs for all models after grok-2 (https://docs.x.ai/docs/guides/structured-outputs).
    Family(pattern=r"^grok-code", vision=False, tools=True, json_schema=True, reasoning=True),
    Family(pattern=r"^grok-3-mini", vision=False, tools=True, json_schema=True, reasoning=True),
    Family(pattern=r"^grok-3", vision=False, tools=True, json_schema=True, reasoning=False),
    Family(pattern=r"^grok-4.*non-reasoning", vision=True, tools=True, json_schema=True, reasoning=False),
    Family(pattern=r"^grok-4.*multi-agent", vision=True, json_schema=True, reasoning=True),
    Family(pattern=r"^grok-[4-9]", vision=True, tools=True, json_schema=True, reasoning=True),
    # DeepSeek: a schema is followed by hosts of its open models, not by its own API (see its quirks).
    Family(pattern=r"^deepseek-(flash|v4[.p]1-flash|v4-1-flash)", vision=True, tools=True, reasoning=True),
    Family(pattern=r"^deepseek-(v4|v3[.p][12])", vision=False, tools=True, reasoning=True),
    Family(pattern=r"^deepseek-(r1|reasoner)", vision=False, reasoning=True),
    Family(pattern=r"^deepseek", vision=False, tools=True),
    # Mistral
    Family(
        pattern=r"^(mistral-small-(latest|2603)|mistral-medium-(latest|3[-.]5|2604))",
        vision=True,
        tools=True,
        json_schema=True,
        reasoning=True,
    ),
    Family(
        pattern=r"^(mistral-large-(2512|4)|mistral-medium|mistral-small-(2503|2506|3[-.][12])|pixtral|ministral-\d+b-2512)",
        vision=True,
        tools=True,
        json_schema=True,
    ),
    Family(pattern=r"^(magistral)", tools=True, json_schema=True, reasoning=True),
    Family(
        pattern=r"^(codestral|devstral|ministral|open-mistral-nemo|mistral-nemo)",
        vision=False,
        tools=True,
        reasoning=False,
    ),
    Family(pattern=r"^mistral-large-(2402|2407|2411)", vision=False, tools=True, json_schema=True, reasoning=False),
    # Open families, as hosts and local servers name them
    Family(pattern=r"^(meta-)?llama-?4", vision=True, tools=True, reasoning=False),
    Family(pattern=r"^(meta-)?llama-?v?3[.p]2-(11b|90b)", vision=True, reasoning=False),
    Family(pattern=r"^(meta-)?llama-?v?3[.p][13]", vision=False, tools=True, reasoning=False),
    Family(pattern=r"^(meta-)?llama-?v?[23]", vision=False, reasoning=False),
    Family(pattern=r"^qwen-?\d?([.p]\d)?.*-?vl", vision=True),
    Family(pattern=r"^qwen-?3.*instruct", vision=False, tools=True, reasoning=False),
    Family(pattern=r"^qwen-?3.*thinking", vision=False, tools=True, reasoning=True),
    Family(pattern=r"^(qwen-?3(?![.p])|qwen-3-\d)", vision=False, tools=True),
    Family(pattern=r"^qwen-?2[.p]5", vision=False, tools=True, reasoning=False),
    Family(pattern=r"^kimi-k(2[.p][5-7]|3)", vision=True, tools=True, reasoning=True),
    Family(pattern=r"^kimi-k2", vision=False, tools=True),
    Family(pattern=r"^glm-(4[.p]\d+v|5[.p]3-flash)", vision=True, tools=True, reasoning=True),
    Family(pattern=r"^glm-(4[.p][5-7]|5)", vision=None, tools=True, reasoning=True),
    Family(pattern=r"^minimax-m[23]", tools=True, reasoning=True),
    Family(pattern=r"^command-(a|r)", vision=None, tools=True, json_schema=True),
    Family(pattern=r"^sonar", vision=True, tools=False, json_schema=True),
    # https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct: a window of 8,192 tokens, no trained tool format.
    Family(pattern=r"^smollm2", vision=False, tools=False, reasoning=False, context_tokens=8_192),
)

_COMPILED: Final = tuple((re.compile(family.pattern), family) for family in FAMILIES)


def family_of(model: str) -> Family | None:
    """The family of a model by its name as a provider writes it: `openai/gpt-4o`, `accounts/x/models/llama-v3p1-8b`."""
    name = model.lower().rsplit("/", 1)[-1].removeprefix("~")
    return next((family for pattern, family in _COMPILED if pattern.search(name)), None)
