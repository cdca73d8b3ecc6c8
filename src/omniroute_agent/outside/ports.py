"""The ports of a real run."""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from omniroute_agent import __version__
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.outside.addresses import AllowedOrigins
from omniroute_agent.outside.ids import SortableIds

USER_AGENT = f"omniroute-agent/{__version__}"


def real_ports(origins: AllowedOrigins | None = None) -> Ports:
    """Ports of this machine. `origins` is filled from the owner's configuration, also after this call.

    The client must be closed by whoever asked for the ports. It neither follows redirects nor reads the environment,
    and its own time limits are those of the request: the engine sets four of them.
    """
    allowed = AllowedOrigins() if origins is None else origins
    return Ports(
        now=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
        sleep=asyncio.sleep,
        dice=random.Random(random.SystemRandom().getrandbits(128)),  # noqa: S311 (routes are drawn, not keys)
        new_id=SortableIds(),
        http=httpx2.AsyncClient(
            transport=_LazyTransport(lambda: _ways_out(allowed)),
            trust_env=False,
            follow_redirects=False,
            headers={"user-agent": USER_AGENT},
            # One client serves every connection: a cookie of one credential must not travel with another.
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        ),
    )


def new_secret() -> str:
    """A fresh credential of 256 random bits, safe in URLs and headers."""
    return secrets.token_urlsafe(32)


def quiet_http_logs() -> None:
    """Keep the HTTP libraries from logging URLs, which may carry a key in their query. Called once by the app."""
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _LazyTransport(httpx2.AsyncBaseTransport):
    """Builds the real transport at the first request."""

    def __init__(self, build: Callable[[], httpx2.AsyncBaseTransport]) -> None:
        self._build = build
        self._built: httpx2.AsyncBaseTransport | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._built is None:
            self._built = self._build()
        return await self._built.handle_async_request(request)

    async def aclose(self) -> None:
        if self._built is not None:
            await self._built.aclose()


def _ways_out(origins: AllowedOrigins) -> httpx2.AsyncBaseTransport:
    from omniroute_agent.outside.ways import WaysOut  # noqa: PLC0415 (lazy: HTTP machinery, TLS context)

    return WaysOut(origins)
