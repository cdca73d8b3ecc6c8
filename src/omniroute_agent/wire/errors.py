"""What can be wrong with what the other side sent."""

from dataclasses import dataclass


class WireError(Exception):
    """The other side sent something its dialect does not allow (half a JSON, HTML, a wrong type).

    `excerpt` is at most 200 characters of what came, for the person who has to find out.
    """

    def __init__(self, message: str, *, excerpt: str = "") -> None:
        super().__init__(message)
        self.excerpt = excerpt[:200]


class Truncated(WireError):
    """The stream ended before its dialect's terminal marker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReport:
    """A provider's error as its dialect words it. `type` and `code` are the provider's own words."""

    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None
    """Seconds, where the body itself says when to come back."""


class StreamedError(WireError):
    """An explicit error event inside a stream that had begun with status 200."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(report.message, excerpt=report.message)
        self.report = report
