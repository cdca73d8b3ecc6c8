"""What a running program says on stderr: one line a record as text or JSON, and no secret in any of them."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

from omniroute_agent.kernel.masking import masked

Format = Literal["text", "json"]

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SCALARS: Final = (str, int, float, bool, type(None))


def begin_logs(form: Format = "text", level: str = "warning", stream: TextIO | None = None) -> None:
    """Log to `stream` (stderr) from `level` on. Called again, it takes the place of what was before."""
    handler = _Masking(stream or sys.stderr)
    handler.setFormatter(_Json() if form == "json" else logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    for before in [each for each in root.handlers if isinstance(each, _Masking)]:
        root.removeHandler(before)
    root.addHandler(handler)
    root.setLevel(level.upper())


class _Masking(logging.StreamHandler[TextIO]):
    """The last thing that touches a record is the mask, so that neither arguments nor a traceback get around it."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


class _Json(logging.Formatter):
    """One object a line: at, level, logger, message, pid; what a record carries beside that; the traceback, if any."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            # Masked before it is quoted, too: quoting could tear a secret apart.
            "message": masked(record.getMessage()),
            "pid": record.process,
        }
        for name, value in vars(record).items():
            if name not in _STANDARD:
                told[name] = value if isinstance(value, _SCALARS) else str(value)
        if record.exc_info:
            told["traceback"] = masked(self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False, default=str)
