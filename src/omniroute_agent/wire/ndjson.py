"""Streams of one JSON value per line, cut into lines as the bytes arrive.

Follows https://github.com/ndjson/ndjson-spec (read 2026-11): a line ends in LF, a CR before it is ignored, and so are
empty lines. A line whose end never came is not given: the decoder learns of the cut when it is closed.
"""

from typing import Final

from omniroute_agent.wire.errors import WireError
from omniroute_agent.wire.sse import ServerSentEvent

MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes that one line may hold. A stream that sends more is given up before it fills the memory."""


class LineParser:
    media_type = "application/x-ndjson"

    def __init__(self) -> None:
        self._held: list[bytes] = []
        """Pieces of the line that has not ended yet."""
        self._size = 0

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """The lines that this piece completes.

        Raises:
            WireError: one line grew beyond `MAX_LINE`.
        """
        first, *others = piece.split(b"\n")
        self._hold(first)
        lines: list[ServerSentEvent] = []
        for following in others:
            # Whole lines only are decoded, so no character is ever cut.
            text = b"".join(self._held).decode("utf-8-sig", "replace").strip()
            self._held, self._size = [], 0
            if text:
                lines.append(ServerSentEvent(text))
            self._hold(following)
        return lines

    def _hold(self, piece: bytes) -> None:
        if not piece:
            return
        self._held.append(piece)
        self._size += len(piece)
        if self._size > MAX_LINE:
            beginning = self._held[0][:200].decode("utf-8", "replace")
            raise WireError(f"One line of its stream is larger than {MAX_LINE // 2**20} MiB.", excerpt=beginning)
