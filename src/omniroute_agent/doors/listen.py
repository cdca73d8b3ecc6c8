"""Serving the HTTP side until the process is told to stop."""

import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import uvicorn

from omniroute_agent.doors.gate import Gate
from omniroute_agent.doors.impatient import BODY_SECONDS, HEADER_SECONDS, impatient
from omniroute_agent.doors.serving import CannotServe, stopped_by_signals

DRAIN_SECONDS: Final = 10
MCP_IS_AT: Final = "MCP at /mcp, for old clients at /sse"
_BACKLOG: Final = 2048
_KEEP_ALIVE_SECONDS: Final = 75


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """For TLS. Both files are in PEM, the key without a password."""

    chain: Path
    key: Path


async def serve_http(
    app: Gate,
    host: str,
    port: int,
    *,
    drain_seconds: int = DRAIN_SECONDS,
    ready: Callable[[int], None] | None = None,
    leaving: Callable[[], None] | None = None,
    certificate: Certificate | None = None,
    header_seconds: float = HEADER_SECONDS,
    body_seconds: float = BODY_SECONDS,
    serves: str = MCP_IS_AT,
) -> None:
    """Serve until SIGTERM or SIGINT, then let requests under way finish for at most `drain_seconds`.

    `ready` is told the port once connections are accepted; port 0 takes a free one. One line on stderr says where, and
    what it `serves`.
    `leaving` is called while the port is still ours.

    Raises:
        CannotServe: the address is taken or cannot be had; others than this machine could reach it while the gate is
            open or nothing protects their keys on the way; the certificate does not fit; or the app did not start.
    """
    with ExitStack() as stack:
        _expect_safe(app, host, certificate)
        sockets = [stack.enter_context(_bound("127.0.0.1" if host == "localhost" else host, port))]
        taken = sockets[0].getsockname()[1]
        server = _Uvicorn(
            uvicorn.Config(
                app,
                http=impatient(header_seconds, body_seconds),
                log_config=None,
                access_log=False,
                lifespan="on",
                ws="none",
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=drain_seconds,
                **_tls(certificate),
            ),
            started=lambda: _announce(url_of(host, taken, secure=certificate is not None), serves, taken, ready),
        )

        def stop() -> None:
            if leaving is not None:
                leaving()
            app.close()
            # The second signal of an impatient owner does not wait for requests.
            server.force_exit = server.should_exit
            server.should_exit = True

        with stopped_by_signals(stop):
            await server.serve(sockets=sockets)


class _Uvicorn(uvicorn.Server):
    """Leaves signals to us: uvicorn would raise them again at its end, before the database is closed."""

    def __init__(self, config: uvicorn.Config, *, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            raise CannotServe("The HTTP server could not start; the log says why.") from None
        self._announce()


def url_of(host: str, port: int, *, secure: bool) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{shown}:{port}"


def _announce(url: str, serves: str, port: int, ready: Callable[[int], None] | None) -> None:
    sys.stderr.write(f"Listening on {url} ({serves}).\n")
    sys.stderr.flush()
    if ready is not None:
        ready(port)


def _expect_safe(app: Gate, host: str, certificate: Certificate | None) -> None:
    """
    Raises:
        CannotServe: nobody but this machine may reach such a server.
    """
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise CannotServe(
            f"`{host[:100]}` is no address: use 127.0.0.1, ::1, localhost or one of this machine."
        ) from None
    if address.is_loopback:
        return
    if app.lets_anyone_in:
        raise CannotServe(f"`{host}` can be reached by others: without keys (--no-auth) only loopback is served.")
    if certificate is None and not app.only_by_proxy:
        raise CannotServe(f"`{host}` can be reached by others, who would send their keys in the open: TLS is needed.")


def _tls(certificate: Certificate | None) -> dict[str, Any]:
    """
    Raises:
        CannotServe: the files cannot be used.
    """
    if certificate is None:
        return {}
    try:
        # Without a password given, the library would ask for one at the terminal and wait.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate.chain, certificate.key, password="")
    except OSError as error:  # what is wrong with the content is one, too
        why = error.strerror or "it does not hold what it should"
        raise CannotServe(
            f"The certificate {certificate.chain} and its key {certificate.key} cannot be used: {why}."
        ) from None
    return {"ssl_certfile": certificate.chain, "ssl_keyfile": certificate.key}


def _bound(address: str, port: int) -> socket.socket:
    """
    Raises:
        CannotServe: nothing can listen there.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two programs share the port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise CannotServe(
            f"Port {port} on {address} cannot be had: {error.strerror}. Stop the program that holds it or choose "
            "another port with --port."
        ) from error
    listening.setblocking(False)
    return listening
