"""Tokens of an issuer: good ones open what they say, and nothing else that looks like one opens anything."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from doors.asgi import Answer, begun, knock
from doors.http_rig import KEY, KEYS
from doors.issuers import (
    AUDIENCE,
    JWKS_URL,
    NOW,
    URL,
    Publisher,
    by_hand,
    claims,
    ec_key,
    hmac_signed,
    public_text,
    published,
    rsa_key,
    signed,
)
from doors.keyed import modern_call
from doors.small_tools import TOOLS, parts_of
from fakes import FakeClock, fake_ports
from omniroute_agent.doors.challenge import Issuer
from omniroute_agent.doors.gate import Gate
from omniroute_agent.doors.mcp.http import caller_of, http_app
from omniroute_agent.doors.mcp.needs import Needs
from omniroute_agent.doors.mcp.server import make_server
from omniroute_agent.doors.signing_keys import (
    FRESH_SECONDS,
    PAUSE_SECONDS,
    RETRY_SECONDS,
    STALE_SECONDS,
    SigningKeys,
    from_address,
    from_file,
)
from omniroute_agent.doors.tokens import LEEWAY_SECONDS, MAX_TOKEN, Tokens

RSA, OTHER_RSA, SHORT_RSA = rsa_key(), rsa_key(), rsa_key(1024)
EC, ED = ec_key(), Ed25519PrivateKey.generate()
SET: list[Any] = [
    published(RSA, kid="one", use="sig", alg="RS256"),
    published(EC, kid="ec"),
    published(ED, kid="ed"),
    published(SHORT_RSA, kid="short"),
    published(OTHER_RSA, kid="for-encryption", use="enc"),
    {"kty": "oct", "kid": "shared", "k": base64.urlsafe_b64encode(b"x" * 32).decode(), "alg": "HS256"},
    {"kty": "RSA", "kid": "broken", "n": "AQAB"},
    {"kty": "EC", "kid": "curve", "crv": "secp256k1", "x": "AA", "y": "AA"},
    "nonsense",
]


class Door:
    """The HTTP door with an issuer."""

    def __init__(self, publisher: Publisher | None = None, path: Path | None = None) -> None:
        self.clock = FakeClock()
        self.publisher = publisher or Publisher(list(SET))
        ports = fake_ports(self.publisher, clock=self.clock)
        issuer = Issuer(url=URL, audience=AUDIENCE)
        read = from_address(ports, JWKS_URL) if path is None else from_file(path)
        self.app: Gate = http_app(
            lambda door: make_server(TOOLS, parts_of(self.clock), caller_of, door=door, version="1"),
            KEYS,
            ports,
            credentials=(Tokens(issuer, SigningKeys(read, ports.monotonic), ports.now),),
            issuer=issuer,
            needs=Needs(TOOLS),
        )

    async def ask(self, token: str, tool: str = "ok") -> Answer:
        return await modern_call(self.app, tool, {"Authorization": f"Bearer {token}"})

    async def status(self, token: str) -> int:
        """Of a path where nothing is: 404 for whoever may come in."""
        return (await knock(self.app, "/nothing", headers={"Authorization": f"Bearer {token}"})).status


async def test_a_token_opens_what_its_scopes_say() -> None:
    door = Door()
    async with begun(door.app):
        answer = await door.ask(signed(RSA))
        assert answer.json["result"]["structuredContent"]["caller"] == "token:alice"
        refused = await door.ask(signed(RSA), "guarded")
        assert refused.status == 403
        assert refused.challenge["scope"] == "read:health write:budget write:pricing"
        assert refused.challenge["resource_metadata"].endswith("/.well-known/oauth-protected-resource/mcp")


async def test_stepping_up_takes_one_round_and_keeps_the_session() -> None:
    door = Door()
    async with begun(door.app):
        greeting = {
            "jsonrpc": "2.0",
            "id": 0,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"},
            },
        }
        small = {"Authorization": f"Bearer {signed(RSA)}"}
        session = (await knock(door.app, headers=small, body=greeting)).headers["mcp-session-id"]
        params = {"name": "omniroute_guarded", "arguments": {}}
        call = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params}
        refused = await knock(door.app, headers={**small, "Mcp-Session-Id": session}, body=call)
        assert refused.status == 403
        more = {"Authorization": f"Bearer {signed(RSA, claims(scope=refused.challenge['scope']))}"}
        answer = await knock(door.app, headers={**more, "Mcp-Session-Id": session}, body=call)
        assert answer.json["result"]["structuredContent"] == {"done": True}
        stranger = {"Authorization": f"Bearer {signed(RSA, claims(sub='bob', scope='*'))}"}
        assert (await knock(door.app, headers={**stranger, "Mcp-Session-Id": session}, body=call)).status == 404


GOOD: dict[str, str] = {
    "RSA": signed(RSA),
    "EC": signed(EC, algorithm="ES256", kid="ec"),
    "Ed25519": signed(ED, algorithm="EdDSA", kid="ed"),
    "typ of RFC 9068": signed(RSA, typ="at+jwt"),
    "audience in a list": signed(RSA, claims(aud=[AUDIENCE, "https://issuer.example/userinfo"])),
    "no kid, and one key that fits": signed(EC, algorithm="ES256", kid=None),
    "a clock that is a little ahead": signed(RSA, claims(iat=NOW + 20, nbf=NOW + 20)),
    "just over": signed(RSA, claims(exp=NOW - 20)),
    "scp as a list": signed(RSA, claims(scope=None, scp=["read:health"])),
    "client instead of subject": signed(RSA, claims(sub=None, client_id="robot")),
    "no scope at all": signed(RSA, claims(scope=None)),
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_good_token_comes_in(name: str) -> None:
    assert await Door().status(GOOD[name]) == 404


def _cut(token: str, part: int, text: str) -> str:
    parts = token.split(".")
    parts[part] = text
    return ".".join(parts)


def _flipped(token: str, part: int) -> str:
    parts = token.split(".")
    middle = len(parts[part]) // 2
    parts[part] = parts[part][:middle] + ("A" if parts[part][middle] != "A" else "B") + parts[part][middle + 1 :]
    return ".".join(parts)


HEAD = {"alg": "RS256", "kid": "one"}
BAD: dict[str, str] = {
    "wrong audience": signed(RSA, claims(aud="https://other.example/mcp")),
    "audience with a slash more": signed(RSA, claims(aud=f"{AUDIENCE}/")),
    "audience of another case": signed(RSA, claims(aud=AUDIENCE.upper())),
    "audience that begins like ours": signed(RSA, claims(aud=f"{AUDIENCE}.evil.example")),
    "no audience": signed(RSA, claims(aud=None)),
    "empty audience": signed(RSA, claims(aud="")),
    "list of other audiences": signed(RSA, claims(aud=["a", "b"])),
    "empty list of audiences": signed(RSA, claims(aud=[])),
    "nested list of audiences": by_hand(HEAD, claims(aud=[[AUDIENCE]]), b"x" * 256),
    "wrong issuer": signed(RSA, claims(iss="https://evil.example/")),
    "issuer without its slash": signed(RSA, claims(iss=URL.rstrip("/"))),
    "no issuer": signed(RSA, claims(iss=None)),
    "expired": signed(RSA, claims(exp=NOW - 3600)),
    "expired half a minute ago": signed(RSA, claims(exp=NOW - int(LEEWAY_SECONDS))),
    "no end": signed(RSA, claims(exp=None)),
    "an end that is a text": by_hand(HEAD, claims(exp="never"), b"x" * 256),
    "an end that is true": signed(RSA, claims(exp=True)),
    "an end in the year minus something": signed(RSA, claims(exp=-(10**15))),
    "not yet good": signed(RSA, claims(nbf=NOW + 3600)),
    "made in the future": signed(RSA, claims(iat=NOW + 3600)),
    "nobody": signed(RSA, claims(sub=None)),
    "empty subject": signed(RSA, claims(sub="")),
    "algorithm none": by_hand({"alg": "none"}, claims(), b""),
    "algorithm None": by_hand({"alg": "None", "kid": "one"}, claims(), b""),
    "algorithm nOnE": by_hand({"alg": "nOnE", "kid": "one"}, claims(), b"x"),
    "no algorithm": by_hand({"kid": "one"}, claims(), b"x" * 256),
    "algorithm that is a number": by_hand({"alg": 256, "kid": "one"}, claims(), b"x" * 256),
    "algorithm that is a list": by_hand({"alg": ["RS256"], "kid": "one"}, claims(), b"x" * 256),
    "public key as shared secret": hmac_signed(public_text(RSA), {"alg": "HS256", "kid": "one"}),
    "public key as shared secret, RS256": hmac_signed(public_text(RSA), HEAD),
    "published shared secret": hmac_signed(b"x" * 32, {"alg": "HS256", "kid": "shared"}),
    "empty shared secret": hmac_signed(b"", {"alg": "HS256", "kid": "one"}),
    "signed by another key": signed(OTHER_RSA),
    "key that is not published": signed(OTHER_RSA, kid="two"),
    "key of another kind": signed(RSA, kid="ec"),
    "algorithm the key is not for": signed(RSA, algorithm="RS512"),
    "algorithm PSS with a key for RS256": signed(RSA, algorithm="PS256"),
    "key for encryption": signed(OTHER_RSA, kid="for-encryption"),
    "key that is too short": by_hand({"alg": "RS256", "kid": "short"}, claims(), b"x" * 128),
    "broken key": by_hand({"alg": "RS256", "kid": "broken"}, claims(), b"x" * 256),
    "foreign curve": by_hand({"alg": "ES256K", "kid": "curve"}, claims(), b"x" * 64),
    "no kid, and several keys that fit": signed(OTHER_RSA, kid=None),
    "kid that is a path": signed(RSA, kid="../../dev/null"),
    "kid that is a number": by_hand({"alg": "RS256", "kid": 1}, claims(), b"x" * 256),
    "kid that is an object": by_hand({"alg": "RS256", "kid": {"a": 1}}, claims(), b"x" * 256),
    "key in the header": signed(OTHER_RSA, kid="two", jwk=published(OTHER_RSA)),
    "address of keys in the header": signed(OTHER_RSA, kid="two", jku="https://evil.example/keys"),
    "certificate address in the header": signed(OTHER_RSA, kid="two", x5u="https://evil.example/cert"),
    "critical extension": by_hand({**HEAD, "crit": ["exp"]}, claims(), b"x" * 256),
    "unencoded payload": by_hand({**HEAD, "b64": False, "crit": ["b64"]}, claims(), b"x" * 256),
    "another kind of token": signed(RSA, typ="logout+jwt"),
    "proof of possession": signed(RSA, typ="dpop+jwt"),
    "changed claims": _flipped(signed(RSA), 1),
    "changed signature": _flipped(signed(RSA), 2),
    "changed header": _flipped(signed(RSA), 0),
    "claims of another token": _cut(signed(RSA), 1, signed(RSA, claims(scope="*")).split(".")[1]),
    "no signature": _cut(signed(RSA), 2, ""),
    "no claims": _cut(signed(RSA), 1, ""),
    "one part too many": signed(RSA) + ".x",
    "two parts": signed(RSA).rsplit(".", 1)[0],
    "padding": signed(RSA) + "==",
    "encrypted form": "eyJhbGciOiJkaXIifQ..x.y.z",
    "claims that are a list": by_hand(HEAD, ["iss"], b"x" * 256),
    "claims that are no JSON": _cut(signed(RSA), 1, "bm9uc2Vuc2U"),
    "header that is no JSON": _cut(signed(RSA), 0, "eyJub25zZW5zZQ"),
    "header nested a thousand deep": _cut(
        signed(RSA), 0, base64.urlsafe_b64encode(b'{"a":' * 1000 + b"1" + b"}" * 1000).decode().rstrip("=")
    ),
    "longer than allowed": signed(RSA, claims(note="x" * MAX_TOKEN)),
    "a megabyte": "eyJ" + "A" * 1_000_000 + ".e30.x",
    "letters from elsewhere": signed(RSA).replace("e", "\xe9"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_token_opens_nothing(name: str) -> None:
    door = Door()
    token = BAD[name]
    answer = await door.ask(token)
    assert answer.status == 401
    assert answer.challenge["error"] == "invalid_token"
    assert token[:60].encode("latin-1") not in answer.body
    assert all(request.url == JWKS_URL for request in door.publisher.asked)


async def test_a_token_counts_in_a_header_alone() -> None:
    door = Door()
    assert (await knock(door.app, f"/nothing?access_token={signed(RSA)}")).status == 401
    assert (await knock(door.app, "/nothing", headers={"Cookie": f"token={signed(RSA)}"})).status == 401
    assert (await knock(door.app, "/nothing", headers={"Authorization": signed(RSA)})).status == 401
    mixed = {"Authorization": f"Bearer {signed(RSA)}", "x-api-key": KEY}
    assert (await knock(door.app, "/nothing", headers=mixed)).status == 401
    assert (await knock(door.app, "/nothing", headers={"Authorization": f"Bearer {KEY}"})).status == 404


@pytest.mark.parametrize("subject", ["owner", "key-0000000001", "token:alice", "a b", "x" * 5000 + "€", "\n"])
async def test_a_subject_is_never_taken_for_somebody_else(subject: str) -> None:
    door = Door()
    async with begun(door.app):
        token = signed(RSA, claims(sub=subject))
        answer = await door.ask(token)
        if len(token) > MAX_TOKEN:
            assert answer.status == 401
            return
        caller = answer.json["result"]["structuredContent"]["caller"]
        assert caller.startswith(("token:", "token#"))
        assert caller not in {"owner", "key-0000000001", "token:alice"}
        assert len(caller) <= 70


async def test_an_expired_token_is_told_so_also_when_it_was_good_before() -> None:
    door = Door()
    token = signed(RSA)
    assert await door.status(token) == 404
    door.clock.advance(3600 + LEEWAY_SECONDS)
    answer = await door.ask(token)
    assert (answer.status, answer.json["error"]["message"]) == (401, "The token expired on 2026-11-21 at 13:00 UTC.")


async def test_the_issuers_keys_are_read_once_for_many() -> None:
    door = Door()
    tokens = [signed(RSA, claims(sub=f"s{number}")) for number in range(20)]
    assert set(await asyncio.gather(*(door.status(token) for token in tokens))) == {404}
    assert len(door.publisher.asked) == 1


async def test_a_withdrawn_signing_key_opens_nothing_after_its_time() -> None:
    door = Door()
    lasting = signed(RSA, claims(exp=NOW + 12 * 3600))
    assert await door.status(lasting) == 404
    door.publisher.keys = [published(OTHER_RSA, kid="two")]
    door.clock.advance(FRESH_SECONDS - 1)
    assert await door.status(lasting) == 404
    assert len(door.publisher.asked) == 1
    door.clock.advance(1)
    assert await door.status(lasting) == 401, "nobody else has asked"
    assert len(door.publisher.asked) == 2


async def test_a_known_token_outlives_an_issuer_that_cannot_be_reached_for_a_day_and_no_longer() -> None:
    door = Door()
    lasting = signed(RSA, claims(exp=NOW + 10**6))
    assert await door.status(lasting) == 404
    door.publisher.status = 0
    door.clock.advance(STALE_SECONDS)
    assert await door.status(lasting) == 404
    door.clock.advance(RETRY_SECONDS)
    assert await door.status(lasting) == 503


async def test_a_new_key_is_found_and_an_old_one_is_dropped() -> None:
    door = Door()
    assert await door.status(signed(RSA)) == 404
    door.publisher.keys = [published(OTHER_RSA, kid="two")]
    assert await door.status(signed(OTHER_RSA, kid="two")) == 401, "too soon to ask again"
    door.clock.advance(PAUSE_SECONDS)
    assert await door.status(signed(OTHER_RSA, kid="two")) == 404
    assert await door.status(signed(RSA)) == 401, "a token that was good is checked by the new keys"


async def test_tokens_with_unknown_keys_do_not_flood_the_issuer() -> None:
    door = Door()
    for number in range(200):
        assert await door.status(signed(OTHER_RSA, kid=f"k{number}")) == 401
        door.clock.advance(1)
    assert len(door.publisher.asked) <= 200 / PAUSE_SECONDS + 2


async def test_an_issuer_that_cannot_be_reached_closes_the_door_at_first_and_not_later() -> None:
    door = Door(Publisher(list(SET), status=0))
    answer = await door.ask(signed(RSA))
    assert (answer.status, answer.json["error"]["code"]) == (503, "unavailable")
    assert await door.status(signed(RSA)) == 503
    assert len(door.publisher.asked) == 1, "it is not asked again at once"
    door.publisher.status = 200
    door.clock.advance(RETRY_SECONDS)
    lasting = signed(RSA, claims(exp=NOW + 10**6))
    assert await door.status(lasting) == 404
    door.publisher.status = 0
    door.clock.advance(FRESH_SECONDS + 1)
    assert await door.status(lasting) == 404
    door.clock.advance(STALE_SECONDS)
    assert await door.status(signed(RSA, claims(exp=NOW + 10**6, jti="new"))) == 503


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (302, b"{}"),
        (500, b"{}"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"keys": 1}'),
        (200, b'{"keys": [], "keys": []}'),
        (200, b'{"keys": "' + b"x" * 300_000 + b'"}'),
    ],
)
async def test_an_odd_set_of_keys_opens_nothing(status: int, body: bytes) -> None:
    door = Door(Publisher([], status=status, body=body))
    assert await door.status(signed(RSA)) == 503
    assert [request.url for request in door.publisher.asked] == [JWKS_URL]


async def test_the_issuer_never_sees_a_token() -> None:
    door = Door()
    await door.status(signed(RSA))
    for request in door.publisher.asked:
        assert "authorization" not in request.headers
        assert request.headers.get("cookie") is None


async def test_keys_may_come_from_a_file_that_changes(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    door = Door(path=path)
    assert await door.status(signed(RSA)) == 503
    write(path, SET)
    door.clock.advance(RETRY_SECONDS)
    assert await door.status(signed(RSA)) == 404
    write(path, [published(OTHER_RSA, kid="two")])
    door.clock.advance(PAUSE_SECONDS)
    assert await door.status(signed(OTHER_RSA, kid="two")) == 404


def write(path: Path, keys: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps({"keys": keys}), "utf-8")
