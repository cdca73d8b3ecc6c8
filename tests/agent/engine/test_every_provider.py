"""Each provider of the table is asked at its own address, in its dialect, with its key in its own place."""

import asyncio
from urllib.parse import quote

import httpx2
import pytest

from fakes import Upstream, fake_ports
from omniroute_agent.engine.attempt import Try, attempt
from omniroute_agent.engine.faults import Fault
from omniroute_agent.engine.request import TimeLimits
from omniroute_agent.kernel.chat import Chat, Finished, Message, Text, TextDelta
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.providers.addresses import filled
from omniroute_agent.providers.discovery import Connections, ConnectionSpec
from omniroute_agent.providers.model import Provider
from omniroute_agent.providers.table import LOCAL, PROVIDERS
from omniroute_agent.wire.table import DIALECTS
from streams import WHOLE

KEY = "obviously-fake-key"
MODEL = "some/model-1"
PATHS = {
    "openai-chat": "/chat/completions",
    "openai-responses": "/responses",
    "anthropic-messages": "/messages",
    "gemini": f"/models/{quote(MODEL, safe='')}:streamGenerateContent?alt=sse",
    "ollama": "/api/chat",
}
ROWS = [row for row in PROVIDERS.values() if row is not LOCAL]


async def asked(row: Provider) -> tuple[httpx2.Request, list[object]]:
    """The request of one attempt at the provider, and what came of the answer."""
    media = DIALECTS[row.dialect].splitter().media_type
    upstream = Upstream([httpx2.Response(200, headers={"content-type": media}, content=WHOLE[row.dialect])])
    ports = fake_ports(upstream)
    base_url = address(row) if row.blanks or not row.base_url else None
    spec = ConnectionSpec(id="it", provider=row.id, key=Secret(KEY), base_url=base_url)
    connections = Connections(ports=ports, environment={}, specs=(spec,), look_on_this_machine=False)
    connection = await connections.find("it")
    assert connection is not None
    assert connection.unavailable is None
    chat = Chat(model=MODEL, messages=(Message("user", (Text("Hi"),)),), max_tokens=9)
    tried = Try(connection=connection, model=MODEL, chat=chat, limits=TimeLimits(), seconds_left=600)
    events = [event async for event in attempt(tried, ports)]
    (request,) = upstream.seen
    return request, list(events)


def address(row: Provider) -> str:
    if not row.base_url:
        return "https://own.example/api"
    return filled(row, {blank.name: f"my-{blank.name}" for blank in row.blanks})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_call_reaches_the_providers_address_with_its_key(row: Provider) -> None:
    request, events = asyncio.run(asked(row))

    assert request.method == "POST"
    assert str(request.url) == address(row) + PATHS[row.dialect]
    shown = {name: value for name, value in request.headers.items() if KEY in value}
    header = row.auth if row.auth.endswith("api-key") else "authorization"
    assert shown == {header: KEY if row.auth.endswith("api-key") else f"Bearer {KEY}"}
    assert all(request.headers[name] == value for name, value in row.headers)
    assert KEY not in str(request.url) + request.content.decode()
    assert not [event for event in events if isinstance(event, Fault)]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Grüße"
    assert [event for event in events if isinstance(event, Finished)]
