"""Model servers that people run on their own machine: found by looking, never by guessing.

Each row's probe holds the marks of its kind. Ports 8080 and 8000 are where many programs listen that are no model
server, so the servers living there have to show more than a list of models.
"""

from typing import Final

from omniroute_agent.providers.model import Probe, Provider

SERVERS: Final = (
    Provider(
        id="ollama",
        title="Ollama",
        base_url="http://127.0.0.1:11434/v1",
        dialect="openai-chat",
        auth="none",
        tier="free",
        probe=Probe(path="/api/version", keys=("version",)),
        source="https://docs.ollama.com/api/openai-compatibility",
        checked="2026-11-21",
    ),
    Provider(
        id="lmstudio",
        title="LM Studio",
        base_url="http://127.0.0.1:1234/v1",
        dialect="openai-chat",
        auth="none",
        tier="free",
        # Its own paths changed between versions; nothing else is at home on this port.
        probe=Probe(),
        source="https://lmstudio.ai/docs/developer/openai-compat",
        checked="2026-11-21",
    ),
    Provider(
        id="llamacpp",
        title="llama.cpp",
        base_url="http://127.0.0.1:8080/v1",
        dialect="openai-chat",
        auth="none",
        tier="free",
        probe=Probe(path="/props", keys=("default_generation_settings",)),
        source="https://mvysny.github.io/llama-server-endpoints/",
        checked="2026-11-21",
    ),
    Provider(
        id="vllm",
        title="vLLM",
        base_url="http://127.0.0.1:8000/v1",
        dialect="openai-chat",
        auth="none",
        tier="free",
        probe=Probe(path="/version", keys=("version",), owned_by="vllm"),
        source="https://docs.vllm.ai/en/v0.28.0/serving/online_serving/openai_compatible_server/",
        checked="2026-11-21",
    ),
)
