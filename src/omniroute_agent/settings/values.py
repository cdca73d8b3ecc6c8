"""How one value is read, from the file (typed) or from a variable or flag (text): the types of the settings' fields.

A reader raises `ValueError` with what it expected; it never repeats the value, which may be a secret in a wrong place.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from omniroute_agent.kernel.alias import check_alias, refuse_loops
from omniroute_agent.kernel.headers import header_fault
from omniroute_agent.kernel.money import nano_from_usd
from omniroute_agent.kernel.proxy import proxy_of
from omniroute_agent.kernel.quota import QuotaLimit, quota_limit
from omniroute_agent.kernel.secret import Secret

_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_HOST = "[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?"
_YES = ("true", "yes", "on", "1")
_NO = ("false", "no", "off", "0")


def _whole(value: object) -> object:
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("expected a whole number")  # noqa: TRY004 (pydantic reads a ValueError)
    return value


def _seconds(value: object) -> object:
    try:
        number = Decimal(value) if isinstance(value, str | int) and not isinstance(value, bool) else value
    except InvalidOperation:
        number = None
    if not isinstance(number, Decimal) or not number.is_finite() or number <= 0:
        raise ValueError("expected a number of seconds greater than 0")
    return float(number)


def _switch(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() in _YES + _NO:
        return value.strip().lower() in _YES
    if not isinstance(value, bool):
        raise ValueError("expected true or false")  # noqa: TRY004 (pydantic reads a ValueError)
    return value


def _weights(value: object) -> object:
    if not isinstance(value, Mapping):
        raise ValueError('expected a table of numbers, like { "openai/gpt-5-mini" = 3 }')  # noqa: TRY004 (pydantic reads a ValueError)
    numbers: dict[str, float] = {}
    for target, weight in value.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float | Decimal) or not 0 <= weight < float("inf"):
            raise ValueError("expected weights from 0 up")
        numbers[str(target)] = float(weight)
    return numbers


def _options(value: object) -> object:
    if not isinstance(value, Mapping):
        raise ValueError("expected a table, like { sticky = 5 }")  # noqa: TRY004 (pydantic reads a ValueError)
    return {str(name): _plain(inner) for name, inner in value.items()}


def _plain(value: object) -> object:
    """As JSON has it: the file's numbers with a point come as decimals, so that money stays exact."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


def _words(value: object) -> object:
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple):
        raise ValueError("expected a list of texts")  # noqa: TRY004 (pydantic reads a ValueError)
    texts = tuple(word.strip() for word in words if isinstance(word, str) and word.strip())
    if len(texts) != len(words):
        raise ValueError("expected a list of texts, none of them empty")
    return texts


def _dollars(value: object) -> object:
    """USD to nano-dollars. A bare integer is whole dollars here, unlike inside the program."""
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        try:
            nano = nano_from_usd(value)
        except ValueError:
            nano = -1
        if nano >= 0:
            return nano
    raise ValueError('expected an amount of USD that is not negative, like "2.50"')


def _dollars_or_none(value: object) -> object:
    if value is None or (isinstance(value, str) and value.strip().lower() == "none"):
        return None
    try:
        return _dollars(value)
    except ValueError:
        raise ValueError('expected an amount of USD like "5", or "none" for no limit') from None


def _secret(value: object) -> object:
    return Secret(value) if isinstance(value, str) else value


def _headers(value: object) -> object:
    if isinstance(value, dict) and all(isinstance(text, Secret) for text in value.values()):
        return value  # read already
    if not isinstance(value, dict) or not all(isinstance(item, str) for pair in value.items() for item in pair):
        raise ValueError('expected a table of texts, like { "X-Title" = "my notebook" }')
    for name, text in value.items():
        if fault := header_fault(str(name), str(text)):
            raise ValueError(f"the header {str(name)[:100]!r} {fault}")
    return {str(name): Secret(str(text)) for name, text in value.items()}


def _proxy(value: object) -> object:
    return proxy_of(value) if isinstance(value, str) else value


def _proxies(value: object) -> object:
    """A table in the file; `provider=address` with commas in a variable."""
    if isinstance(value, str):
        pairs = [pair.partition("=") for pair in value.split(",")]
        value = {name.strip(): text.strip() for name, _, text in pairs}
    if not isinstance(value, dict) or not all(
        isinstance(item, str) and item for pair in value.items() for item in pair
    ):
        raise ValueError('expected a table of addresses, like { openai = "http://proxy.example:3128" }')
    return {str(name): proxy_of(str(text)) for name, text in value.items()}


def _quotas(value: object) -> object:
    """A table of lists in the file; `connection=quota` with commas in a variable."""
    if isinstance(value, str):
        table: dict[str, list[str]] = {}
        for name, _, text in (pair.partition("=") for pair in value.split(",")):
            table.setdefault(name.strip(), []).append(text)
        value = table
    if not isinstance(value, dict) or not all(isinstance(texts, list) for texts in value.values()):
        raise ValueError('expected a table of lists, like { groq = ["1000 requests/day"] }')
    return {str(name): tuple(quota_limit(str(text)) for text in texts) for name, texts in value.items()}


def _moment(value: object) -> object:
    """A day means its end, in UTC; a time without a zone is UTC."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == len("2027-01-31") else datetime.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, 23, 59, 59, tzinfo=UTC)
    raise ValueError("expected a day like 2027-01-31, or a time like 2027-01-31T12:00:00Z")


def moment(text: str) -> datetime:
    """
    Raises:
        ValueError: what was expected.
    """
    found = _moment(text)
    assert isinstance(found, datetime)
    return found


def is_loopback(host: str) -> bool:
    """Whether a name or address certainly means this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _listening(host: str) -> str:
    if host != "localhost":
        try:
            ip_address(host)
        except ValueError:
            raise ValueError('expected an address of this machine, like "127.0.0.1", or "localhost"') from None
    return host


def _host_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not (re.fullmatch(_HOST, name) or _is_address(name)):
            raise ValueError('expected names as callers write them, without port, like "gateway.example"')
    return tuple(str(ip_address(name)) if _is_address(name) else name.lower() for name in names)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _page_origins(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        parts = urlsplit(text)
        plain = parts.scheme in ("http", "https") and re.fullmatch(rf"{_HOST}(?::[0-9]{{1,5}})?", parts.netloc)
        if not plain or text != f"{parts.scheme}://{parts.netloc}":
            raise ValueError('expected origins as a browser sends them, like "https://app.example", and no "*"')
    return texts


def _networks(value: object) -> object:
    texts = _words(value)
    assert isinstance(texts, tuple)
    try:
        found = tuple(ip_network(text) for text in texts)
    except ValueError:
        found = ()
    # Whoever may claim to be anybody must be named: a net of every address is a mistake.
    if len(found) != len(texts) or any(network.prefixlen == 0 for network in found):
        raise ValueError('expected addresses or networks, like "10.0.0.5" or "10.0.0.0/24"')
    return found


def check_name(text: str) -> str:
    """
    Raises:
        ValueError: what was expected.
    """
    if not re.fullmatch(_NAME, text):
        raise ValueError("a name has up to 64 letters, digits, dots, dashes, underscores; a letter or digit first")
    return text


def check_address(url: str) -> str:
    """An address of an API, without a slash at its end.

    Raises:
        ValueError: what was expected.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable:
        raise ValueError('expected an address like "https://example.com/v1"')
    if parts.username or parts.password:
        raise ValueError("a credential does not belong in an address; use key_env, key_file or headers")
    if parts.query or parts.fragment:
        raise ValueError("expected an address without `?` and `#`")
    return url.rstrip("/")


def _address_or_empty(url: str) -> str:
    return check_address(url) if url else url


def _exact_address_or_empty(url: str) -> str:
    if url:
        check_address(url)
    return url


def _targets(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        connection, _, model = text.partition("/")
        if not connection or not model:
            raise ValueError('expected texts like "connection/model"')
    return texts


def _headed(text: str) -> str:
    provider, slash, model = text.partition("/")
    if not provider or (slash and not model):
        raise ValueError('expected [headers."provider"] or [headers."provider/model"]')
    return text


def priced(text: str) -> str:
    """
    Raises:
        ValueError: what was expected.
    """
    provider, _, model = text.partition("/")
    if not provider or not model:
        raise ValueError('expected [prices."provider/model"]')
    return text


def _aliases(value: object) -> object:
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError('expected a table of texts, like { fast = "openai/gpt-5-mini" }')
    table = {str(pattern): str(target) for pattern, target in value.items()}
    for pattern, target in table.items():
        check_alias(pattern, target)
    refuse_loops(table)
    return table


def _modules(names: tuple[str, ...]) -> tuple[str, ...]:
    if not all(part.isidentifier() for name in names for part in name.split(".")):
        raise ValueError('expected names of Python packages, like "omniroute_tools"')
    return names


AliasTable = Annotated[Mapping[str, str], BeforeValidator(_aliases)]
Whole = Annotated[int, BeforeValidator(_whole)]
Tokens = Annotated[Whole, Field(ge=1, le=1 << 40)]
Seconds = Annotated[float, BeforeValidator(_seconds)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Weights = Annotated[Mapping[str, float], BeforeValidator(_weights)]
Options = Annotated[Mapping[str, JsonValue], BeforeValidator(_options)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Dollars = Annotated[int, BeforeValidator(_dollars)]
Address = Annotated[str, AfterValidator(check_address)]
DollarsOrNone = Annotated[int | None, BeforeValidator(_dollars_or_none)]
SecretText = Annotated[Secret, BeforeValidator(_secret)]
SecretTexts = Annotated[Mapping[str, Secret], BeforeValidator(_headers)]
Proxy = Annotated[Secret, BeforeValidator(_proxy)]
Proxies = Annotated[Mapping[str, Secret], BeforeValidator(_proxies)]
Quotas = Annotated[Mapping[str, tuple[QuotaLimit, ...]], BeforeValidator(_quotas)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Headed = Annotated[str, AfterValidator(_headed)]
ListeningHost = Annotated[str, AfterValidator(_listening)]
HostNames = Annotated[Words, AfterValidator(_host_names)]
PageOrigins = Annotated[Words, AfterValidator(_page_origins)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)]
AddressOrEmpty = Annotated[str, AfterValidator(_address_or_empty)]
ExactAddressOrEmpty = Annotated[str, AfterValidator(_exact_address_or_empty)]
"""One whose last slash counts."""
Targets = Annotated[Words, Field(min_length=1), AfterValidator(_targets)]
Modules = Annotated[Words, AfterValidator(_modules)]
PricedModel = Annotated[str, AfterValidator(priced)]
Name = Annotated[str, Field(pattern=f"^{_NAME}$")]
"""A name people type: at most 64 letters, digits, dots, dashes and underscores; no slash."""
