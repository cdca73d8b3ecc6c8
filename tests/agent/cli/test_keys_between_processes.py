"""Keys made and taken back in one terminal while `serve` runs in another."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from doors.http_rig import call as small_call
from doors.http_rig import modern_headers
from doors.issuers import AUDIENCE, URL, claims, published, rsa_key, signed
from programs import ended, started, told

QUIET = "[discovery]\nloopback = false\nenvironment = false\n[local]\nenabled = false\n[secrets]\nkeyring = false\n"


@asynccontextmanager
async def serving(home: Path, settings: str = "") -> AsyncIterator[str]:
    """The address of `serve` as its own process."""
    async with (
        asyncio.timeout(60),
        started(home, "serve", "--port", "0", "--json", settings=QUIET + settings) as process,
    ):
        assert process.stdout is not None
        ready = json.loads(await process.stdout.readline())
        yield str(ready["url"]).removesuffix("/mcp")
        process.terminate()
        assert (await ended(process)).code == 0


async def status(http: httpx2.AsyncClient, key: str, tool: str) -> int:
    headers = {**modern_headers(tool), "Authorization": f"Bearer {key}"}
    return (await http.post("/mcp", json=small_call(tool), headers=headers)).status_code


async def becomes(http: httpx2.AsyncClient, key: str, tool: str, expected: int) -> None:
    """Within a second."""
    begun = time.monotonic()
    while await status(http, key, tool) != expected:
        assert time.monotonic() - begun < 1


async def made(home: Path, *words: str) -> dict[str, Any]:
    shown = await told(home, "keys", "create", *words, "--json", settings=QUIET)
    found: dict[str, Any] = shown.json
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="a signal ends the process there")
async def test_a_key_is_good_while_it_lasts_and_a_revoked_one_is_out_within_a_second(tmp_path: Path) -> None:
    async with serving(tmp_path) as url, httpx2.AsyncClient(base_url=url, trust_env=False, timeout=20) as http:
        key = (await made(tmp_path, "--name", "laptop", "--scopes", "read:health"))["key"]
        assert await status(http, "nobody", "get_health") == 401
        assert await status(http, key, "get_health") == 200
        assert await status(http, key, "cost_report") == 403
        await told(tmp_path, "keys", "set", "laptop", "--scopes", "read:usage", settings=QUIET)
        await becomes(http, key, "cost_report", 200)
        assert await status(http, key, "get_health") == 403
        async with http.stream("GET", "/sse", headers={"Authorization": f"Bearer {key}"}) as stream:
            assert stream.status_code == 200
            await told(tmp_path, "keys", "revoke", "laptop", settings=QUIET)
            await becomes(http, key, "cost_report", 401)
            async with asyncio.timeout(5):  # a second, and what else this machine has to do
                async for _ in stream.aiter_lines():
                    pass
    listed = (await told(tmp_path, "keys", "list", "--all", "--json", settings=QUIET)).json["keys"]
    assert [(row["state"], row["last_used_at"] is None) for row in listed] == [("revoked", False)]


@pytest.mark.skipif(sys.platform == "win32", reason="a signal ends the process there")
async def test_a_token_of_the_issuer_in_the_settings_opens_the_door(tmp_path: Path) -> None:
    key = rsa_key()
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [published(key, kid="one")]}), "utf-8")
    settings = f'[auth]\nissuer = "{URL}"\naudience = "{AUDIENCE}"\njwks_file = "keys.json"\n'
    token = signed(key, claims(exp=int(time.time()) + 600, iat=int(time.time())))
    stale = signed(key, claims(exp=int(time.time()) - 600, iat=int(time.time()) - 700))
    async with serving(tmp_path, settings) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as http:
        assert await status(http, token, "get_health") == 200
        assert await status(http, token, "cost_report") == 403
        assert await status(http, stale, "get_health") == 401
        found = (await http.get("/.well-known/oauth-protected-resource/mcp")).json()
        assert (found["resource"], found["authorization_servers"]) == (AUDIENCE, [URL])
