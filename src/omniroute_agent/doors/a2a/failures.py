"""What went wrong, as each version and binding says it. No text of an exception nobody expected ever leaves."""

import logging
from dataclasses import dataclass, field
from typing import Any, Final, cast

from a2a.utils.errors import (
    A2A_ERROR_MAPPING,
    JSON_RPC_ERROR_CODE_MAP,
    A2AError,
    ErrorMapping,
    InternalError,
    InvalidParamsError,
    VersionNotSupportedError,
)

from omniroute_agent.doors.a2a.codes import code_of
from omniroute_agent.kernel.errors import CallError

DOMAIN: Final = "a2a-protocol.org"
OWN_DOMAIN: Final = "omniroute-agent"

_ERROR_INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_INTERNAL: Final = ErrorMapping(500, "INTERNAL", "INTERNAL_ERROR")
_LONGEST_FACT: Final = 1000

Wire = dict[str, Any]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    code: int
    """Of JSON-RPC."""
    message: str
    status: int
    """Of HTTP."""
    canonical: str
    """The same as one of google.rpc.Code's names."""
    reason: str
    domain: str = DOMAIN
    facts: dict[str, str] = field(default_factory=dict[str, str])
    violations: tuple[dict[str, str], ...] = ()
    """Fields that are wrong, and why."""

    @property
    def details(self) -> list[Wire]:
        info: Wire = {"@type": _ERROR_INFO, "reason": self.reason, "domain": self.domain, "metadata": self.facts}
        if not self.violations:
            return [info]
        return [info, {"@type": _BAD_REQUEST, "fieldViolations": list(self.violations)}]

    def modern(self) -> Wire:
        """The `error` of a JSON-RPC answer of 1.0."""
        return {"code": self.code, "message": self.message, "data": self.details}

    def legacy(self) -> Wire:
        """The same of 0.3, whose data is one free object."""
        error: Wire = {"code": self.code, "message": self.message}
        data: Wire = {**self.facts}
        if self.violations:
            data["errors"] = list(self.violations)
        if data:
            error["data"] = {"reason": self.reason, **data}
        return error

    def over_http(self) -> Wire:
        """The body of an HTTP+JSON answer: a google.rpc.Status."""
        return {
            "error": {
                "code": self.status,
                "status": self.canonical,
                "message": self.message,
                "details": self.details,
            }
        }


def failure_of(error: Exception) -> Failure:
    match error:
        case A2AError():
            return _of_protocol(error)
        case CallError():
            return _of_call(error)
        case _:
            _log.error("A request failed", exc_info=error)
            return _of_protocol(InternalError("Something went wrong inside; the owner finds it in the log."))


def parse_error(why: str) -> Failure:
    return Failure(
        code=-32700, message=f"Parse error: {why}.", status=400, canonical="INVALID_ARGUMENT", reason="PARSE_ERROR"
    )


def version_failure(asked: str, method: str, wanted: str) -> VersionNotSupportedError:
    named = f"`{asked[:40]}`" if asked else "none (which means 0.3)"
    return VersionNotSupportedError(
        f"`{method[:80]}` belongs to version {wanted}; the request names {named}. Send `A2A-Version: {wanted}`."
    )


def _of_protocol(error: A2AError) -> Failure:
    mapping = A2A_ERROR_MAPPING.get(type(error), _INTERNAL)
    data = error.data if isinstance(error.data, dict) else {}
    violations: list[Wire] = cast("list[Wire]", data.get("errors", [])) if isinstance(error, InvalidParamsError) else []
    told = error.message
    if violations and isinstance(error, InvalidParamsError):
        told = f"Invalid params: {', '.join(str(each['field']) for each in violations)}."
    return Failure(
        code=JSON_RPC_ERROR_CODE_MAP.get(type(error), -32603),
        message=told,
        status=mapping.http_code,
        canonical=mapping.grpc_status,
        reason=mapping.reason,
        violations=tuple({"field": str(v["field"]), "description": str(v["message"])} for v in violations),
    )


def _of_call(error: CallError) -> Failure:
    code = code_of(error)
    return Failure(
        code=code.code,
        message=error.sentence(),
        status=code.status,
        canonical=code.canonical,
        reason=code.reason,
        domain=OWN_DOMAIN,
        facts={name: fact for name, value in error.facts.items() if (fact := _fact(value))},
    )


def _fact(value: object) -> str:
    """Typed details hold text only."""
    words = [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return " ".join(words)[:_LONGEST_FACT]
