"""OpenTelemetry spans over OTLP/HTTP, where the owner asked for them. What takes time to load is loaded only then.

Names and attributes follow the semantic conventions for MCP and for generative AI, which are in development
(github.com/open-telemetry/semantic-conventions-genai, read 2026-11-21). Never a word of prompt, argument or answer.
"""

import asyncio
import logging
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from omniroute_agent import __version__
from omniroute_agent.kernel.ended import AttemptEnded, Ended

if TYPE_CHECKING:  # the extra may be missing
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanContext, Tracer

SERVICE: Final = "omniroute-agent"
EXPORT_SECONDS: Final = 5.0
"""How long a collector may take; the end of the program waits for it once."""

_PROPAGATOR: Final = TraceContextTextMapPropagator()

_log = logging.getLogger(__name__)


class TracingUnavailable(Exception):
    """Spans are wanted and cannot be sent; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A tool call as it came in."""

    tool: str | None
    """None: a name that no tool has, which must not become a span's name."""
    door: str
    protocol_version: str
    rpc_id: str | None
    session: str | None
    """Of the protocol's own sessions."""
    meta: Mapping[str, Any] | None
    headers: Mapping[str, str] = field(default_factory=dict)


class ToolSpan:
    """The span of a tool call under way."""

    def __init__(self, span: "Span") -> None:
        self._span = span

    def ended(self, outcome: str, request_id: str | None, *, rpc_code: int | None = None) -> None:
        """`outcome` is `ok` or the code of the error; `rpc_code` that of a refusal by the protocol."""
        if request_id is not None:
            self._span.set_attribute("omniroute.request_id", request_id)
        if outcome == "ok":
            return
        self._span.set_attribute("omniroute.outcome", outcome)
        if rpc_code is not None:
            self._span.set_attributes({"error.type": str(rpc_code), "rpc.response.status_code": str(rpc_code)})
        else:
            self._span.set_attribute("error.type", "cancelled" if outcome == "cancelled" else "tool_error")
        self._span.set_status(StatusCode.ERROR, outcome)


class Spans:
    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer("omniroute_agent", __version__)

    @contextmanager
    def tool_call(self, received: Received) -> Generator[ToolSpan, None, None]:
        """The current span while the context lasts, so that what it causes hangs below it. It continues the trace that
        the client names in `_meta`, else the one of the HTTP request.
        """
        asked, carried = _context(received.meta), _context(received.headers)
        links = [Link(transport)] if asked and carried and (transport := _seen(carried)).is_valid else None
        with self._tracer.start_as_current_span(
            "tools/call" if received.tool is None else f"tools/call {received.tool}",
            kind=SpanKind.SERVER,
            attributes=_attributes(received),
            context=asked or carried,
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield ToolSpan(span)

    @contextmanager
    def task(
        self, skill: str, carrier: Mapping[str, Any], attributes: Mapping[str, str]
    ) -> Generator[ToolSpan, None, None]:
        """The same for a task of the A2A door, which continues the trace that its request named."""
        with self._tracer.start_as_current_span(
            f"invoke_agent {skill}",
            kind=SpanKind.SERVER,
            attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": SERVICE, **attributes},
            context=_context(carrier),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield ToolSpan(span)

    def __call__(self, ended: Ended) -> None:
        """Write the span of an upstream call that is over."""
        if not isinstance(ended, AttemptEnded):
            return
        bill = ended.settlement
        span = self._tracer.start_span(
            f"chat {ended.model}",
            kind=SpanKind.CLIENT,
            attributes={name: value for name, value in _attempt_attributes(ended).items() if value is not None},
            start_time=_nanoseconds(ended.began),
        )
        if bill.fault is not None or bill.outcome != "answered":
            span.set_attribute("error.type", bill.fault or bill.outcome)
            span.set_status(StatusCode.ERROR, bill.outcome)
        span.end(_nanoseconds(ended.ended))

    async def close(self) -> None:
        """Send what is left. A collector that does not answer holds the end up for `EXPORT_SECONDS` and no longer."""
        sending = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        sending.start()
        await asyncio.to_thread(sending.join, EXPORT_SECONDS)
        if sending.is_alive():
            _log.warning("The last spans could not be sent within %g s.", EXPORT_SECONDS)


def open_spans(endpoint: str, exporter: "SpanExporter | None" = None) -> Spans:
    """Spans to the collector at `endpoint`, in batches, by a thread of the library's own. Sampling, headers,
    certificates and resource are read by the library from the standard variables OTEL_….

    Raises:
        TracingUnavailable: the extra is missing.
    """
    try:
        # Imported here: an extra, and 0.3 s that nobody waits for who wants no spans.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 (lazy)
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 (lazy)
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 (lazy)
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 (lazy)
    except ImportError:
        raise TracingUnavailable(
            "Spans are wanted, but OpenTelemetry is not installed: `pip install 'omniroute-agent[otel]'`."
        ) from None
    resource = Resource.create({"service.version": __version__})
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": SERVICE}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    sending = exporter or OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(sending))
    return Spans(provider)


def _context(carrier: Mapping[str, Any] | None) -> Context | None:
    """The trace that a client names; None where it names none, or not in the form of W3C Trace Context."""
    if not carrier:
        return None
    texts = {name: text for name in ("traceparent", "tracestate") if isinstance(text := carrier.get(name), str)}
    context = _PROPAGATOR.extract(texts, Context())
    return context if _seen(context).is_valid else None


def _seen(context: Context) -> "SpanContext":
    return get_current_span(context).get_span_context()


def _attributes(received: Received) -> dict[str, str]:
    found = {
        "mcp.method.name": "tools/call",
        "gen_ai.operation.name": "execute_tool",
        "mcp.protocol.version": received.protocol_version,
        "network.transport": "pipe" if received.door.endswith("stdio") else "tcp",
        "gen_ai.tool.name": received.tool,
        "jsonrpc.request.id": received.rpc_id,
        "mcp.session.id": received.session,
    }
    return {name: value for name, value in found.items() if value is not None}


def _attempt_attributes(ended: AttemptEnded) -> dict[str, str | int | float | list[str] | None]:
    usage, first = ended.settlement.usage, ended.settlement.first_token_ms
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": ended.system,
        "gen_ai.request.model": ended.model,
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": ended.max_tokens,
        "gen_ai.request.temperature": ended.temperature,
        "gen_ai.response.model": ended.reported_model,
        "gen_ai.response.finish_reasons": [ended.finish] if ended.finish else None,
        "gen_ai.response.time_to_first_chunk": None if first is None else first / 1000,
        "gen_ai.usage.input_tokens": usage.input_tokens if usage else None,
        "gen_ai.usage.output_tokens": usage.output_tokens if usage else None,
        "gen_ai.usage.cache_read.input_tokens": (usage.cache_read_tokens or None) if usage else None,
        "gen_ai.usage.reasoning.output_tokens": (usage.reasoning_tokens or None) if usage else None,
        "omniroute.request_id": ended.request_id,
        "omniroute.connection": ended.connection,
        "omniroute.combo": ended.combo,
    }


def _nanoseconds(epoch: float) -> int:
    return int(epoch * 1e9)
