"""Serving an ASGI app on loopback until the process is told to stop."""

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from typing import Final

import uvicorn

from omniroute_agent.doors.gate import Gate
from omniroute_agent.doors.serving import CannotServe, stopped_by_signals

DRAIN_SECONDS: Final = 10
_BACKLOG: Final = 2048
_KEEP_ALIVE_SECONDS: Final = 75


async def serve_http(
    app: Gate,
    host: str,
    port: int,
    *,
    drain_seconds: int = DRAIN_SECONDS,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then let requests under way finish for at most `drain_seconds`.

    `ready` is told the port once connections are accepted; port 0 takes a free one. One line on stderr says where.

    Raises:
        CannotServe: the address is not on loopback, is taken or cannot be had; or the app did not start.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(_bound(address, port)) for address in _loopback(host)]
        taken = sockets[0].getsockname()[1]
        server = _Uvicorn(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="on",
                ws="none",
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=drain_seconds,
            ),
            started=lambda: _announce(host, taken, ready),
        )

        def stop() -> None:
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


def _announce(host: str, port: int, ready: Callable[[int], None] | None) -> None:
    shown = f"[{host}]" if ":" in host else host
    sys.stderr.write(f"Listening on http://{shown}:{port} (MCP at /mcp, for old clients at /sse).\n")
    sys.stderr.flush()
    if ready is not None:
        ready(port)


def _loopback(host: str) -> list[str]:
    """
    Raises:
        CannotServe: the host is not on loopback.
    """
    if host == "localhost":
        return ["127.0.0.1"]
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise CannotServe(
            f"`{host[:100]}` is not a loopback address. Only loopback is served until keys with scopes exist: use "
            "127.0.0.1, ::1 or localhost, and a tunnel or a reverse proxy on this machine to reach further."
        )
    return [str(address)]


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
