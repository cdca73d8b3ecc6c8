"""The real ports: ids, dice, the client and what it logs."""

import asyncio
import logging
import subprocess
import sys
import threading
from itertools import pairwise

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.outside.addresses import AllowedOrigins, BlockedAddress
from omniroute_agent.outside.ids import SortableIds
from omniroute_agent.outside.ports import new_secret, quiet_http_logs, real_ports

ALPHABET = set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


@given(st.lists(st.integers(min_value=0, max_value=2**47), min_size=2, max_size=30), st.integers(0, 2**80 - 1))
def test_ids_rise_whatever_the_clock_does(times: list[int], draw: int) -> None:
    clock = iter(times)
    new_id = SortableIds(milliseconds=lambda: next(clock), random_bits=lambda _: draw)
    ids = [new_id() for _ in times]
    assert all(earlier < later for earlier, later in pairwise(ids))
    assert all(len(text) == 26 and set(text) <= ALPHABET for text in ids)


def test_an_id_begins_with_the_time_of_its_birth() -> None:
    # The example of the ULID specification: 1469918176385 ms is 01ARYZ6S41.
    assert SortableIds(milliseconds=lambda: 1_469_918_176_385)().startswith("01ARYZ6S41")


def test_ids_drawn_on_several_threads_are_all_different() -> None:
    new_id = SortableIds(milliseconds=lambda: 1)
    drawn: list[str] = []
    threads = [threading.Thread(target=lambda: drawn.extend(new_id() for _ in range(500))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == 2000


async def test_the_ports_are_utc_and_differ_from_run_to_run() -> None:
    one, other = real_ports(), real_ports()
    async with one.http, other.http:
        offset = one.now().utcoffset()
        assert offset is not None
        assert offset.total_seconds() == 0
        assert one.dice.random() != other.dice.random()
        assert one.new_id() < one.new_id()
        assert new_secret() != new_secret()


async def serve_cookie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    asked = await reader.readuntil(b"\r\n\r\n")
    body = asked.lower()
    writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
    writer.write(body)
    await writer.drain()
    writer.close()


async def test_the_client_names_itself_keeps_no_cookie_and_follows_no_redirect() -> None:
    server = await asyncio.start_server(serve_cookie, "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with real_ports(AllowedOrigins(origin)).http as http:
        first, second = await http.get(origin), await http.get(origin)
        assert "user-agent: omniroute-agent/" in first.text
        assert "cookie" not in second.text
        assert http.follow_redirects is False
    server.close()


async def test_an_origin_allowed_later_is_reached_and_one_withdrawn_is_not() -> None:
    server = await asyncio.start_server(serve_cookie, "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    origins = AllowedOrigins()
    async with real_ports(origins).http as http:
        with pytest.raises(BlockedAddress):
            await http.get(origin)
        origins.allow(origin)
        assert (await http.get(origin)).is_success
        origins.withdraw(origin)
        with pytest.raises(BlockedAddress):
            await http.get(origin)
    server.close()


async def test_no_url_is_logged_once_the_logs_are_quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    levels = {name: logging.getLogger(name).level for name in ("httpx2", "httpcore2")}
    try:
        quiet_http_logs()
        server = await asyncio.start_server(serve_cookie, "127.0.0.1", 0)
        origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with real_ports(AllowedOrigins(origin)).http as http:
            await http.get(f"{origin}/?key=sk-fake-secret")
        server.close()
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    assert "sk-fake-secret" not in caplog.text


def test_building_the_ports_loads_neither_the_http_machinery_nor_a_tls_context() -> None:
    code = (
        "import sys; from omniroute_agent.outside.ports import real_ports; real_ports();"
        "print('httpcore2' in sys.modules, 'omniroute_agent.outside.guard' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_blocked_address_is_a_connect_error_to_whoever_catches_those() -> None:
    assert issubclass(BlockedAddress, httpx2.ConnectError)
