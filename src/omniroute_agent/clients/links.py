"""Links that add the server when they are opened: Cursor and VS Code have such."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from omniroute_agent.clients.table import CLIENTS

LINKED: Final = ("cursor", "vscode")


def links(client: str, name: str, command: Sequence[str]) -> Mapping[str, str]:
    """What it is for → the link; empty where the client has none.

    `app` opens the client itself; `web` is for pages that let no such address through, and leads on to it.
    """
    entry = CLIENTS[client].shape(command[0], command[1:])
    if client == "cursor":
        query = f"name={quote(name, safe='')}&config={quote(_base64(entry), safe='')}"
        return {
            "app": f"cursor://anysphere.cursor-deeplink/mcp/install?{query}",
            "web": f"https://cursor.com/en/install-mcp?{query}",
        }
    if client == "vscode":
        app = f"vscode:mcp/install?{quote(_json({'name': name, **entry}), safe='')}"
        return {"app": app, "web": f"https://insiders.vscode.dev/redirect?url={quote(app, safe='')}"}
    return {}


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _base64(value: Any) -> str:
    return base64.b64encode(_json(value).encode()).decode()
