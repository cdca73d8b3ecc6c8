"""The connections that exist: keys in the environment, the owner's own, model servers found on this machine.

The environment comes in as values; model servers are looked for through `ports.http`, in parallel, with a short limit,
and what was found holds for a while. A program that listens on a known port gets no prompt before it showed what it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from omniroute_agent.kernel.errors import NoRoute
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.kernel.tier import Tier
from omniroute_agent.providers.addresses import empty_blanks, filled, from_environment, own_address, wanted
from omniroute_agent.providers.google_account import GoogleAccounts
from omniroute_agent.providers.model import Connection, Endpoint, Provider, Source
from omniroute_agent.providers.probing import identify
from omniroute_agent.providers.proxies import Proxies, proxy_for
from omniroute_agent.providers.table import LOCAL, PROVIDERS

ENVIRONMENT_GUARD: Final = "environment"
"""Keys nobody named for this program spend under this guard."""

PROBE_SECONDS: Final = 0.3
FOUND_SECONDS: Final = 30.0
"""How long a look at this machine holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSpec:
    """A connection as the owner defined it, in the settings or by hand."""

    id: str
    provider: str
    base_url: str | None = None
    key: Secret | None = None
    models: tuple[str, ...] | None = None
    default_model: str | None = None
    tier: Tier | None = None
    headers: Mapping[str, Secret] = field(default_factory=dict)
    proxy: Secret | None = None
    expires_at: datetime | None = None
    source: Source = "settings"
    trouble: str | None = None
    """Why it cannot be used as it is, in a sentence."""


Reach = Callable[[], Awaitable[Endpoint]]

Stored = Callable[[], Awaitable[tuple[ConnectionSpec, ...]]]
"""The connections added by hand. Gives the same tuple again until something changed."""


async def _none_stored() -> tuple[ConnectionSpec, ...]:
    return ()


class Connections:
    """All of them, in a stable order: those added by hand by name, the settings' in their order, the environment's and
    the found ones by the table.
    """

    def __init__(
        self,
        *,
        ports: Ports,
        environment: Mapping[str, Secret],
        specs: Sequence[ConnectionSpec] = (),
        stored: Stored = _none_stored,
        headers: Mapping[str, Mapping[str, Secret]] | None = None,
        proxies: Proxies | None = None,
        local: Callable[[], Connection] | None = None,
        look_on_this_machine: bool = True,
        probe_seconds: float = PROBE_SECONDS,
    ) -> None:
        """`environment` has the variables of `key_variables()` and `blank_variables()` that are set; give an empty one
        to switch it off. `local` and `stored` are asked each time: a model may be fetched and a connection added while
        this process runs. `headers` are sent along, by `provider` and `provider/model`; `proxies` are for what is
        fetched before a call, such as an access token.
        """
        self._ports = ports
        self._look = look_on_this_machine
        self._probe_seconds = probe_seconds
        self._specs = tuple(specs)
        self._environment = environment
        self._embedded = local
        self._headers = headers or {}
        self._proxies = proxies or Proxies()
        self._accounts = GoogleAccounts(ports)
        self._stored = stored
        self._seen: tuple[ConnectionSpec, ...] = ()
        self._merge(self._seen)
        self._found: tuple[Connection, ...] = ()
        self._found_until = float("-inf")
        self._looking = asyncio.Lock()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out of the owner's definitions and why, for `doctor`."""
        return self._notes

    async def all(self) -> tuple[Connection, ...]:
        stored = await self._stored()
        if stored is not self._seen:
            self._merge(stored)
            # A name or an address that was taken or given free decides what is looked for.
            self._found_until = float("-inf")
        local = () if self._local is None else (self._local(),)
        found = (*self._fixed, *await self._servers(), *local)
        return tuple(map(self._headed, found)) if self._headers else found

    async def find(self, connection_id: str) -> Connection | None:
        return next((connection for connection in await self.all() if connection.id == connection_id), None)

    def _merge(self, stored: tuple[ConnectionSpec, ...]) -> None:
        notes: list[str] = []
        self._fixed = _merge((*stored, *self._specs), self._environment, notes, self._way)
        self._local = _unless_taken(self._embedded, self._fixed, notes)
        self._notes = tuple(notes)
        self._taken = {connection.id for connection in self._fixed} | {LOCAL.id}
        self._addresses = {_address(spec.base_url) for spec in (*stored, *self._specs) if spec.base_url}
        self._seen = stored

    def _way(self, provider: Provider, endpoint: Endpoint) -> Reach:
        if provider.auth == "google-account":
            return self._accounts.reach(endpoint, proxy_for(endpoint, self._proxies.outside_combos(provider.id)))
        return _at(endpoint)

    def _headed(self, connection: Connection) -> Connection:
        name = connection.provider.id
        found = {
            place.removeprefix(name).removeprefix("/"): headers
            for place, headers in self._headers.items()
            if place == name or place.startswith(f"{name}/")
        }
        return replace(connection, headers=found) if found else connection

    async def _servers(self) -> tuple[Connection, ...]:
        if not self._look:
            return ()
        if self._ports.monotonic() < self._found_until:
            return self._found
        async with self._looking:
            # Another caller may have looked while this one waited.
            if self._ports.monotonic() >= self._found_until:
                self._found = await self._look_around()
                self._found_until = self._ports.monotonic() + FOUND_SECONDS
        return self._found

    async def _look_around(self) -> tuple[Connection, ...]:
        candidates = [
            provider
            for provider in PROVIDERS.values()
            if provider.probe is not None
            and provider.id not in self._taken
            # The owner named this address: it is theirs to describe.
            and _address(provider.base_url) not in self._addresses
        ]
        answers = await asyncio.gather(
            *(identify(self._ports.http, provider, seconds=self._probe_seconds) for provider in candidates)
        )
        return tuple(
            _of_server(provider, models)
            for provider, models in zip(candidates, answers, strict=True)
            if models is not None
        )


def key_variables() -> tuple[str, ...]:
    """Names of all environment variables that may hold a provider's key, in the table's order."""
    return tuple(dict.fromkeys(name for provider in PROVIDERS.values() for name in provider.env))


def blank_variables() -> tuple[str, ...]:
    """Names of all environment variables that may hold a part of an address."""
    return tuple(
        dict.fromkeys(name for provider in PROVIDERS.values() for blank in provider.blanks for name in blank.env)
    )


def server_addresses() -> tuple[str, ...]:
    """Where model servers live on this machine; the address guard of `ports.http` has to let these pass."""
    return tuple(provider.base_url for provider in PROVIDERS.values() if is_own_machine(provider.base_url))


_KEY_HEADERS: Final = ("x-api-key", "x-goog-api-key", "api-key")


def request_headers(connection: Connection, endpoint: Endpoint, model: str) -> dict[str, str]:
    """Headers of a request for this model: of the owner's, the narrower ones win. Provider, model, then connection."""
    wider: dict[str, Secret] = {}
    for place in ("", model):
        wider |= {name.lower(): value for name, value in connection.headers.get(place, {}).items()}
    own = {name.lower(): value for name, value in endpoint.secret_headers}
    return auth_headers(connection.provider, replace(endpoint, secret_headers=tuple((wider | own).items())))


def auth_headers(provider: Provider, endpoint: Endpoint) -> dict[str, str]:
    """Headers of a request to this endpoint, the credential among them: never for logs.

    A later one replaces an earlier one of the same name: the provider's, the credential, the endpoint's, the owner's.
    A provider that needs no key still gets the one its owner set.
    """
    headers: dict[str, str] = {name.lower(): value for name, value in provider.headers}
    if endpoint.secret:
        if provider.auth in _KEY_HEADERS:
            headers[provider.auth] = endpoint.secret.reveal()
        else:
            headers["authorization"] = f"Bearer {endpoint.secret.reveal()}"
    headers |= {name.lower(): value for name, value in endpoint.headers}
    return headers | {name.lower(): value.reveal() for name, value in endpoint.secret_headers}


def _merge(
    specs: Iterable[ConnectionSpec],
    environment: Mapping[str, Secret],
    notes: list[str],
    way: Callable[[Provider, Endpoint], Reach],
) -> tuple[Connection, ...]:
    """What was added by hand wins over the settings, these over the environment; what loses is noted."""
    fixed: dict[str, Connection] = {}
    for spec in specs:
        provider = PROVIDERS.get(spec.provider)
        if provider is None:
            notes.append(f"Connection `{spec.id}` names the provider `{spec.provider}`, which is not known here.")
        elif spec.id in fixed:
            notes.append(_twice(fixed[spec.id]))
        else:
            fixed[spec.id] = _of_spec(spec, provider, from_environment(provider, environment), way)
    for connection in _of_environment(environment, way):
        if connection.id in fixed:
            notes.append(f"Connection `{connection.id}` {_whose(fixed[connection.id])} the key in the environment.")
        else:
            fixed[connection.id] = connection
    return tuple(fixed.values())


def _twice(first: Connection) -> str:
    if first.source == "stored":
        return f"Connection `{first.id}` {_whose(first)} the one in your settings."
    return f"Connection `{first.id}` is defined twice; the first definition is used."


def _whose(connection: Connection) -> str:
    origin = "added by hand" if connection.source == "stored" else "of your settings"
    return f"{origin} is used instead of"


def _unless_taken(
    local: Callable[[], Connection] | None, fixed: Iterable[Connection], notes: list[str]
) -> Callable[[], Connection] | None:
    """Settings win over the embedded model too."""
    taken = next((connection for connection in fixed if connection.id == LOCAL.id), None)
    if local is not None and taken is not None:
        notes.append(f"Connection `{LOCAL.id}` {_whose(taken)} the embedded model.")
        return None
    return local


def _of_environment(
    environment: Mapping[str, Secret], way: Callable[[Provider, Endpoint], Reach]
) -> Iterable[Connection]:
    for provider in PROVIDERS.values():
        key = next((environment[name] for name in provider.env if environment.get(name)), None)
        if key is not None:
            base_url, missing = _address_of(
                provider, from_environment(provider, environment), f"connections add {provider.id}"
            )
            endpoint = Endpoint(base_url=base_url, secret=key)
            yield Connection(
                id=provider.id,
                provider=provider,
                source="environment",
                tier=provider.tier,
                reach=way(provider, endpoint) if missing is None else _nowhere(missing),
                default_model=provider.default_model,
                guard=ENVIRONMENT_GUARD,
                unavailable=missing,
            )


def _address_of(provider: Provider, values: Mapping[str, str], command: str) -> tuple[str, str | None]:
    """The provider's address with its blanks filled, or why it cannot be and what to do; `command` fills them too."""
    if left := empty_blanks(provider, values):
        names = ", ".join(name for blank in left for name in blank.env[:1])
        settings = " ".join(f"--set {blank.name}=…" for blank in left)
        way = f"set {names}, " if names else ""
        return "", (
            f"The address of {provider.title} lacks {wanted(left)}: {way}give base_url in your settings, "
            f"or run `{command} {settings}`."
        )
    try:
        return filled(provider, values), None
    except ValueError as error:
        return "", f"The environment holds no part of an address: {error}."


def _of_spec(
    spec: ConnectionSpec, provider: Provider, values: Mapping[str, str], way: Callable[[Provider, Endpoint], Reach]
) -> Connection:
    if spec.base_url:
        base_url, blank = own_address(provider, spec.base_url), None
    else:
        more = " --replace" if spec.source == "stored" else f" --provider {provider.id}" * (spec.id != provider.id)
        base_url, blank = _address_of(provider, values, f"connections add {spec.id}{more}")
    endpoint = Endpoint(
        base_url=base_url,
        secret_headers=tuple(spec.headers.items()),
        secret=spec.key,
        loopback=is_own_machine(base_url),
        proxy=spec.proxy,
    )
    default = spec.default_model or (spec.models[0] if spec.models else provider.default_model)
    if spec.models and default not in spec.models:
        default = spec.models[0]
    missing = spec.trouble or blank or _missing(spec, provider, base_url)
    return Connection(
        id=spec.id,
        provider=provider,
        source=spec.source,
        tier=spec.tier or provider.tier,
        reach=way(provider, endpoint) if missing is None else _nowhere(missing),
        models=spec.models,
        default_model=default,
        unavailable=missing,
        expires_at=spec.expires_at,
    )


def _missing(spec: ConnectionSpec, provider: Provider, base_url: str) -> str | None:
    if not base_url:
        return f"Connection `{spec.id}` has no address: set its base_url."
    # At an address of one's own, or with a credential in the headers, a key may not be needed.
    own = bool(spec.base_url) and not provider.blanks
    if not spec.key and provider.auth != "none" and not own and not spec.headers:
        way = "run `connections add --replace`" if spec.source == "stored" else "set key_env or key_file"
        return f"Connection `{spec.id}` has no key: {way}, and check that it is not empty."
    return None


def _of_server(provider: Provider, models: tuple[str, ...]) -> Connection:
    chat = [name for name in models if "embed" not in name.lower()]
    return Connection(
        id=provider.id,
        provider=provider,
        source="loopback",
        tier=provider.tier,
        reach=_at(Endpoint(base_url=provider.base_url, loopback=True)),
        models=models,
        default_model=chat[0] if chat else None,
        unavailable=None if models else f"{provider.title} runs but has no model yet: get or load one there.",
    )


def _at(endpoint: Endpoint) -> Reach:
    async def reach() -> Endpoint:
        return endpoint

    return reach


def _nowhere(why: str) -> Reach:
    async def reach() -> Endpoint:
        raise NoRoute(why)

    return reach


def is_own_machine(url: str) -> bool:
    """Whether an address certainly means this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _address(url: str) -> tuple[str, int | None]:
    """Host and port, with every name of this machine's loopback as one."""
    parts = urlsplit(url)
    return ("loopback" if is_own_machine(url) else parts.hostname or "", parts.port)
