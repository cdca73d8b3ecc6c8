"""Model servers that people run on their own machine: found by looking, never by guessing.

Each row's probe holds the marks of its kind. Ports 8080 and 8000 are where many programs listen that are no model
server, so the servers living there have to show more than a list of models. A server without a mark of its own is not
looked for; a connection may name it.
"""

from typing import Final

from omniroute_agent.providers.model import Probe, Provider

SERVERS: Final = (
    Provider(
        id="ollama",
        title="Ollama",
        base_url="http://127.0.0.1:11434",
        dialect="ollama",
        other_door="/v1",
        auth="none",
        tier="free",
        probe=Probe(path="/api/version", keys=("version",)),
        source="https://docs.ollama.com/api/chat",
        seen=("own page", "litellm", "public code"),
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
        seen=("own page", "models.dev"),
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
        seen=("own page", "public code"),
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
        seen=("own page", "public code"),
        checked="2026-11-21",
    ),
    Provider(
        id="sglang",
        title="SGLang",
        base_url="http://127.0.0.1:30000/v1",
        dialect="openai-chat",
        auth="none",
        tier="free",
        # python/sglang/srt/entrypoints/openai/protocol.py of https://github.com/sgl-project/sglang
        probe=Probe(owned_by="sglang"),
        source="https://docs.sglang.ai/",
        seen=("openclaw", "public code"),
        checked="2026-11-21",
    ),
    Provider(
        id="docker-model-runner",
        title="Docker Model Runner",
        base_url="http://127.0.0.1:12434/engines/v1",
        dialect="openai-chat",
        auth="none",
        tier="free",
        source="https://docs.docker.com/ai/model-runner/api-reference/",
        seen=("public code",),
        checked="2026-11-21",
    ),
    Provider(
        id="jan",
        title="Jan",
        base_url="http://127.0.0.1:1337/v1",
        dialect="openai-chat",
        auth="none",
        tier="free",
        source="https://jan.ai/docs/desktop/api-server",
        seen=("public code",),
        checked="2026-11-21",
    ),
    Provider(
        id="localai",
        title="LocalAI",
        base_url="http://127.0.0.1:8080/v1",
        dialect="openai-chat",
        auth="none",
        tier="free",
        source="https://localai.io/basics/getting_started/",
        seen=("public code",),
        checked="2026-11-21",
    ),
)
