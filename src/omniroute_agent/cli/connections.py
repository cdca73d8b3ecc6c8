"""`connections`: add, list, try and remove what was added by hand, and change the key that seals it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from omniroute_agent.app import House
from omniroute_agent.cli.failures import USAGE, CommandFailed
from omniroute_agent.cli.house import in_house
from omniroute_agent.cli.page import out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.cli.typed_keys import KeySource, key_refused, looks_like_key, read_key, refuse_keys
from omniroute_agent.kernel.errors import Conflict, InvalidRequest, NotFound, not_found
from omniroute_agent.kernel.headers import header_fault
from omniroute_agent.kernel.proxy import has_password, proxy_of, shown
from omniroute_agent.kernel.sealed import CannotUnseal
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.kernel.tier import Tier
from omniroute_agent.providers.addresses import filled
from omniroute_agent.providers.discovery import is_own_machine
from omniroute_agent.providers.expiry import expiry_note
from omniroute_agent.providers.model import Connection, Provider
from omniroute_agent.providers.stored import Edit, StoredConnection
from omniroute_agent.providers.table import LOCAL, PROVIDERS
from omniroute_agent.settings.sources import named_key
from omniroute_agent.settings.values import check_address, check_name, moment

T = TypeVar("T")

_NEVER: Final = "never"
_ORIGINS: Final[Mapping[str, str]] = {
    "environment": "a key in the environment",
    "settings": "the settings file",
    "loopback": "a model server that runs on this machine",
    "local": "the embedded model",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What stands on the command line; None and empty: not given."""

    id: str
    provider: str | None
    base_url: str | None
    models: str | None
    default_model: str | None
    tier: Tier | None
    headers: tuple[str, ...]
    """`NAME=VALUE`"""
    secret_headers: tuple[str, ...]
    """`NAME=VARIABLE`"""
    proxy: str | None
    proxy_env: str | None
    expires: str | None
    on: bool | None
    replace: bool
    key: KeySource
    blanks: tuple[str, ...] = ()
    """`NAME=VALUE`, parts of the provider's address."""
    stray: tuple[str, ...] = ()
    """Words that belong to no option."""
    typed_key: str | None = field(default=None, repr=False)
    """What was given with `--key`, which is refused."""


def add_connection(start: Start, wanted: Wanted, *, as_json: bool) -> int:
    _refuse_keys(wanted)
    edit = _edit(wanted)
    settings = start.settings()
    key, decided = _key(wanted)

    async def work(house: House) -> StoredConnection:
        return await house.stored.put(wanted.id, lambda before: _with_key(edit(before), key, decided=decided))

    saved = _opened(lambda: in_house(settings, work))
    if as_json:
        print_json({"connection": _stored_json(saved)})
    else:
        page = out()
        sealed = "; its secrets are sealed" if saved.key or saved.headers else ""
        page.line(f"{saved.id} is kept for {PROVIDERS[saved.provider].title}{sealed}.")
        page.line(f"Try it: `omniroute-agent connections test {saved.id}`.", "dim")
    return 0


def list_connections(start: Start, *, as_json: bool) -> int:
    async def work(house: House) -> list[dict[str, Any]]:
        stored = {each.id: each for each in await house.stored.all()}
        now = house.parts.ports.now()
        return [_listed(each, stored, now) for each in await house.parts.connections.all()]

    found = in_house(start.settings(), work)
    if as_json:
        print_json({"connections": found})
        return 0
    page = out()
    if not found:
        page.line("There is no connection yet. `omniroute-agent connections add openai` adds one.")
        return 0
    head = ("connection", "provider", "from", "tier", "model", "expires", "state")
    page.table(
        head,
        [
            (
                each["id"],
                each["provider"],
                each["source"],
                each["tier"],
                each["default_model"] or "-",
                (each["expires_at"] or "-")[:10],
                each["note"] or each["state"],
            )
            for each in found
        ],
    )
    return 0


def remove_connection(start: Start, name: str, *, as_json: bool) -> int:
    refuse_keys((name,))

    async def work(house: House) -> None:
        if await house.stored.remove(name):
            return
        elsewhere = await house.parts.connections.find(name)
        if elsewhere is not None:
            raise InvalidRequest(
                f"`{name}` was not added by hand: it comes from {_ORIGINS[elsewhere.source]}.",
                hint="Remove it there, or switch it off: "
                f"`omniroute-agent connections add {name} --provider {elsewhere.provider.id} --no-key --off`.",
            )
        raise not_found("connection", name, [each.id for each in await house.stored.all()])

    in_house(start.settings(), work)
    if as_json:
        print_json({"removed": name})
    else:
        out().line(f"{name} is removed, and its key with it.")
    return 0


def rotate_key(start: Start, *, as_json: bool) -> int:
    count, where = _opened(lambda: in_house(start.settings(), lambda house: house.stored.rotate()))
    if as_json:
        print_json({"resealed": count, "where": where})
    else:
        out().line(f"Connections sealed anew: {count}. The master key: {where}.")
    return 0


def _refuse_keys(wanted: Wanted) -> None:
    if wanted.typed_key is not None:
        raise key_refused()
    texts = (wanted.id, wanted.provider, wanted.base_url, wanted.default_model, wanted.expires, wanted.key.variable)
    refuse_keys([*wanted.stray, *(text for text in texts if text), *(wanted.models or "").split(",")])
    if wanted.stray:
        raise _wrong(f"There are {len(wanted.stray)} words too many behind the name.")
    for text in wanted.headers:
        if looks_like_key(text.partition("=")[2].strip()):
            raise key_refused("Use --header-env NAME=VARIABLE for this header.")


def _edit(wanted: Wanted) -> Edit:
    """What the command line changes. Everything that can be checked without the database is checked here.

    Raises:
        CommandFailed: something is wrong with it.
    """
    changes = _changes(wanted)
    values = _blanks(wanted)

    def edit(before: StoredConnection | None) -> StoredConnection:
        if before is not None and not wanted.replace:
            raise Conflict(
                f"A connection `{wanted.id}` was added already.",
                hint="--replace changes it and keeps what is not given; another name adds a second account.",
            )
        if before is None and wanted.replace:
            raise NotFound(f"No connection `{wanted.id}` was added by hand.", hint="Leave --replace away to add it.")
        provider = wanted.provider or (before.provider if before else wanted.id)
        if provider not in PROVIDERS or provider == LOCAL.id:
            raise not_found("provider", provider, [name for name in PROVIDERS if name != LOCAL.id])
        after = replace(before or StoredConnection(id=wanted.id, provider=provider), provider=provider, **changes)
        if values:
            after = replace(after, base_url=_filled(PROVIDERS[provider], values))
        if not after.base_url and not PROVIDERS[provider].base_url:
            raise InvalidRequest(f"`{provider}` has no address of its own.", hint="Give the API's with --base-url.")
        return after

    return edit


def _blanks(wanted: Wanted) -> dict[str, str]:
    """
    Raises:
        CommandFailed: one is not written as NAME=VALUE, or there is a whole address too.
    """
    pairs = [text.partition("=") for text in wanted.blanks]
    for name, _, value in pairs:
        if not name.strip() or not value.strip():
            raise _wrong(f"--set {name[:100]} has no value: write NAME=VALUE.")
    if pairs and wanted.base_url is not None:
        raise _wrong("--set fills the provider's own address; leave it away with --base-url.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _filled(provider: Provider, values: Mapping[str, str]) -> str:
    """
    Raises:
        InvalidRequest: they do not fill the provider's address.
    """
    try:
        return filled(provider, values)
    except ValueError as error:
        raise InvalidRequest(f"{error}.", hint=f"Its address: {provider.base_url}") from None


def _changes(wanted: Wanted) -> dict[str, Any]:
    """Fields of a stored connection that the command line gives."""
    try:
        check_name(wanted.id)
        found: dict[str, Any] = {
            "base_url": None if wanted.base_url is None else check_address(wanted.base_url),
            "proxy": _proxy(wanted),
            "expires_at": None if wanted.expires in (None, _NEVER) else moment(wanted.expires or "").astimezone(UTC),
        }
    except ValueError as error:
        raise _wrong(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    found |= {
        "headers": _headers(wanted) or None,
        "models": tuple(filter(None, map(str.strip, (wanted.models or "").split(",")))) or None,
        "default_model": wanted.default_model,
        "tier": wanted.tier,
        "enabled": wanted.on,
    }
    never = {"expires_at": None} if wanted.expires == _NEVER else {}
    return {name: value for name, value in found.items() if value is not None} | never


def _key(wanted: Wanted) -> tuple[Secret | None, bool]:
    """The key, and whether it was decided here; a connection that is changed keeps its own unless one is given."""
    if wanted.key.given or not (wanted.replace or _needs_no_key(wanted)):
        return read_key(wanted.key, f"Key for {wanted.id} (not shown): "), True
    return None, False


def _needs_no_key(wanted: Wanted) -> bool:
    provider = PROVIDERS.get(wanted.provider or wanted.id)
    if provider is None:
        # Nothing is asked for what will be refused.
        return not wanted.replace
    return provider.auth == "none" or (wanted.base_url is not None and is_own_machine(wanted.base_url))


def _with_key(connection: StoredConnection, key: Secret | None, *, decided: bool) -> StoredConnection:
    # What did not open is given up with its key: the rest of it was not sealed.
    return replace(connection, key=key, trouble=None) if decided else connection


def _headers(wanted: Wanted) -> dict[str, Secret]:
    """
    Raises:
        CommandFailed: a header may not be sent, or its variable is not set.
    """
    found: dict[str, Secret] = {}
    for text in wanted.headers:
        name, _, value = text.partition("=")
        found[name.strip()] = Secret(value.strip())
    for text in wanted.secret_headers:
        name, _, variable = text.partition("=")
        named = named_key(variable.strip())
        if named is None or named.secret is None:
            raise _wrong(f"The environment variable {variable.strip()[:100]} for {name[:100]} holds no value.")
        found[name.strip()] = named.secret
    for name, secret in found.items():
        if not secret:
            raise _wrong(f"The header {name[:100]!r} has no value: write NAME=VALUE.")
        if fault := header_fault(name, secret.reveal()):
            raise _wrong(f"The header {name[:100]!r} {fault}.")
    return found


def _proxy(wanted: Wanted) -> Secret | None:
    """
    Raises:
        CommandFailed: a password on the command line, or no value in the variable.
        ValueError: no proxy.
    """
    if wanted.proxy_env is not None:
        named = named_key(wanted.proxy_env)
        if named is None or named.secret is None:
            raise _wrong(f"The environment variable {wanted.proxy_env} holds no proxy.")
        return proxy_of(named.secret.reveal())
    if wanted.proxy is None:
        return None
    proxy = proxy_of(wanted.proxy)
    if has_password(proxy):
        raise _wrong(
            "A proxy's password does not belong on the command line.",
            "Put the whole address into a variable and name it with --proxy-env.",
        )
    return proxy


def _listed(connection: Connection, stored: Mapping[str, StoredConnection], now: datetime) -> dict[str, Any]:
    own = stored.get(connection.id) if connection.source == "stored" else None
    return {
        "id": connection.id,
        "provider": connection.provider.id,
        "source": connection.source,
        "tier": connection.tier,
        "default_model": connection.default_model,
        "models": None if connection.models is None else list(connection.models),
        "state": "unavailable" if connection.unavailable else "ready",
        "note": connection.unavailable or expiry_note(connection.expires_at, now),
        "expires_at": None if connection.expires_at is None else connection.expires_at.isoformat(),
        "stored": None if own is None else _stored_json(own),
    }


def _stored_json(stored: StoredConnection) -> dict[str, Any]:
    return {
        "id": stored.id,
        "provider": stored.provider,
        "base_url": stored.base_url,
        "has_key": stored.key is not None,
        "models": None if stored.models is None else list(stored.models),
        "default_model": stored.default_model,
        "tier": stored.tier,
        "headers": sorted(stored.headers),
        "proxy": None if stored.proxy is None else shown(stored.proxy),
        "expires_at": None if stored.expires_at is None else stored.expires_at.isoformat(),
        "enabled": stored.enabled,
        "trouble": stored.trouble,
    }


def _opened(work: Callable[[], T]) -> T:
    """
    Raises:
        CommandFailed: something sealed does not open, or there is no key to seal with.
    """
    try:
        return work()
    except CannotUnseal as error:
        text = str(error)
        raise CommandFailed(
            f"Nothing was changed: {text}.",
            "`omniroute-agent connections ls` shows what can be opened.",
            "cannot_unseal",
        ) from None


def _wrong(message: str, hint: str = "Try `omniroute-agent connections add --help`.") -> CommandFailed:
    return CommandFailed(message, hint, "usage", USAGE)
