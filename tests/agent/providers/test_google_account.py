"""A service account's JSON buys access tokens: signed as Google wants it, one for all calls, and never shown."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as elliptic_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fakes import START, FakeClock, Pieces, Reply, Upstream, fake_ports
from omniroute_agent.kernel.errors import NoRoute
from omniroute_agent.kernel.ports import PROXY
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.providers.discovery import Connections, ConnectionSpec
from omniroute_agent.providers.google_account import SCOPE, TOKEN_URL, service_account
from omniroute_agent.providers.model import Connection
from omniroute_agent.providers.proxies import Proxies
from omniroute_agent.settings.sources import checked_key
from virtual_time import run_virtual

EMAIL = "agent@acme.iam.gserviceaccount.com"
BASE = "https://aiplatform.googleapis.com/v1/projects/acme/locations/global/publishers/google"


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def pem(private: RSAPrivateKey) -> str:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def account(private_key: str, **more: str) -> Secret:
    """The file as Google writes it, over many lines."""
    members = {
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": "k1",
        "private_key": private_key,
        "client_email": EMAIL,
        "token_uri": "https://elsewhere.example/token",
        **more,
    }
    read = checked_key(json.dumps(members, indent=2), "file sa.json").secret
    assert read is not None
    return read


def vertex(
    upstream: httpx2.AsyncBaseTransport,
    secret: Secret,
    *,
    clock: FakeClock | None = None,
    proxies: Proxies | None = None,
) -> Connections:
    spec = ConnectionSpec(id="vertex", provider="vertex", base_url=BASE, key=secret)
    return Connections(
        ports=fake_ports(upstream, clock=clock),
        environment={},
        specs=(spec,),
        proxies=proxies,
        look_on_this_machine=False,
    )


async def the(connections: Connections) -> Connection:
    (found,) = await connections.all()
    return found


def sells(*tokens: str) -> list[Reply]:
    return [httpx2.Response(200, json={"access_token": t, "expires_in": 3599, "token_type": "Bearer"}) for t in tokens]


async def test_the_account_signs_and_a_hundred_calls_use_one_token(key: RSAPrivateKey) -> None:
    upstream, clock = Upstream(sells("obviously-fake-1", "obviously-fake-2")), FakeClock()
    connection = await the(vertex(upstream, account(pem(key)), clock=clock))

    endpoints = await asyncio.gather(*(connection.reach() for _ in range(100)))

    assert {endpoint.secret for endpoint in endpoints} == {Secret("obviously-fake-1")}
    assert endpoints[0].base_url == BASE
    (asked,) = upstream.seen
    assert str(asked.url) == TOKEN_URL
    form = parse_qs(asked.content.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    head, claims, signature = form["assertion"][0].split(".")
    key.public_key().verify(unpacked(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), SHA256())
    assert json.loads(unpacked(head)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    now = int(START.timestamp())
    assert json.loads(unpacked(claims)) == {
        "iss": EMAIL,
        "scope": SCOPE,
        "aud": TOKEN_URL,
        "iat": now,
        "exp": now + 3600,
    }

    clock.advance(3600)
    assert (await connection.reach()).secret == Secret("obviously-fake-2")


def unpacked(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


async def test_the_token_lives_on_when_other_connections_come_and_go(key: RSAPrivateKey) -> None:
    upstream = Upstream(sells("obviously-fake-1"))
    more: list[tuple[ConnectionSpec, ...]] = [()]

    async def stored() -> tuple[ConnectionSpec, ...]:
        return more[-1]

    connections = Connections(
        ports=fake_ports(upstream),
        environment={},
        specs=(ConnectionSpec(id="vertex", provider="vertex", base_url=BASE, key=account(pem(key))),),
        stored=stored,
        look_on_this_machine=False,
    )
    for _ in range(2):
        found = await connections.find("vertex")
        assert found is not None
        assert (await found.reach()).secret == Secret("obviously-fake-1")
        more.append((ConnectionSpec(id="new", provider="openai", key=Secret("k")),))

    assert len(upstream.seen) == 1


async def test_a_refused_account_is_asked_for_once_and_the_reason_told(key: RSAPrivateKey) -> None:
    refused = httpx2.Response(400, json={"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
    upstream = Upstream([refused])
    connection = await the(vertex(upstream, account(pem(key))))

    failed = await asyncio.gather(*(connection.reach() for _ in range(100)), return_exceptions=True)

    assert {str(each) for each in failed} == {
        f"No access token for {EMAIL}: Google's token server answers 400, invalid_grant."
    }
    assert len(upstream.seen) == 1


@pytest.mark.parametrize(
    "reply",
    [
        httpx2.ConnectError("refused"),
        httpx2.Response(200, content=b"<html>sign in</html>"),
        httpx2.Response(200, json={"access_token": 7}),
        httpx2.Response(302, headers={"location": "https://elsewhere.example"}),
    ],
    ids=["nobody", "a page", "no token", "a redirect"],
)
async def test_anything_but_a_token_is_a_failure_in_words(key: RSAPrivateKey, reply: Reply) -> None:
    connection = await the(vertex(Upstream([reply]), account(pem(key))))

    with pytest.raises(NoRoute, match=f"No access token for {EMAIL}: Google's token server"):
        await connection.reach()


@pytest.mark.parametrize("kind", ["nonsense", "elliptic"])
async def test_a_private_key_that_cannot_sign_is_said_without_repeating_it(kind: str) -> None:
    elliptic = elliptic_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    private_key = {"nonsense": "-----BEGIN nonsense", "elliptic": elliptic}[kind]
    connection = await the(vertex(Upstream(), account(private_key)))

    with pytest.raises(NoRoute, match="cannot sign: the private key") as failed:
        await connection.reach()
    assert private_key.splitlines()[0] not in failed.value.sentence()


async def test_an_access_token_given_as_the_key_is_used_as_it_is() -> None:
    connection = await the(vertex(Upstream(), Secret("ya29.obviously-fake")))

    assert (await connection.reach()).secret == Secret("ya29.obviously-fake")


async def test_the_token_is_fetched_through_the_providers_proxy(key: RSAPrivateKey) -> None:
    upstream, way = Upstream(sells("obviously-fake-1")), Secret("http://proxy.example:3128")
    proxies = Proxies(everywhere=Secret("http://other.example:1"), by_provider={"vertex": way})
    connection = await the(vertex(upstream, account(pem(key)), proxies=proxies))

    await connection.reach()

    assert upstream.seen[0].extensions[PROXY] == way


@pytest.mark.parametrize("text", ["", "plain", "{", "[]", '{"client_email": 1}', '{"client_email": "a"}'])
def test_what_is_no_account_is_taken_for_a_token(text: str) -> None:
    assert service_account(Secret(text)) is None
    assert service_account(None) is None


def test_an_account_does_not_print(key: RSAPrivateKey) -> None:
    assert "BEGIN" not in repr(service_account(account(pem(key))))


class Drip(httpx2.AsyncByteStream):
    """A body whose next piece always comes in time, and whose last never."""

    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(1)
            yield b" "

    async def aclose(self) -> None:
        self.closed = True


def test_a_token_server_that_drips_is_given_up(key: RSAPrivateKey) -> None:
    body = Drip()

    async def all_wait_for_one() -> list[object]:
        connection = await the(vertex(Upstream([httpx2.Response(200, stream=body)]), account(pem(key))))
        async with asyncio.timeout(600):
            return await asyncio.gather(*(connection.reach() for _ in range(3)), return_exceptions=True)

    failed, took = run_virtual(all_wait_for_one())
    assert {type(each) for each in failed} == {NoRoute}
    assert {str(each) for each in failed} == {
        f"No access token for {EMAIL}: Google's token server gave none. It did not answer within 15 s."
    }
    assert (body.closed, took) == (True, 15)


async def test_an_endless_or_packed_token_is_no_token(key: RSAPrivateKey) -> None:
    for reply, said in (
        (httpx2.Response(200, content=b" " * 70_000), "longer than 65536 bytes"),
        (httpx2.Response(200, headers={"content-encoding": "br"}, stream=Pieces([b"x"])), "compressed"),
    ):
        upstream = Upstream([reply])
        connection = await the(vertex(upstream, account(pem(key))))
        with pytest.raises(NoRoute, match=said):
            await connection.reach()
        assert upstream.seen[0].headers["accept-encoding"] == "identity"
