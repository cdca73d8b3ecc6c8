"""A hook as its owner describes it, and what such a description may hold."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.kernel.secret import Secret

Protocol = Literal["0.3", "1.0"]
"""Version of A2A that a hook came in with; it is told in the same."""

MOST_PER_TASK: Final = 10
MOST_URL: Final = 2048
"""Characters; also below."""
MOST_ID: Final = 256
MOST_SCHEME: Final = 64
MOST_SECRET: Final = 8192

# RFC 9110 §5.6.2 and §11.6.2: a scheme is a token, what follows it goes into one header line.
_SCHEME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_TEXT: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushConfig:
    protocol: Protocol
    url: str
    id: str = ""
    """Empty while it has none."""
    token: Secret | None = None
    """Sent along as it is, so that the receiver knows what the notification is about. Its owner may read it back."""
    scheme: str = ""
    """Of the Authorization header the receiver wants; empty: it wants none."""
    credentials: Secret | None = None
    """What stands behind the scheme. Written and used, never read back."""


def check(config: PushConfig) -> None:
    """
    Raises:
        InvalidRequest: a part of it cannot be kept or sent. The message repeats nothing that may be secret.
    """
    if not config.url:
        raise _wrong("url", "is missing", "Name the https address that notifications are to be sent to.")
    if len(config.url) > MOST_URL:
        raise _wrong("url", f"is longer than {MOST_URL} characters")
    if len(config.id) > MOST_ID or not config.id.isprintable():
        raise _wrong("id", f"is longer than {MOST_ID} characters or does not print")
    if len(config.scheme) > MOST_SCHEME or (config.scheme and not _SCHEME.fullmatch(config.scheme)):
        raise _wrong(
            "authentication.scheme", "is no name of an HTTP authentication scheme", "Say for example `Bearer`."
        )
    if config.credentials and not config.scheme:
        raise _wrong("authentication.scheme", "is missing, although there are credentials", "Say for example `Bearer`.")
    for field, secret in (("token", config.token), ("authentication.credentials", config.credentials)):
        if secret is None:
            continue
        if len(secret.reveal()) > MOST_SECRET:
            raise _wrong(field, f"is longer than {MOST_SECRET} characters")
        if not _HEADER_TEXT.fullmatch(secret.reveal()):
            raise _wrong(field, "cannot be sent in a header", "Use visible ASCII characters only.")


def _wrong(field: str, what: str, hint: str = "") -> InvalidRequest:
    return InvalidRequest(f"The push notification's `{field}` {what}.", hint=hint, facts={"field": field})
