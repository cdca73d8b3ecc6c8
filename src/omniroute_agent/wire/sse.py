"""Server-sent events, parsed incrementally from bytes as they arrive.

Follows the WHATWG HTML standard, section 9.2 (read 2026-11). Lines may end in LF, CR or CRLF and may be cut anywhere,
also inside a UTF-8 sequence. Only `data` and `event` matter here; `id`, `retry` and unknown fields are skipped. An
event whose closing blank line never came is not given: the dialect's decoder learns of the cut when it is closed.
"""

import codecs
from dataclasses import dataclass
from typing import Final

from omniroute_agent.wire.errors import WireError

MAX_EVENT: Final = 16 * 1024 * 1024
"""Characters that one event may hold. A stream that sends more is given up before it fills the memory."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    data: str
    event: str = "message"


class SseParser:
    media_type = "text/event-stream"

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._begun = False
        self._after_cr = False
        self._line: list[str] = []
        """Pieces of the line that has not ended yet."""
        self._data: list[str] = []
        self._event = ""
        self._size = 0

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """The events that this piece completes.

        Raises:
            WireError: one event grew beyond `MAX_EVENT`.
        """
        text = self._unify_line_ends(self._decode(piece))
        events: list[ServerSentEvent] = []
        first, *others = text.split("\n")
        self._hold(first)
        for following in others:
            line = "".join(self._line)
            self._line.clear()
            if line:
                self._take(line)
            elif (event := self._dispatch()) is not None:
                events.append(event)
            self._hold(following)
        return events

    def _unify_line_ends(self, text: str) -> str:
        if not text:
            return text
        if not self._begun:
            self._begun = True
            text = text.removeprefix("\ufeff")
        ends_in_cr = text.endswith("\r")
        if self._after_cr:
            # The LF of a CRLF that was cut in two: its CR has ended the line already.
            text = text.removeprefix("\n")
        self._after_cr = ends_in_cr
        return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text

    def _hold(self, piece: str) -> None:
        if not piece:
            return
        self._line.append(piece)
        self._size += len(piece)
        if self._size > MAX_EVENT:
            beginning = (self._data or self._line)[0]
            raise WireError(f"One event of its stream is larger than {MAX_EVENT // 2**20} MiB.", excerpt=beginning)

    def _take(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        else:
            # Comments and skipped fields may go on for ever between two events; they do not add up.
            self._size -= len(line)
            if field == "event":
                self._event = value

    def _dispatch(self) -> ServerSentEvent | None:
        data, name = self._data, self._event
        self._data, self._event, self._size = [], "", 0
        return ServerSentEvent("\n".join(data), name or "message") if data else None
