"""An error answer read whole: what kind of fault it is, when to come back, what it tells of the account's windows."""

import json
from collections.abc import Mapping
from datetime import datetime

from omniroute_agent.engine.faults import Fault, kind_of, scrub
from omniroute_agent.engine.hints import bounded, hint_in_body, hint_in_text, names_in_body, retry_hint
from omniroute_agent.engine.windows import reading_in_text, readings_of, used_up_hint
from omniroute_agent.kernel.quota import QuotaReading
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.wire.dialect import Dialect, ErrorReport, StreamedError


def refusal_of(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    dialect: Dialect,
    secret: Secret | None,
    now: datetime,
    phrase: str = "",
) -> tuple[Fault, tuple[QuotaReading, ...]]:
    """An HTTP error answer as a fault in the provider's own words; `phrase` stands in for an empty body."""
    try:
        value = json.loads(body)
        report = dialect.read_error(value)
    except (ValueError, RecursionError):
        value = None
        report = ErrorReport(message=body[:300].decode("utf-8", "replace") or phrase)
    readings = readings_of(headers.items(), now)
    kind = kind_of(status, report, names_in_body(value))
    hint = _hint(headers, value, report, now)
    if hint is None and kind in ("rate_limited", "model_window_exhausted", "window_exhausted"):
        hint = used_up_hint(readings, now)
    if (told := reading_in_text(report.message, now)) is not None:
        readings = (*(reading for reading in readings if reading.window != told.window), told)
    fault = Fault(kind=kind, detail=scrub(f"{status}: {report.message}", secret), status=status, retry_after=hint)
    return fault, readings


def _hint(headers: Mapping[str, str], body: object, report: ErrorReport, now: datetime) -> float | None:
    """The first that says something: header, body, sentence."""
    if (hint := retry_hint(headers, now)) is not None:
        return hint
    if report.retry_after is not None:
        return bounded(report.retry_after)
    if (hint := hint_in_body(body, now)) is not None:
        return hint
    return hint_in_text(report.message, now)


def streamed_fault(error: StreamedError, secret: Secret | None, now: datetime) -> Fault:
    """An error inside an answer that had begun with status 200."""
    report = error.report
    hint = bounded(report.retry_after) if report.retry_after is not None else hint_in_text(report.message, now)
    return Fault(kind=kind_of(200, report), detail=scrub(report.message, secret), status=200, retry_after=hint)
