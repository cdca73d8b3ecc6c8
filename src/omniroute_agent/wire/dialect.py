"""What a dialect is: four pure translations, an incremental decoder and an incremental encoder.

Hub and spoke: each dialect translates to and from `kernel.chat`, so n dialects need n modules and not n².
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from omniroute_agent.kernel.chat import Chat, ChatAnswer, ChatEvent
from omniroute_agent.wire.errors import ErrorReport, StreamedError, Truncated, WireError
from omniroute_agent.wire.sse import ServerSentEvent

__all__ = [
    "Decoder",
    "Dialect",
    "Encoder",
    "ErrorReport",
    "Quirks",
    "Splitter",
    "StreamedError",
    "Truncated",
    "WireError",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """Where a provider departs from its dialect. Each set flag names its source in the provider table."""

    stream_usage: bool = True
    """Accepts `stream_options.include_usage`."""
    max_tokens_field: str = "max_tokens"
    """Name of the output cap in OpenAI Chat bodies."""
    forced_tool_choice: bool = True
    """Accepts a tool choice other than auto and none."""
    parallel_tool_calls_field: bool = True
    """Accepts `parallel_tool_calls`."""
    json_schema: bool = True
    """Accepts `response_format` of type json_schema."""
    reasoning_field: str = "reasoning_effort"
    """Name of the reasoning effort field; empty when there is none, in every dialect."""
    reasoning_history: str = ""
    """Name of the field in which OpenAI Chat assistant messages take earlier reasoning back (`reasoning_content`).

    Empty where there is none: strict servers refuse the field, and some thinking models refuse its absence."""
    think_tags: bool = False
    """Its models write their reasoning into the text, between `<think>` and `</think>`."""
    done_marker: bool = True
    """Ends its streams with `[DONE]`; without it a finish reason is the terminal marker."""


class Splitter(Protocol):
    """Cuts the bytes of a stream into events, as they arrive. One splitter reads one stream."""

    @property
    def media_type(self) -> str:
        """Content type of the streams it reads."""
        ...

    def feed(self, piece: bytes) -> Iterable[ServerSentEvent]:
        """The events that this piece completes; an event whose end never came is not given.

        Raises:
            WireError: one event is too large.
        """
        ...


class Decoder(Protocol):
    """Turns one upstream stream into chat events.

    Order: pieces of the answer, then `Finished`, exactly once. `UsageSeen` may come anywhere and more than once, the
    last one counts; it comes before `Finished` except from a provider without `[DONE]`, which may send it after. So
    readers go on reading until the upstream ends. What follows the terminal marker is ignored.
    """

    def feed(self, event: ServerSentEvent) -> Iterable[ChatEvent]:
        """
        Raises:
            StreamedError: the event is the provider's own error.
            WireError: the event breaks the dialect.
        """
        ...

    def close(self) -> None:
        """Called when the upstream ended.

        Raises:
            Truncated: the terminal marker was not seen.
        """
        ...


class Encoder(Protocol):
    """Turns chat events into the bytes a caller of this dialect reads. One encoder writes one stream."""

    def encode(self, event: ChatEvent) -> bytes:
        """Empty when the event has no word of its own here; `UsageSeen` and `Finished` are kept for `finish`."""
        ...

    def finish(self) -> bytes:
        """The terminal marker, with usage before it where the dialect has it.

        When no `Finished` was encoded the stream ends with an error event instead: no cut looks like a clean stop.
        """
        ...

    def fail(self, report: ErrorReport) -> bytes:
        """An explicit error event that ends the stream."""
        ...


class Dialect(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def path(self) -> str:
        """Path under the provider's base URL, with its leading slash; `{model}` stands in it where models have one."""
        ...

    def path_for(self, model: str, *, stream: bool) -> str:
        """The path of one request, with the provider's own name for the model."""
        ...

    def splitter(self) -> Splitter: ...

    def write_request(self, chat: Chat, *, model: str, quirks: Quirks, stream: bool) -> dict[str, JsonValue]:
        """`model` is the provider's own name for it. Unknown fields (`rest`) go along when `chat.origin == self.id`."""
        ...

    def read_answer(self, body: Mapping[str, JsonValue]) -> ChatAnswer:
        """
        Raises:
            WireError: not an answer of this dialect.
        """
        ...

    def decoder(self, quirks: Quirks) -> Decoder: ...

    def read_error(self, body: JsonValue) -> ErrorReport:
        """Never raises: an unreadable body becomes a report that says so."""
        ...

    def read_request(self, body: Mapping[str, JsonValue]) -> Chat:
        """
        Raises:
            InvalidRequest: names the field and what was expected.
        """
        ...

    def write_answer(self, answer: ChatAnswer, *, id: str, model: str, created: int) -> dict[str, JsonValue]: ...  # noqa: A002 (the dialects' own word)

    def encoder(self, *, id: str, model: str, created: int, include_usage: bool) -> Encoder: ...  # noqa: A002 (the dialects' own word)

    def write_error(self, report: ErrorReport, status: int) -> dict[str, JsonValue]: ...
