"""Compressed bodies, unpacked piece by piece, so that a few packed bytes never become more memory than a piece.

We ask for none, but some servers and proxies compress all the same. gzip and deflate are read (RFC 9110 §8.4.1, read
2026-11; deflate also without its wrapper, as some servers send it); whatever else comes is refused.
"""

import zlib
from collections.abc import Iterator
from typing import Final

from omniroute_agent.wire.errors import WireError

LARGEST_PIECE: Final = 64 * 1024
"""Bytes that are unpacked at a time."""

_EITHER: Final = zlib.MAX_WBITS | 32
"""zlib's word for: gzip or zlib, as the beginning says."""
_BARE: Final = -zlib.MAX_WBITS


class Unpacker:
    """Reads one body. What follows the packed data's own end is ignored."""

    def __init__(self, encoding: str) -> None:
        """`encoding` is the `content-encoding` header, empty where there is none.

        Raises:
            WireError: an encoding nobody asked for.
        """
        words = [word.strip().lower() for word in encoding.split(",")]
        packings = [word for word in words if word not in ("", "identity")]
        if any(word not in ("gzip", "x-gzip", "deflate") for word in packings) or len(packings) > 1:
            raise WireError(f"It answered in the encoding {encoding[:60]}, which nobody asked for.")
        self._packed = bool(packings)
        self._inflate = zlib.decompressobj(_EITHER)
        self._may_be_bare = packings == ["deflate"]
        self._first = b""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """
        Raises:
            WireError: the bytes are not packed as the header says.
        """
        if not self._packed:
            yield piece
            return
        if self._may_be_bare:
            piece = self._first = self._first + piece
            if len(piece) < 2:  # noqa: PLR2004 (a zlib header, RFC 1950 §2.2)
                return
            self._may_be_bare = False
            if piece[0] % 16 != zlib.DEFLATED or int.from_bytes(piece[:2], "big") % 31:
                self._inflate = zlib.decompressobj(_BARE)
        while piece and not self._inflate.eof:
            try:
                unpacked = self._inflate.decompress(piece, LARGEST_PIECE)
            except zlib.error as error:
                raise WireError("It answered in a compression that cannot be read.") from error
            piece = self._inflate.unconsumed_tail
            if unpacked:
                yield unpacked
