"""What OpenTelemetry's conventions call a provider (`gen_ai.provider.name`, well-known values read 2026-11-21)."""

from collections.abc import Mapping
from typing import Final

_WELL_KNOWN: Final[Mapping[str, str]] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock-mantle": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "moonshot-cn": "moonshot_ai",
    "openai-responses": "openai",
    "vertex": "gcp.vertex_ai",
    "vertex-express": "gcp.vertex_ai",
    "vertex-openai": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""Those whose name is another than our id; a provider without a well-known name goes by its id."""


def system_name(provider: str) -> str:
    return _WELL_KNOWN.get(provider, provider)
