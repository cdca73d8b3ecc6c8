import base64
import json
from urllib.parse import parse_qs, unquote, urlsplit

from omniroute_agent.clients.links import LINKED, links
from omniroute_agent.clients.table import CLIENTS

COMMAND = ["/home/me/bin & more/omniroute-agent", "--data-dir", "/ü+/=?", "mcp"]
ENTRY = {"type": "stdio", "command": COMMAND[0], "args": COMMAND[1:]}


def test_cursor_s_link_carries_the_entry_in_base64() -> None:
    found = links("cursor", "omniroute", COMMAND)
    app, web = urlsplit(found["app"]), urlsplit(found["web"])
    assert (app.scheme, app.netloc, app.path) == ("cursor", "anysphere.cursor-deeplink", "/mcp/install")
    assert (web.scheme, web.netloc, web.path) == ("https", "cursor.com", "/en/install-mcp")
    for link in (app, web):
        query = parse_qs(link.query, strict_parsing=True)
        assert query["name"] == ["omniroute"]
        assert json.loads(base64.b64decode(query["config"][0], validate=True)) == ENTRY


def test_vs_code_s_link_carries_name_and_entry_and_a_web_address_leads_to_it() -> None:
    found = links("vscode", "omniroute", COMMAND)
    start, _, carried = found["app"].partition("?")
    assert start == "vscode:mcp/install"
    assert json.loads(unquote(carried)) == {"name": "omniroute", **ENTRY}
    web = urlsplit(found["web"])
    assert (web.netloc, web.path) == ("insiders.vscode.dev", "/redirect")
    assert parse_qs(web.query)["url"] == [found["app"]]


def test_other_clients_have_no_link() -> None:
    assert {name for name in CLIENTS if links(name, "omniroute", COMMAND)} == set(LINKED)
