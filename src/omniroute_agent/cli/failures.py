"""How a failure is told: one clear sentence, what to do next, and an exit code that scripts can rely on."""

import json
import sys
import traceback
from dataclasses import dataclass, field
from typing import Final

from omniroute_agent.kernel.errors import CallError
from omniroute_agent.kernel.masking import masked

OTHER: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
INTERRUPTED: Final = 130
TERMINATED: Final = 143

_EXITS: Final = {"invalid_request": USAGE, "not_found": NOT_FOUND}


@dataclass
class CommandFailed(Exception):
    """A command cannot do what it was asked for."""

    message: str
    hint: str = ""
    code: str = "failed"
    exit_code: int = OTHER
    facts: dict[str, object] = field(default_factory=dict)


class Terminated(Exception):
    """SIGTERM arrived and everything was put in order."""


def tell(error: Exception, *, as_json: bool) -> int:
    """Print a failure on stderr and give the exit code it stands for."""
    failure = _failure(error)
    if failure is None:
        return _defect(error, as_json=as_json)
    if as_json:
        _print_json(failure)
    else:
        request = failure.facts.get("request_id")
        lines = [f"Error: {failure.message}", failure.hint]
        lines += [f"`omniroute-agent explain {request}` shows what was tried."] if request else []
        sys.stderr.write("".join(f"{line}\n" for line in lines if line))
    return failure.exit_code


def tell_cancelled(*, as_json: bool) -> None:
    """After Ctrl-C, once everything is in order."""
    if as_json:
        _print_json(CommandFailed("Cancelled.", code="cancelled"))
    else:
        sys.stderr.write("Cancelled.\n")


def _failure(error: Exception) -> CommandFailed | None:
    """None: nobody foresaw this one."""
    # Imported here because the quick way to a running server needs neither.
    from omniroute_agent.doors.serving import CannotServe  # noqa: PLC0415 (lazy)
    from omniroute_agent.settings.problems import SettingsError  # noqa: PLC0415 (lazy)

    match error:
        case CommandFailed():
            return error
        case CallError():
            exit_code = _EXITS.get(error.code, OTHER)
            return CommandFailed(error.message, error.hint, error.code, exit_code, error.facts)
        case SettingsError():
            problems = [problem.sentence() for problem in error.problems]
            return CommandFailed(
                "The settings cannot be used.\n" + "\n".join(f"  {problem}" for problem in problems),
                "Mend this and look at it with `omniroute-agent config check`.",
                "settings",
                USAGE,
                {"problems": problems},
            )
        case CannotServe():
            return CommandFailed(str(error), code="cannot_serve")
        case LookupError() if type(error) is LookupError:  # a tool package; its subclasses are defects
            return CommandFailed(f"{error}.", "Look at `[tools] packages` in the settings.", "settings", USAGE)
        case _:
            return None


def _print_json(failure: CommandFailed) -> None:
    told = {"code": failure.code, "message": failure.message, "hint": failure.hint, "facts": failure.facts}
    sys.stderr.write(json.dumps({"error": told}, default=str) + "\n")


def _defect(error: Exception, *, as_json: bool) -> int:
    message = f"This is a defect of omniroute-agent: {type(error).__name__}."
    hint = "Please report it with the lines above."
    # Nobody foresaw what it says: it may hold a secret, and clients keep what a server writes here.
    sys.stderr.write(masked("".join(traceback.format_exception(error))))
    if as_json:
        _print_json(CommandFailed(message, hint, "internal"))
    else:
        sys.stderr.write(f"Error: {message} {hint}\n")
    return OTHER
