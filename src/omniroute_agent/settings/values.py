"""How one value is read, from the file (typed) or from a variable or flag (text): the types of the settings' fields.

A reader raises `ValueError` with what it expected; it never repeats the value, which may be a secret in a wrong place.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from omniroute_agent.kernel.money import nano_from_usd
from omniroute_agent.kernel.secret import Secret

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
    if not isinstance(value, dict) or not all(isinstance(item, str) for pair in value.items() for item in pair):
        raise ValueError('expected a table of texts, like { "X-Title" = "my notebook" }')
    return {str(name): Secret(str(text)) for name, text in value.items()}


def is_loopback(host: str) -> bool:
    """Whether a name or address certainly means this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _loopback(host: str) -> str:
    if not is_loopback(host):
        raise ValueError(
            'expected a loopback address ("127.0.0.1", "::1" or "localhost"); others are refused until callers can be '
            "told apart by keys with scopes"
        )
    return host


def _address(url: str) -> str:
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
    return _address(url) if url else url


def _targets(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        connection, _, model = text.partition("/")
        if not connection or not model:
            raise ValueError('expected texts like "connection/model"')
    return texts


def _priced(text: str) -> str:
    provider, _, model = text.partition("/")
    if not provider or not model:
        raise ValueError('expected [prices."provider/model"]')
    return text


def _modules(names: tuple[str, ...]) -> tuple[str, ...]:
    if not all(part.isidentifier() for name in names for part in name.split(".")):
        raise ValueError('expected names of Python packages, like "omniroute_tools"')
    return names


Whole = Annotated[int, BeforeValidator(_whole)]
Seconds = Annotated[float, BeforeValidator(_seconds)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Dollars = Annotated[int, BeforeValidator(_dollars)]
Address = Annotated[str, AfterValidator(_address)]
DollarsOrNone = Annotated[int | None, BeforeValidator(_dollars_or_none)]
SecretText = Annotated[Secret, BeforeValidator(_secret)]
SecretTexts = Annotated[Mapping[str, Secret], BeforeValidator(_headers)]
LoopbackHost = Annotated[str, AfterValidator(_loopback)]
AddressOrEmpty = Annotated[str, AfterValidator(_address_or_empty)]
Targets = Annotated[Words, Field(min_length=1), AfterValidator(_targets)]
Modules = Annotated[Words, AfterValidator(_modules)]
PricedModel = Annotated[str, AfterValidator(_priced)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""A name people type: at most 64 letters, digits, dots, dashes and underscores; no slash."""
