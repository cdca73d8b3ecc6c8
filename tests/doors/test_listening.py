"""The open port: TLS, and callers who send slowly, send too much, or say nothing at all."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from doors.http_rig import AUTHORIZED, KEY, call, modern_headers, new_app, running
from doors.issuers import ec_key
from omniroute_agent.doors import impatient
from omniroute_agent.doors.impatient import HEADER_BYTES
from omniroute_agent.doors.limits import InboundLimits
from omniroute_agent.doors.listen import Certificate, serve_http
from omniroute_agent.doors.serving import CannotServe


def certificate_in(directory: Path) -> tuple[Certificate, ssl.SSLContext]:
    """A certificate for this machine that signs itself, and what a client needs to believe it."""
    key = ec_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.example")])
    made = datetime.now(UTC)
    whole = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(made - timedelta(hours=1))
        .not_valid_after(made + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    chain, private = directory / "cert.pem", directory / "key.pem"
    chain.write_bytes(whole.public_bytes(Encoding.PEM))
    private.write_bytes(_text(key))
    return Certificate(chain=chain, key=private), ssl.create_default_context(cafile=str(chain))


def _text(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


async def test_over_tls_a_tool_is_called_and_plain_text_is_not_understood(tmp_path: Path) -> None:
    certificate, trusting = certificate_in(tmp_path)
    async with running(new_app(), certificate=certificate) as rig:
        assert rig.url.startswith("https://127.0.0.1:")
        async with httpx2.AsyncClient(base_url=rig.url, headers=AUTHORIZED, verify=trusting, trust_env=False) as http:
            answer = await http.post("/mcp", json=call("ok"), headers=modern_headers("ok"))
            assert answer.json()["result"]["isError"] is False
        async with httpx2.AsyncClient(trust_env=False) as http:
            with pytest.raises(httpx2.HTTPError):
                await http.get(rig.url.replace("https", "http"))


@pytest.mark.parametrize("spoil", ["missing", "nonsense", "swapped"])
async def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path, spoil: str) -> None:
    certificate, _ = certificate_in(tmp_path)
    if spoil == "missing":
        certificate.key.unlink()
    elif spoil == "nonsense":
        certificate.chain.write_text("nonsense")
    else:
        certificate.key.write_bytes(_text(ec_key()))
    with pytest.raises(CannotServe, match=r"cert\.pem and its key .*key\.pem cannot be used"):
        await serve_http(new_app(), "127.0.0.1", 0, certificate=certificate)


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What came until the server hung up."""
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionResetError:
        return b""


async def answered(rig_url: str) -> bool:
    async with httpx2.AsyncClient(base_url=rig_url, headers=AUTHORIZED, trust_env=False) as http:
        return (await http.post("/mcp", json=call("ok"), headers=modern_headers("ok"))).status_code == 200


@pytest.mark.parametrize("begun", [b"", b"POST /mcp HT", b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
async def test_a_request_whose_headers_never_end_is_hung_up_on(begun: bytes) -> None:
    async with running(new_app(), header_seconds=0.3) as rig, line_to(rig.url) as (reader, writer):
        writer.write(begun)
        assert await ended(reader) == b""
        assert await answered(rig.url)


async def test_a_drop_now_and_then_does_not_keep_a_line_open() -> None:
    async with running(new_app(), header_seconds=0.3) as rig, line_to(rig.url) as (reader, writer):

        async def drip() -> None:
            writer.write(b"GET /mcp HTTP/1.1\r\n")
            while not writer.is_closing():
                writer.write(b"X-A: b\r\n")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        assert await ended(reader) == b""
        dripping.cancel()


async def test_the_second_request_of_a_line_is_waited_for_no_longer_than_the_first() -> None:
    async with running(new_app(), header_seconds=0.3) as rig, line_to(rig.url) as (reader, writer):
        writer.write(b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"401" in await reader.readline()
        writer.write(b"GET /x HTTP/1.1\r\nX-Slow")
        assert b"401" not in await ended(reader)


async def test_a_body_that_does_not_come_ends_with_408() -> None:
    async with running(new_app(), body_seconds=0.2) as rig, line_to(rig.url) as (reader, writer):
        head = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert b"408" in (await ended(reader)).split(b"\r\n")[0]
        assert await answered(rig.url)


async def poured(writer: asyncio.StreamWriter, begun: bytes, piece: bytes, size: int) -> int:
    """Write so many bytes as long as somebody takes them; how many those were."""
    written = len(begun)
    writer.write(begun)
    with suppress(ConnectionError):
        while written < size:
            writer.write(piece)
            written += len(piece)
            await writer.drain()
            await asyncio.sleep(0)
    return written


KEYED = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n".encode()
ENDLESS = {
    "one header": (b"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ", b"a" * 4096),
    "one name of a header": (b"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"a" * 4096),
    "many headers": (b"GET /mcp HTTP/1.1\r\n", b"X-Many: " + b"a" * 1000 + b"\r\n"),
    "tiny headers": (b"GET /mcp HTTP/1.1\r\n", b"a:\r\n" * 1000),
    "one address": (b"GET /mcp?", b"a" * 4096),
    "trailers": (KEYED + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX-Long: ", b"a" * 4096),
    "the second request": (b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /x HTTP/1.1\r\nX-Long: ", b"a" * 4096),
}


@pytest.mark.parametrize("shape", ENDLESS)
async def test_one_header_without_end_is_hung_up_on(shape: str) -> None:
    begun, piece = ENDLESS[shape]
    async with running() as rig, line_to(rig.url) as (reader, writer):
        # What the system holds for both ends is written before anybody can refuse it.
        assert await poured(writer, begun, piece, 32 * 1024 * 1024) < 16 * 1024 * 1024
        assert b" 200 " not in await ended(reader)
        assert await answered(rig.url)


async def test_headers_up_to_their_limit_are_taken_whatever_pieces_they_come_in() -> None:
    head = f"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: {'a' * (HEADER_BYTES - 1000)}\r\n\r\n".encode()
    async with running() as rig, line_to(rig.url) as (reader, writer):
        for _ in range(3):
            for start in range(0, len(head), 10_000):
                writer.write(head[start : start + 10_000])
                await writer.drain()
            async with asyncio.timeout(5):
                assert b" 401 " in await reader.readuntil(b"\r\n\r\n")
                await reader.readuntil(b"}}")


async def test_a_large_body_behind_small_headers_is_taken_in_many_pieces() -> None:
    body = json.dumps(call("ok", {"text": "x" * (2 * 1024 * 1024)})).encode()
    names = "".join(f"{name}: {value}\r\n" for name, value in modern_headers("ok").items())
    head = KEYED + f"{names}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with running() as rig, line_to(rig.url) as (reader, writer):
        for _ in range(2):
            assert await poured(writer, head, b"", 0) == len(head)
            for start in range(0, len(body), 60_000):
                writer.write(body[start : start + 60_000])
                await writer.drain()
            async with asyncio.timeout(5):
                answer = await reader.readuntil(b"\r\n\r\n")
                assert b" 200 " in answer
                length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)


async def test_a_limit_of_the_body_is_the_owners_to_set() -> None:
    app = new_app(limits=InboundLimits(body_bytes=1024 * 1024))
    async with running(app) as rig, rig.http() as http:
        large = call("ok", {"text": "x" * (1024 * 1024)})
        refused = await http.post("/mcp", json=large, headers=modern_headers("ok"))
        assert (refused.status_code, refused.json()["error"]["message"]) == (413, "The body is larger than 1 MiB.")


async def test_there_are_only_so_many_lines_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impatient.Impatient, "most_connections", 20)
    async with running(new_app()) as rig:
        lines = [await _raw(rig.url) for _ in range(60)]
        try:
            hung_up = 0
            for line in lines:
                hung_up += await _is_hung_up(line)
            assert hung_up == 40
        finally:
            for line in lines:
                line.close()
        await asyncio.sleep(0)
        assert await answered(rig.url)


async def _raw(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    line = socket.socket()
    line.setblocking(False)
    await asyncio.get_running_loop().sock_connect(line, (host, int(port)))
    return line


async def _is_hung_up(line: socket.socket) -> bool:
    loop: Any = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(0.05):
            return bool(await loop.sock_recv(line, 1) == b"")
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
