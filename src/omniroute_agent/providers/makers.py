"""Companies that make the models they sell, one row each.

An address was read in two places at least (`seen`, of which `public code` stands for three projects or more that have
nothing to do with each other); `own page` among them means that it was read in `source`, which
otherwise is where the provider describes its API. `checked` is the day of that. Where a quirk was read elsewhere, its
own source stands beside it; a quirk nobody states is not set.

`default_model` is the maker's cheap model that still reads images or calls tools, present in genai-prices 0.2.3.
"""

from typing import Final

from omniroute_agent.providers.model import Provider
from omniroute_agent.wire.dialect import Quirks

MAKERS: Final = (
    Provider(
        id="anthropic",
        title="Anthropic",
        base_url="https://api.anthropic.com/v1",
        dialect="anthropic-messages",
        auth="x-api-key",
        env=("ANTHROPIC_API_KEY",),
        headers=(("anthropic-version", "2023-06-01"),),
        default_model="claude-haiku-5-5",
        prices="anthropic",
        source="https://platform.claude.com/docs/en/api/overview",
        seen=("own page", "models.dev", "litellm", "pydantic-ai", "pi-ai"),
        checked="2026-11-21",
    ),
    Provider(
        id="openai",
        title="OpenAI",
        base_url="https://api.openai.com/v1",
        dialect="openai-chat",
        env=("OPENAI_API_KEY",),
        default_model="gpt-6-luna",
        prices="openai",
        # Open weights, sold by others only; and placeholders for fine-tuned names.
        not_served="^gpt-oss|^ft:|ft-$",
        # Its reasoning models refuse `max_tokens`: https://platform.openai.com/docs/api-reference/chat/create
        quirks=Quirks(max_tokens_field="max_completion_tokens"),
        source="https://developers.openai.com/api/reference/overview",
        seen=("own page", "litellm", "pydantic-ai", "pi-ai"),
        checked="2026-11-21",
    ),
    Provider(
        id="gemini",
        title="Google Gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        dialect="gemini",
        other_door="/openai",
        auth="x-goog-api-key",
        env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        default_model="gemini-3.5-flash-lite",
        prices="google",
        # The data lists Vertex AI under the same provider.
        not_served="^claude",
        source="https://ai.google.dev/api/generate-content",
        seen=("own page", "litellm", "pi-ai"),
        checked="2026-11-21",
    ),
    Provider(
        id="xai",
        title="xAI",
        base_url="https://api.x.ai/v1",
        dialect="openai-chat",
        env=("XAI_API_KEY",),
        default_model="grok-4.3",
        prices="x-ai",
        # Most of its models refuse an effort; it names `max_tokens` as deprecated.
        # Source: pi, packages/ai/src/api/openai-completions.ts (2026-10).
        quirks=Quirks(max_tokens_field="max_completion_tokens", reasoning_field=""),
        source="https://docs.x.ai/docs/models",
        seen=("own page", "litellm", "pydantic-ai", "pi-ai"),
        checked="2026-11-21",
    ),
    Provider(
        id="mistral",
        title="Mistral",
        base_url="https://api.mistral.ai/v1",
        dialect="openai-chat",
        env=("MISTRAL_API_KEY",),
        default_model="mistral-small-latest",
        prices="mistral",
        # Unknown fields are answered with 422 extra_forbidden, `stream_options.include_usage` among them; usage comes
        # unasked with the last chunk: https://github.com/openai/openai-agents-python/issues/442
        # `max_completion_tokens` too: https://github.com/editor-code-assistant/eca/issues/231
        quirks=Quirks(stream_usage=False, reasoning_field=""),
        source="https://docs.mistral.ai/api/",
        seen=("own page", "litellm", "pi-ai"),
        checked="2026-11-21",
    ),
    Provider(
        id="deepseek",
        title="DeepSeek",
        base_url="https://api.deepseek.com",
        dialect="openai-chat",
        env=("DEEPSEEK_API_KEY",),
        tier="cheap",
        default_model="deepseek-flash",
        prices="deepseek",
        # Thinking is on by default, and then a forced tool choice is refused; of response formats it has json_object.
        # Source: pydantic-ai, providers/deepseek.py (2026-08).
        # Past reasoning must come back with tool calls: https://api-docs.deepseek.com/guides/thinking_mode
        quirks=Quirks(forced_tool_choice=False, json_schema=False, reasoning_history="reasoning_content"),
        source="https://api-docs.deepseek.com/",
        seen=("own page", "models.dev", "pydantic-ai", "pi-ai"),
        checked="2026-11-21",
    ),
    Provider(
        id="moonshot",
        title="Moonshot AI (Kimi)",
        base_url="https://api.moonshot.ai/v1",
        dialect="openai-chat",
        env=("MOONSHOT_API_KEY", "MOONSHOTAI_API_KEY"),
        default_model="kimi-k2.6",
        prices="moonshotai",
        # https://platform.moonshot.ai/docs/guide/migrating-from-openai-to-kimi#about-tool_choice
        quirks=Quirks(forced_tool_choice=False, json_schema=False, reasoning_field=""),
        source="https://platform.moonshot.ai/docs/api/chat",
        seen=("own page", "models.dev", "litellm", "pydantic-ai", "pi-ai"),
        checked="2026-11-21",
    ),
    Provider(
        id="zai",
        title="Z.AI (GLM)",
        base_url="https://api.z.ai/api/paas/v4",
        dialect="openai-chat",
        env=("ZAI_API_KEY", "ZHIPU_API_KEY"),
        tier="cheap",
        default_model="glm-5.3-flash",
        prices="zai",
        # Of response formats it has json_object; thinking is switched, not graded.
        # Source: pydantic-ai, providers/zai.py; models.dev, providers/zai (2026-06).
        quirks=Quirks(json_schema=False, reasoning_field=""),
        source="https://docs.z.ai/guides/capabilities/thinking",
        seen=("own page", "models.dev", "litellm", "pydantic-ai"),
        checked="2026-11-21",
    ),
    Provider(
        id="minimax",
        title="MiniMax",
        base_url="https://api.minimax.io/anthropic/v1",
        dialect="anthropic-messages",
        auth="x-api-key",
        env=("MINIMAX_API_KEY",),
        headers=(("anthropic-version", "2023-06-01"),),
        tier="cheap",
        default_model="MiniMax-M2.7",
        prices="minimax",
        source="https://platform.minimax.io/docs/api-reference/anthropic-api-compatible-cache",
        seen=("own page", "models.dev", "pi-ai"),
        checked="2026-11-21",
    ),
    Provider(
        id="cohere",
        title="Cohere",
        base_url="https://api.cohere.ai/compatibility/v1",
        dialect="openai-chat",
        env=("COHERE_API_KEY",),
        default_model="command-r7b-12-2024",
        prices="cohere",
        # https://strandsagents.com/docs/user-guide/concepts/model-providers/cohere/ (stream_options is refused)
        quirks=Quirks(stream_usage=False, parallel_tool_calls_field=False),
        source="https://docs.cohere.com/docs/compatibility-api",
        seen=("own page", "genai-prices"),
        checked="2026-11-21",
    ),
)
