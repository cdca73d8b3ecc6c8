"""The dialects we speak, by id."""

from collections.abc import Mapping
from typing import Final

from omniroute_agent.wire.anthropic_messages import AnthropicMessages
from omniroute_agent.wire.dialect import Dialect
from omniroute_agent.wire.gemini import Gemini
from omniroute_agent.wire.ollama import Ollama
from omniroute_agent.wire.openai_chat import OpenAIChat
from omniroute_agent.wire.openai_responses import OpenAIResponses

_SPOKEN: Final[tuple[Dialect, ...]] = (
    OpenAIChat(),
    OpenAIResponses(),
    AnthropicMessages(),
    Gemini(),
    Ollama(),
)

DIALECTS: Final[Mapping[str, Dialect]] = {dialect.id: dialect for dialect in _SPOKEN}
