"""Where a request may come from and under which name: every route, every odd pair of Host and Origin."""

import asyncio
from ipaddress import ip_network
from itertools import product

import pytest

from doors.asgi import Answer, begun, knock
from doors.http_rig import AUTHORIZED, KEYS
from doors.small_tools import TOOLS, parts_of
from fakes import FakeClock, fake_ports
from omniroute_agent.doors.access import Access
from omniroute_agent.doors.challenge import Issuer
from omniroute_agent.doors.gate import Gate
from omniroute_agent.doors.hosts import LOOPBACK
from omniroute_agent.doors.mcp.http import caller_of, http_app
from omniroute_agent.doors.mcp.needs import Needs
from omniroute_agent.doors.mcp.server import make_server
from omniroute_agent.doors.observing import HEALTH_PATHS

PAGE = "https://app.example"
OPEN = Access(
    hosts=LOOPBACK | {"gateway.example"},
    origins=frozenset((PAGE,)),
    proxies=(ip_network("10.0.0.0/24"), ip_network("fd00::/64")),
)
ISSUER = Issuer(url="https://issuer.example/", audience="https://gateway.example/mcp")
ROUTES = (
    ("POST", "/mcp"),
    ("GET", "/mcp"),
    ("DELETE", "/mcp"),
    ("PUT", "/mcp"),
    ("OPTIONS", "/mcp"),
    ("POST", "/mcp/"),
    ("POST", "/sse"),
    ("POST", "/messages/"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/.well-known/oauth-protected-resource/mcp"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/"),
    ("POST", "/v1/chat/completions"),
    ("GET", "//mcp"),
    ("GET", "/mcp/../healthz"),
)
GOOD_HOSTS = ("127.0.0.1:20128", "localhost", "[::1]:9", "GATEWAY.example", "gateway.example:443")
BAD_HOSTS = (
    "",
    "evil.example",
    "gateway.example.evil.example",
    "evil-gateway.example",
    "gateway.example@evil.example",
    "gateway.example:99999",
    "localhost.",
    "127.0.0.1.nip.io",
    "0x7f000001",
    "[::ffff:127.0.0.1]",
)
GOOD_ORIGINS = ("", "http://localhost:6274", "https://gateway.example", PAGE)
BAD_ORIGINS = (
    "null",
    "http://app.example",
    "https://app.example:8443",
    "https://app.example.evil.example",
    "https://evil.example#https://app.example",
    "https://APP.example/",
    "chrome-extension://app.example",
    "https://app.example https://evil.example",
)


def new_app(access: Access = OPEN, issuer: Issuer | None = None, open_paths: frozenset[str] = frozenset()) -> Gate:
    clock = FakeClock()
    return http_app(
        lambda door: make_server(TOOLS, parts_of(clock), caller_of, door=door, version="1"),
        KEYS,
        fake_ports(clock=clock),
        access=access,
        issuer=issuer,
        open_paths=open_paths,
        needs=Needs(TOOLS),
    )


async def quickly(app: Gate, path: str, method: str, headers: dict[str, str]) -> Answer | None:
    """None for a stream that has begun, which nobody waits for."""
    try:
        async with asyncio.timeout(0.05 if method == "GET" else 5):
            return await knock(app, path, method=method, headers=headers)
    except (TimeoutError, IndexError):
        return None


async def test_forty_pairs_of_host_and_origin_meet_the_same_gate_on_every_route() -> None:
    pairs = [*product(GOOD_HOSTS, GOOD_ORIGINS)]
    pairs += [
        *product(BAD_HOSTS, GOOD_ORIGINS),
        *product(GOOD_HOSTS, BAD_ORIGINS),
        *zip(BAD_HOSTS, BAD_ORIGINS, strict=False),
    ]
    wrong: list[str] = []
    app = new_app()
    async with begun(app):
        for (host, origin), (method, path) in product(pairs, ROUTES):
            answer = await quickly(app, path, method, {**AUTHORIZED, "Host": host, "Origin": origin})
            status = answer.status if answer else 200
            if host in BAD_HOSTS:
                right = status == 421
            elif origin in BAD_ORIGINS:
                right = status == 403
            else:
                right = status not in {401, 403, 421, 500}
            readable = answer is not None and answer.headers.get("access-control-allow-origin") == PAGE
            if not right or (answer is not None and readable != (origin == PAGE)):
                wrong.append(f"{method} {path} Host {host!r} Origin {origin!r}: {status}, readable: {readable}")
    assert wrong == []
    assert len(pairs) >= 40


async def test_every_route_is_closed_without_a_key() -> None:
    app = new_app(issuer=ISSUER)
    async with begun(app):
        for method, path in ROUTES:
            answer = await knock(app, path, method=method)
            if path.startswith("/.well-known/oauth-"):
                assert answer.status in {200, 404}
            else:
                assert answer.status == 401, path
                assert answer.json["error"]["code"] == "unauthorized"


async def test_open_paths_are_open_and_nothing_beside_them() -> None:
    app = new_app(open_paths=HEALTH_PATHS)
    async with begun(app):
        assert {(await knock(app, path, method="GET")).status for path in HEALTH_PATHS} == {404}
        for path in ("/healthz/", "//healthz", "/healthz/x", "/HEALTHZ", "/healthz%00"):
            assert (await knock(app, path, method="GET")).status == 401, path


async def test_a_page_on_the_list_may_ask_before_it_sends() -> None:
    app = new_app()
    asked = "authorization, content-type, Mcp-Method, mcp-param-city, x-evil, cookie"
    answer = await knock(
        app,
        method="OPTIONS",
        headers={
            "Origin": PAGE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
        },
    )
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-headers"] == "authorization, content-type, mcp-method, mcp-param-city"
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["vary"] == "Origin"


async def test_a_page_on_the_list_can_read_refusals_too() -> None:
    answer = await knock(new_app(), headers={"Origin": PAGE})
    assert answer.status == 401
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "WWW-Authenticate" in answer.headers["access-control-expose-headers"]
    assert "Mcp-Session-Id" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origin", ["http://localhost:6274", "https://gateway.example", "https://evil.example"])
async def test_pages_that_are_not_on_the_list_cannot_ask(origin: str) -> None:
    answer = await knock(
        new_app(), method="OPTIONS", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
    )
    assert answer.status in {401, 403}
    assert "access-control-allow-origin" not in answer.headers


FORWARDED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "gateway.example",
    "X-Forwarded-For": "198.51.100.7, 10.0.0.9",
}


async def metadata_url(headers: dict[str, str], client: str, access: Access = OPEN) -> str:
    answer = await knock(new_app(access, ISSUER), headers=headers, client=client)
    assert answer.status == 401
    return answer.challenge["resource_metadata"]


async def test_only_a_trusted_proxy_says_under_which_name_and_scheme_it_was_asked() -> None:
    path = "/.well-known/oauth-protected-resource/mcp"
    for client in ("10.0.0.5", "fd00::7", "::ffff:10.0.0.5"):
        assert await metadata_url(FORWARDED, client) == f"https://gateway.example{path}"
    for client in ("127.0.0.1", "10.0.1.5", "198.51.100.7"):
        assert await metadata_url(FORWARDED, client) == f"http://127.0.0.1:20128{path}"
    evil = {**FORWARDED, "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "javascript"}
    assert await metadata_url(evil, "10.0.0.5") == f"http://127.0.0.1:20128{path}"
    several = {**FORWARDED, "X-Forwarded-Host": "evil.example, gateway.example", "X-Forwarded-Proto": "http, https"}
    assert await metadata_url(several, "10.0.0.5") == f"https://gateway.example{path}"


async def test_behind_a_proxy_nobody_comes_in_past_it() -> None:
    behind = Access(hosts=OPEN.hosts, proxies=OPEN.proxies, only_by_proxy=True)
    app = new_app(behind)
    async with begun(app):
        for client, status in (
            ("10.0.0.5", 406),
            ("127.0.0.1", 406),
            ("::1", 406),
            ("192.0.2.1", 403),
            ("10.0.1.5", 403),
        ):
            answer = await knock(app, method="GET", headers=AUTHORIZED, client=client)
            assert answer.status == status, client
        pretending = {**AUTHORIZED, "X-Forwarded-For": "10.0.0.5"}
        assert (await knock(app, method="GET", headers=pretending, client="192.0.2.1")).status == 403


async def test_with_an_issuer_clients_find_out_where_to_get_a_token() -> None:
    app = new_app(issuer=ISSUER)
    for path in ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"):
        answer = await knock(app, path, method="GET", headers={"Host": "gateway.example"})
        assert answer.status == 200
        assert answer.json["resource"] == "https://gateway.example/mcp"
        assert answer.json["authorization_servers"] == ["https://issuer.example/"]
        assert len(answer.json["scopes_supported"]) == 16
        assert "offline_access" not in str(answer.json)
    for path in ("/.well-known/oauth-protected-resource/other", "/.well-known/openid-configuration"):
        assert (await knock(app, path, method="GET")).status == 404
    refused = await knock(app, headers={"Mcp-Name": "omniroute_guarded"})
    assert refused.challenge["scope"] == "write:budget write:pricing"
    unnamed = await knock(app)
    assert unnamed.challenge["scope"].split() == sorted(unnamed.challenge["scope"].split())
    assert all(word.startswith("read:") for word in unnamed.challenge["scope"].split())
    assert "offline_access" not in str(unnamed.headers)


async def test_without_an_issuer_discovery_finds_nothing_in_json() -> None:
    app = new_app()
    for path in (
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration/mcp",
    ):
        answer = await knock(app, path, method="GET")
        assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
        assert answer.json["error"]["code"] == "not_found"
    assert "resource_metadata" not in (await knock(app)).challenge
