"""Every provider that is known here, by its id."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from omniroute_agent.providers.clouds import CLOUDS
from omniroute_agent.providers.gateways import GATEWAYS
from omniroute_agent.providers.hosts import HOSTS
from omniroute_agent.providers.hosts_more import MORE_HOSTS
from omniroute_agent.providers.makers import MAKERS
from omniroute_agent.providers.makers_east import EASTERN
from omniroute_agent.providers.makers_more import MORE_MAKERS
from omniroute_agent.providers.model import Provider
from omniroute_agent.providers.plans import PLANS
from omniroute_agent.providers.servers import SERVERS

_OWN_ANTHROPIC: Final = Provider(
    id="custom-anthropic",
    title="Your own (Anthropic Messages)",
    base_url="",
    dialect="anthropic-messages",
    auth="x-api-key",
    headers=(("anthropic-version", "2023-06-01"),),
)
_OWN_OPENAI: Final = Provider(id="custom-openai", title="Your own (OpenAI Chat)", base_url="", dialect="openai-chat")

OWN: Final = (
    _OWN_OPENAI,
    _OWN_ANTHROPIC,
    Provider(id="custom-responses", title="Your own (OpenAI Responses)", base_url="", dialect="openai-responses"),
    Provider(id="custom-gemini", title="Your own (Gemini)", base_url="", dialect="gemini", auth="x-goog-api-key"),
    Provider(id="custom-ollama", title="Your own (Ollama)", base_url="", dialect="ollama", other_door="/v1"),
    # The names other programs use for the first two.
    replace(_OWN_OPENAI, id="openai-compatible", title="Any OpenAI-compatible API"),
    replace(_OWN_ANTHROPIC, id="anthropic-compatible", title="Any Anthropic-compatible API"),
)
"""For an address of the owner's own: settings give the base URL, and a key where one is needed."""

LOCAL: Final = Provider(
    id="local", title="Embedded model", base_url="", dialect="openai-chat", auth="bearer", tier="free"
)
"""The small model this program runs itself; its connection knows where it listens and the key of this start."""

PROVIDERS: Final[Mapping[str, Provider]] = {
    provider.id: provider
    for group in (MAKERS, HOSTS, MORE_MAKERS, EASTERN, MORE_HOSTS, CLOUDS, GATEWAYS, PLANS, SERVERS, OWN, (LOCAL,))
    for provider in group
}
