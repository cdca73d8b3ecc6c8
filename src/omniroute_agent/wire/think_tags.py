"""Reasoning that a model wrote into its text, between `<think>` and `</think>`.

Tags may come anywhere, more than once, and cut at any character. The line breaks right after a tag belong to the tag. A
`<think>` that is never closed makes all that follows reasoning. A model whose `<think>` stands in its prompt template
sends the closing tag only; what came before it has gone out as text by then and stays text.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from omniroute_agent.kernel.chat import ChatEvent, ReasoningDelta, TextDelta, UsageSeen
from omniroute_agent.wire.dialect import Decoder, Quirks
from omniroute_agent.wire.sse import ServerSentEvent

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"
_TAG_BEGUN: Final = re.compile(r"<(/?t?|/?th|/?thi|/?thin|/?think)\Z")


class ThinkTags:
    """Splits text into text and reasoning. What may be the beginning of a tag is held until more comes."""

    def __init__(self) -> None:
        self._thinks = False
        self._after_tag = False
        self._held = ""

    def feed(self, text: str) -> Iterator[ChatEvent]:
        left = self._held + text
        self._held = ""
        while left:
            tag = _CLOSE if self._thinks else _OPEN
            before, found, after = left.partition(tag)
            if not found:
                if begun := _TAG_BEGUN.search(left):
                    self._held = left[begun.start() :]
                    before = left[: begun.start()]
                yield from self._said(before)
                return
            yield from self._said(before)
            self._thinks = not self._thinks
            self._after_tag = True
            left = after

    def flush(self) -> Iterator[ChatEvent]:
        """What was held turned out to be no tag."""
        held, self._held = self._held, ""
        yield from self._said(held)

    def _said(self, text: str) -> Iterator[ChatEvent]:
        if self._after_tag:
            text = text.lstrip("\r\n")
        if text:
            self._after_tag = False
            yield ReasoningDelta(text) if self._thinks else TextDelta(text)


def without_tags(events: Iterable[ChatEvent], tags: ThinkTags) -> Iterator[ChatEvent]:
    """The events with their text split. Anything but text and usage ends what was held."""
    for event in events:
        match event:
            case TextDelta(text):
                yield from tags.feed(text)
            case UsageSeen():
                yield event
            case _:
                yield from tags.flush()
                yield event


class _TagDecoder:
    def __init__(self, inner: Decoder) -> None:
        self._inner = inner
        self._tags = ThinkTags()

    def feed(self, event: ServerSentEvent) -> Iterator[ChatEvent]:
        yield from without_tags(self._inner.feed(event), self._tags)

    def close(self) -> None:
        self._inner.close()


class _Maker(Protocol):
    def __call__(self, quirks: Quirks) -> Decoder: ...


def tag_reading(make: _Maker) -> _Maker:
    """A dialect's decoder that reads the tags of those providers whose quirks say so."""

    def decoder(quirks: Quirks) -> Decoder:
        inner = make(quirks)
        return _TagDecoder(inner) if quirks.think_tags else inner

    return decoder
