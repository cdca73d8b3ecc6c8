"""Google service accounts: their JSON buys access tokens that are good for an hour.

The exchange: https://developers.google.com/identity/protocols/oauth2/service-account#httprest (read 2026-11-21).
The address of the token server is Google's own and not the one that the JSON names: a key is sent nowhere else.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import httpx2

from omniroute_agent.kernel.errors import NoRoute
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.kernel.strict_json import BadJson, decode
from omniroute_agent.providers.model import Endpoint
from omniroute_agent.providers.reading import CannotRead, request
from omniroute_agent.providers.refresh import Fresh, Refresher

TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE: Final = 3600
"""Seconds an assertion is good for: the most Google allows."""
_SECONDS: Final = 15.0
_MAX_BODY: Final = 65_536
_HELP: Final = "Check the service account's key, and that this machine's clock is right."


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    email: str
    private_key: Secret
    key_id: str = ""


def service_account(secret: Secret | None) -> ServiceAccount | None:
    """The account whose JSON this is; None when it is something else, such as an access token."""
    try:
        found = decode(secret.reveal()) if secret else None
    except BadJson:
        return None
    if not isinstance(found, dict):
        return None
    email, key, key_id = (found.get(name) for name in ("client_email", "private_key", "private_key_id"))
    if not isinstance(email, str) or not isinstance(key, str):
        return None
    return ServiceAccount(email=email, private_key=Secret(key), key_id=key_id if isinstance(key_id, str) else "")


class GoogleAccounts:
    """Access tokens, one refresher per account and way out, kept while connections come and go around them."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._held: dict[tuple[Secret, Secret | None], Refresher[Secret]] = {}

    def reach(self, endpoint: Endpoint, proxy: Secret | None) -> Callable[[], Awaitable[Endpoint]]:
        """The endpoint with a token in place of the account's JSON."""
        account, secret = service_account(endpoint.secret), endpoint.secret

        async def with_token() -> Endpoint:
            if account is None or secret is None:
                return endpoint
            return replace(endpoint, secret=await self._refresher(account, secret, proxy).get())

        return with_token

    def _refresher(self, account: ServiceAccount, secret: Secret, proxy: Secret | None) -> Refresher[Secret]:
        held = self._held.get((secret, proxy))
        if held is None:

            async def fetch() -> Fresh[Secret]:
                return await fetch_token(self._ports, account, proxy)

            held = self._held[secret, proxy] = Refresher(fetch, self._ports.monotonic)
        return held


async def fetch_token(ports: Ports, account: ServiceAccount, proxy: Secret | None) -> Fresh[Secret]:
    """
    Raises:
        NoRoute: there is none, and why.
    """
    signed = assertion(account, int(ports.now().timestamp())).reveal()
    form = {"grant_type": _GRANT, "assertion": signed}
    try:
        answer = await request(ports.http, "POST", TOKEN_URL, form=form, seconds=_SECONDS, proxy=proxy, limit=_MAX_BODY)
    except CannotRead as error:
        raise NoRoute(
            f"No access token for {account.email}: Google's token server gave none. {error}",
            hint="Check that this machine reaches https://oauth2.googleapis.com.",
        ) from None
    return _token(account, answer.status, answer.body)


def _token(account: ServiceAccount, status: int, body: bytes) -> Fresh[Secret]:
    try:
        answer = decode(body)
    except BadJson:
        answer = None
    found = answer if isinstance(answer, dict) else {}
    token, seconds = found.get("access_token"), found.get("expires_in")
    if status != httpx2.codes.OK or not isinstance(token, str) or not token:
        why = found.get("error")
        said = f"{status}, {why}" if isinstance(why, str) and why.isidentifier() else str(status)
        raise NoRoute(f"No access token for {account.email}: Google's token server answers {said}.", hint=_HELP)
    good = float(seconds) if isinstance(seconds, int | float) and seconds > 0 else float(_LIFE)
    return Fresh(Secret(token), good)


def assertion(account: ServiceAccount, now: int) -> Secret:
    """The signed claim that is exchanged for a token; `now` is an epoch.

    Raises:
        NoRoute: its private key cannot be used.
    """
    # The cipher library is loaded when something is signed: most starts sign nothing.
    from omniroute_agent.outside.signing import rs256  # noqa: PLC0415 (lazy)

    head = {"alg": "RS256", "typ": "JWT", **({"kid": account.key_id} if account.key_id else {})}
    claims = {"iss": account.email, "scope": SCOPE, "aud": TOKEN_URL, "iat": now, "exp": now + _LIFE}
    content = b".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    try:
        signature = rs256(account.private_key, content)
    except ValueError as error:
        raise NoRoute(f"The service account {account.email} cannot sign: {error}.", hint=_HELP) from None
    return Secret((content + b"." + _base64(signature)).decode())


def _base64(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")
