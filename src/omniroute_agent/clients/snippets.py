"""The example of each client for `configs/clients/`, made by what edits its files."""

from collections.abc import Iterator
from typing import Final

from omniroute_agent.clients.edit import put
from omniroute_agent.clients.table import CLIENTS

NAME: Final = "omniroute"
EXAMPLE: Final = ("/absolute/path/to/.venv/bin/omniroute-agent", "mcp")


def snippets() -> Iterator[tuple[str, str]]:
    """File name → content."""
    for client in CLIENTS.values():
        entry = client.shape(EXAMPLE[0], EXAMPLE[1:])
        yield f"{client.id}.{client.form}", put("", client.form, (*client.table, NAME), entry)
