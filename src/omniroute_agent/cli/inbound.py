"""What the settings say of who may come in, as the HTTP door takes it."""

from ipaddress import ip_address
from typing import Final

from omniroute_agent.doors.access import Access
from omniroute_agent.doors.challenge import Issuer
from omniroute_agent.doors.holders import Credentials
from omniroute_agent.doors.hosts import LOOPBACK
from omniroute_agent.doors.limits import InboundLimits
from omniroute_agent.doors.listen import Certificate
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.settings.inbound import AuthSettings, ServerSettings

_MIB: Final = 1024 * 1024


def access_of(server: ServerSettings) -> Access:
    return Access(
        hosts=LOOPBACK | {*server.hosts, *_own_name(server)},
        origins=frozenset(server.cors_origins),
        proxies=server.trusted_proxies,
        # Without TLS of our own, a caller from elsewhere would send its key in the open.
        only_by_proxy=server.looks_outward and server.tls_cert is None,
    )


def _own_name(server: ServerSettings) -> tuple[str, ...]:
    """The address listened on, as a name callers may use; one that stands for every address is no name."""
    if server.host == "localhost":
        return ()
    address = ip_address(server.host)
    return () if address.is_unspecified else (str(address),)


def limits_of(server: ServerSettings) -> InboundLimits:
    return InboundLimits(
        under_way=server.requests_at_once,
        together=server.requests_together,
        per_second=server.requests_per_second,
        sessions=server.sessions_per_key,
        body_bytes=server.max_body_mib * _MIB,
    )


def certificate_of(server: ServerSettings) -> Certificate | None:
    if server.tls_cert is None or server.tls_key is None:
        return None
    return Certificate(chain=server.tls_cert, key=server.tls_key)


def issuer_of(auth: AuthSettings) -> Issuer | None:
    return Issuer(url=auth.issuer, audience=auth.audience) if auth.issuer else None


def tokens_of(auth: AuthSettings, ports: Ports) -> tuple[Credentials, ...]:
    issuer = issuer_of(auth)
    if issuer is None:
        return ()
    # Imported here because few owners have an issuer.
    from omniroute_agent.doors.signing_keys import SigningKeys, from_address, from_file  # noqa: PLC0415 (lazy)
    from omniroute_agent.doors.tokens import Tokens  # noqa: PLC0415 (lazy)

    read = from_address(ports, auth.jwks_url) if auth.jwks_file is None else from_file(auth.jwks_file)
    return (Tokens(issuer, SigningKeys(read, ports.monotonic), ports.now),)
