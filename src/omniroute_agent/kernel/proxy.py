"""The address of an outbound proxy. It may hold a password, so it travels as a secret."""

from typing import Final
from urllib.parse import urlsplit

from omniroute_agent.kernel.secret import Secret

SCHEMES: Final = ("http", "https", "socks5", "socks5h")
DIRECTLY: Final = Secret("")
"""In place of a proxy: none, whatever else is set."""
_DIRECT_WORD: Final = "none"


def proxy_of(text: str) -> Secret:
    """`http://…`, `https://…`, `socks5://…` (or `socks5h`, the same: the proxy resolves names), or `none`.

    Raises:
        ValueError: what was expected; never repeats the text.
    """
    if text.strip().lower() == _DIRECT_WORD:
        return DIRECTLY
    try:
        parts = urlsplit(text)
        usable = parts.scheme in SCHEMES and bool(parts.hostname) and (parts.port or 1) > 0
        bare = parts.path in ("", "/") and not parts.query and not parts.fragment
    except ValueError:
        usable = bare = False
    if not usable or not bare or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError('expected a proxy like "http://proxy.example:3128" or "socks5://127.0.0.1:1080", or "none"')
    return Secret(text.rstrip("/"))


def has_password(proxy: Secret) -> bool:
    return "@" in proxy.reveal()


def shown(proxy: Secret) -> str:
    """The address without what is secret in it, for people."""
    if not proxy:
        return _DIRECT_WORD
    parts = urlsplit(proxy.reveal())
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{'***@' if has_password(proxy) else ''}{host}{f':{parts.port}' if parts.port else ''}"
