"""Gemini error bodies: google.rpc.Status with its details.

Reference: https://ai.google.dev/gemini-api/docs/troubleshooting and google/rpc/error_details.proto (2026-11).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from omniroute_agent.wire.errors import ErrorReport
from omniroute_agent.wire.neutral import error_report

_STATUS: Final[Mapping[int, str]] = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_SECONDS: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def read_error(body: JsonValue) -> ErrorReport:
    """Never raises. The type is the status word, the code the reason of `ErrorInfo` where there is one."""
    report = error_report(body)
    if isinstance(body, list) and body:
        body = body[0]
    inner = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(inner, Mapping):
        return report
    status, details = inner.get("status"), inner.get("details")
    found = [detail for detail in details if isinstance(detail, Mapping)] if isinstance(details, list) else []
    reason = next((word for detail in found if isinstance(word := detail.get("reason"), str)), None)
    return replace(
        report,
        type=status if isinstance(status, str) else report.type,
        code=reason or report.code,
        retry_after=next((wait for detail in found if (wait := _delay(detail.get("retryDelay"))) is not None), None),
    )


def _delay(value: JsonValue) -> float | None:
    """A protobuf duration (`34.074824224s`) in seconds."""
    match = _SECONDS.fullmatch(value) if isinstance(value, str) else None
    return float(match[1]) if match is not None else None


def write_error(report: ErrorReport, status: int) -> dict[str, JsonValue]:
    """The set of status words is closed here, so a foreign type gives way to that of the status."""
    known = report.type if report.type in _STATUS.values() else None
    fallback = _STATUS.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")  # noqa: PLR2004 (RFC 9110 §15)
    error: dict[str, JsonValue] = {"code": status, "message": report.message, "status": known or fallback}
    if report.retry_after is not None:
        delay = f"{report.retry_after:.3f}".rstrip("0").rstrip(".")
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{delay}s"}]
    return {"error": error}
