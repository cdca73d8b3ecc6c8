"""Answers of status 200 whose whole content is an error object: some gateways hand on a failure as if a model said it.

Text is held back only while it may still become one, so an ordinary answer loses no time.
"""

import re
from collections.abc import Iterator
from typing import Final

from omniroute_agent.kernel.chat import Chat, ChatEvent, Finished, Text, TextDelta, ToolResult, UsageSeen
from omniroute_agent.wire.dialect import Dialect, StreamedError
from omniroute_agent.wire.members import json_object

MOST_HELD: Final = 16 * 1024
"""Characters; a longer text is no error object."""

_OPENINGS: Final = ('{"error":', '[{"error":')
_ENVELOPE: Final = frozenset(
    (
        "error",
        "code",
        "detail",
        "id",
        "message",
        "object",
        "path",
        "request_id",
        "status",
        "success",
        "timestamp",
        "type",
    )
)
_SPACE: Final = re.compile(r"\s+")


class Unmasking:
    """Reads the events of one answer and passes them on, late where the text begins like an error object."""

    def __init__(self, chat: Chat, dialect: Dialect) -> None:
        self._chat = chat
        self._dialect = dialect
        self._held: list[TextDelta] = []
        self._size = 0
        self._ordinary = False

    def feed(self, event: ChatEvent) -> Iterator[ChatEvent]:
        """
        Raises:
            StreamedError: the answer is over and was nothing but an error.
        """
        if self._ordinary or isinstance(event, UsageSeen):
            yield event
            return
        if isinstance(event, TextDelta):
            self._held.append(event)
            self._size += len(event.text)
            if self._size <= MOST_HELD and _may_become_error(self._text()[:64]):
                return
            yield from self._let_go()
            return
        if isinstance(event, Finished):
            self._judge()
        yield from self._let_go()
        yield event

    def _let_go(self) -> list[TextDelta]:
        held, self._held, self._ordinary = self._held, [], True
        return held

    def _text(self) -> str:
        return "".join(event.text for event in self._held)

    def _judge(self) -> None:
        text = self._text().strip()
        value = json_object(text[1:-1] if text.startswith("[") else text) if text else None
        if value is None or not set(value) <= _ENVELOPE or _asked_for(self._chat):
            return
        error = value.get("error")
        said = error.get("message") if isinstance(error, dict) else error
        if isinstance(said, str) and said:
            raise StreamedError(self._dialect.read_error(value))


def _may_become_error(beginning: str) -> bool:
    shown = _SPACE.sub("", beginning)
    return any(opening.startswith(shown[: len(opening)]) for opening in _OPENINGS)


def _asked_for(chat: Chat) -> bool:
    """Whether the caller may have wanted just such a text: it asked for JSON, or wrote the word itself."""
    return chat.response_format is not None or any('"error"' in text for text in _texts(chat))


def _texts(chat: Chat) -> Iterator[str]:
    for message in chat.messages:
        for part in message.parts:
            if isinstance(part, Text):
                yield part.text
            elif isinstance(part, ToolResult):
                yield from (piece.text for piece in part.content if isinstance(piece, Text))
