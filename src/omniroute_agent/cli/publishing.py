"""What a running `serve` says of itself to the windows of the same owner."""

import logging
import os

from omniroute_agent import __version__
from omniroute_agent.cli.gateways import Gateway, publish, withdraw
from omniroute_agent.cli.likeness import likeness, schema
from omniroute_agent.cli.start import FULL, Start
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.providers.discovery import blank_variables, key_variables
from omniroute_agent.settings.draft import MASTER_KEY_VARIABLE
from omniroute_agent.settings.model import Settings, leaves, variable

_log = logging.getLogger(__name__)


def _matters(key: str) -> bool:
    """Where a gateway listens and whom it lets in is its own affair, and where the data lie is known by now."""
    return key == "server.windows" or not (key.startswith(("server.", "a2a.")) or key == "storage.directory")


class Note:
    """Lies in the data directory for as long as windows may come."""

    def __init__(self, settings: Settings, start: Start, key: Secret | None, instance: str) -> None:
        """There is none without a key, by which windows prove whose they are, nor where they could not come in: they
        speak plain HTTP, over loopback.
        """
        server = settings.server
        self._settings = settings
        self._start = start
        self._key = key if server.windows and server.tls_cert is None and not server.looks_outward else None
        self._instance = instance
        self._left: Gateway | None = None

    def leave(self, port: int) -> None:
        """Write it. A data directory that cannot be written costs the windows their speed and nothing else."""
        if self._key is None:
            return
        gateway = self._gateway(port, self._key)
        try:
            publish(self._settings.directory, gateway)
        except OSError as error:
            _log.warning("Windows will not find this gateway: its note cannot be written (%s).", error.strerror)
        else:
            self._left = gateway

    def remove(self) -> None:
        if self._left is not None:
            withdraw(self._settings.directory, self._left)
            self._left = None

    def _gateway(self, port: int, key: Secret) -> Gateway:
        connections = self._settings.connections
        named = [connection.key_env for connection in connections if connection.key_env is not None]
        keys = {*key_variables(), *blank_variables(), *named, MASTER_KEY_VARIABLE}
        variables = tuple(sorted(keys | {variable(key) for key in leaves() if _matters(key)}))
        files = tuple(sorted(str(connection.key_file) for connection in connections if connection.key_file is not None))
        host = self._settings.server.host
        return Gateway(
            host="127.0.0.1" if host == "localhost" else host,
            port=port,
            pid=os.getpid(),
            instance=self._instance,
            program=__version__,
            schema=schema(),
            likeness=likeness(key, self._start, FULL, variables=variables, files=files),
            variables=variables,
            files=files,
        )
