"""What a caller is told who may not do what it asks: which scopes to get, and where (RFC 6750, RFC 9728)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from omniroute_agent.doors.access import Peer
from omniroute_agent.kernel.scopes import SCOPES

REALM: Final = "omniroute-agent"
METADATA_PATH: Final = "/.well-known/oauth-protected-resource"
RESOURCE_PATH: Final = "/mcp"
METADATA_PATHS: Final = frozenset((METADATA_PATH, METADATA_PATH + RESOURCE_PATH))

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who gives out the tokens that are good here."""

    url: str
    audience: str
    """What tokens for this server name as their audience."""

    def metadata(self, peer: Peer) -> bytes:
        """The protected-resource metadata."""
        said = {
            "resource": self.audience if "://" in self.audience else _address(peer, RESOURCE_PATH),
            "authorization_servers": [self.url],
            "scopes_supported": list(SCOPES),
            "bearer_methods_supported": ["header"],
            "resource_name": REALM,
        }
        return json.dumps(said).encode()


def challenge(
    peer: Peer, issuer: Issuer | None, *, error: str = "", scopes: Iterable[str] = (), told: str = ""
) -> Header:
    """The `WWW-Authenticate` header. `error` is one of RFC 6750, `told` a sentence in ASCII without quotes."""
    parts = {"realm": REALM, "error": error, "error_description": told, "scope": " ".join(scopes)}
    if issuer is not None:
        parts["resource_metadata"] = _address(peer, METADATA_PATH + RESOURCE_PATH)
    said = ", ".join(f'{name}="{value}"' for name, value in parts.items() if value)
    return b"www-authenticate", f"Bearer {said}".encode("latin-1", "replace")


def _address(peer: Peer, path: str) -> str:
    # The host was compared with the list of allowed ones: it holds nothing that a quoted string would not.
    return f"{peer.scheme}://{peer.host.decode('latin-1')}{path}"
