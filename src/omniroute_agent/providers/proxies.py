"""Which proxy a call goes through: the connection's own, else the combo's, the provider's, the one for everything."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from omniroute_agent.kernel.secret import Secret
from omniroute_agent.providers.model import Connection, Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    everywhere: Secret | None = None
    by_provider: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    by_combo: Mapping[str, Secret] = field(default_factory=dict[str, Secret])

    def around(self, connection: Connection, combo: str | None) -> Secret | None:
        """The proxy for a call that has none of its own. An empty one means directly."""
        found = self.by_combo.get(combo or "")
        return self.outside_combos(connection.provider.id) if found is None else found

    def outside_combos(self, provider: str) -> Secret | None:
        """The same for a call that belongs to no combo, such as for an access token."""
        found = self.by_provider.get(provider)
        return self.everywhere if found is None else found


def proxy_for(endpoint: Endpoint, around: Secret | None) -> Secret | None:
    """Its proxy. Servers on this machine are reached directly unless the connection itself names a proxy."""
    if endpoint.proxy is not None:
        return endpoint.proxy
    return None if endpoint.loopback else around
