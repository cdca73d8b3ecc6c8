"""Which way out an attempt takes."""

from pathlib import Path

from fakes import Upstream, openai_stream
from houses import TWO_TARGETS, a_house, ask
from omniroute_agent.kernel.ports import PROXY
from omniroute_agent.kernel.proxy import shown

GLOBAL = TWO_TARGETS + '[proxy]\nurl = "http://everywhere.example:1"\n'


def ways(upstream: Upstream) -> list[str]:
    found = [request.extensions.get(PROXY) for request in upstream.seen]
    return ["directly" if way is None else shown(way) for way in found]


async def taken(directory: Path, settings: str, *, model: str = "", combo: str | None = "both") -> str:
    upstream = Upstream([openai_stream("ok")])
    async with a_house(directory, upstream, settings=settings) as house:
        await house.parts.turn.take(ask(house, model=model, combo=combo))
    (way,) = ways(upstream)
    return way


async def test_the_nearest_proxy_wins(tmp_path: Path) -> None:
    by_provider = GLOBAL + 'providers = { custom-openai = "http://provider.example:1" }\n'
    by_combo = by_provider.replace('name = "both"', 'name = "both"\nproxy = "http://combo.example:1"')
    by_connection = by_combo.replace('id = "one"', 'id = "one"\nproxy = "socks5://me:obviously-fake@account.example:1"')
    assert await taken(tmp_path / "0", TWO_TARGETS) == "directly"
    assert await taken(tmp_path / "1", GLOBAL) == "http://everywhere.example:1"
    assert await taken(tmp_path / "2", by_provider) == "http://provider.example:1"
    assert await taken(tmp_path / "3", by_combo) == "http://combo.example:1"
    assert await taken(tmp_path / "4", by_combo, model="one/alpha") == "http://provider.example:1"
    assert await taken(tmp_path / "5", by_connection) == "socks5://***@account.example:1"


async def test_none_is_a_way_of_its_own(tmp_path: Path) -> None:
    assert await taken(tmp_path, GLOBAL.replace('id = "one"', 'id = "one"\nproxy = "none"')) == "directly"
    assert await taken(tmp_path / "b", GLOBAL + 'providers = { custom-openai = "none" }\n') == "directly"


async def test_a_server_on_this_machine_is_reached_directly(tmp_path: Path) -> None:
    here = GLOBAL.replace("https://one.example/v1", "http://127.0.0.1:9999/v1")
    assert await taken(tmp_path, here) == "directly"
    own = here.replace('id = "one"', 'id = "one"\nproxy = "http://account.example:1"')
    assert await taken(tmp_path / "b", own) == "http://account.example:1"


async def test_extra_headers_reach_the_provider(tmp_path: Path) -> None:
    settings = (
        TWO_TARGETS.replace('id = "one"', 'id = "one"\nheaders = { "X-Who" = "account" }')
        + '[headers.custom-openai]\n"X-Who" = "provider"\n"X-What" = "provider"\n'
        + '[headers."custom-openai/alpha"]\n"X-What" = "model"\n'
    )
    upstream = Upstream([openai_stream("ok")])
    async with a_house(tmp_path, upstream, settings=settings) as house:
        await house.parts.turn.take(ask(house))
    headers = upstream.seen[0].headers
    assert (headers["x-who"], headers["x-what"], headers["authorization"]) == (
        "account",
        "model",
        "Bearer obviously-fake-one",
    )
