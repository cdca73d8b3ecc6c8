"""Names the A2A door shares with its clients. Nothing here loads the SDK."""

from typing import Final

DOOR: Final = "a2a"
PATH: Final = "/a2a"
EXTENSION: Final = "https://github.com/omniroute-agent/omniroute-agent/a2a/routing/v1"
"""Key in `metadata` under which requests say how to route and answers say how it was done (docs/a2a-extension.md)."""
