"""Compressed bodies: the same bytes come out, and never many at a time."""

import gzip
import zlib
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.wire.errors import WireError
from omniroute_agent.wire.packed import LARGEST_PIECE, Unpacker


def bare(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "X-GZip": gzip.compress,
    "deflate": zlib.compress,
    "identity, deflate": bare,
}


@pytest.mark.parametrize("encoding", PACKINGS)
@given(content=st.binary(max_size=300), cuts=st.sets(st.integers(0, 300), max_size=5))
def test_any_body_in_any_pieces_comes_out_as_it_was(encoding: str, content: bytes, cuts: set[int]) -> None:
    packed = PACKINGS[encoding](content)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(packed)), len(packed)]
    unpacker = Unpacker(encoding)
    out = b"".join(piece for a, b in pairwise(bounds) for piece in unpacker.feed(packed[a:b]))
    assert out == content


def test_a_bomb_comes_out_in_small_pieces_and_only_as_far_as_it_is_read() -> None:
    packed = gzip.compress(bytes(64 * 2**20))
    pieces = Unpacker("gzip").feed(packed)
    assert {len(next(pieces)) for _ in range(50)} == {LARGEST_PIECE}


def test_what_follows_the_end_is_ignored() -> None:
    unpacker = Unpacker("gzip")
    assert b"".join(unpacker.feed(gzip.compress(b"all") + b"garbage")) == b"all"
    assert list(unpacker.feed(b"more")) == []


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip, deflate", "no such"])
def test_what_nobody_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(WireError, match="nobody asked for"):
        Unpacker(encoding)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_bytes_that_are_not_packed_are_refused(encoding: str) -> None:
    with pytest.raises(WireError, match="cannot be read"):
        list(Unpacker(encoding).feed(b"data: plainly not packed\n\n"))
