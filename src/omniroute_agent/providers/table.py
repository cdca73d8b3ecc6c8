"""Every provider that is known here, by its id."""

from collections.abc import Mapping
from typing import Final

from omniroute_agent.providers.hosts import HOSTS
from omniroute_agent.providers.makers import MAKERS
from omniroute_agent.providers.model import Provider
from omniroute_agent.providers.servers import SERVERS

OWN: Final = (
    Provider(id="custom-openai", title="Your own (OpenAI Chat)", base_url="", dialect="openai-chat"),
    Provider(
        id="custom-anthropic",
        title="Your own (Anthropic Messages)",
        base_url="",
        dialect="anthropic-messages",
        auth="x-api-key",
        headers=(("anthropic-version", "2023-06-01"),),
    ),
)
"""For an address of the owner's own: settings give the base URL, and a key where one is needed."""

LOCAL: Final = Provider(
    id="local", title="Embedded model", base_url="", dialect="openai-chat", auth="bearer", tier="free"
)
"""The small model this program runs itself; its connection knows where it listens and the key of this start."""

PROVIDERS: Final[Mapping[str, Provider]] = {
    provider.id: provider for provider in (*MAKERS, *HOSTS, *SERVERS, *OWN, LOCAL)
}
