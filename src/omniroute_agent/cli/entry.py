"""Where the program starts."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import NoReturn

from omniroute_agent.cli.failures import INTERRUPTED, OTHER, TERMINATED, Terminated, tell, tell_cancelled
from omniroute_agent.cli.start import hoisted, read_quickly


def main() -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets a stand-in, not a failure.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    code = run(sys.argv[1:])
    _leave_quietly()
    sys.exit(code)


def run(words: Sequence[str]) -> int:
    """Run one command line and give its exit code; `docs/cli.md` has the table."""
    own_words = words[: words.index("--")] if "--" in words else words
    as_json = "--json" in own_words
    try:
        code = _run(words)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Terminated:
        return TERMINATED
    except BrokenPipeError:
        return OTHER
    except Exception as error:  # noqa: BLE001 (the last wall: whatever happened is told in one place)
        return tell(error, as_json=as_json)
    if code == INTERRUPTED:
        tell_cancelled(as_json=as_json)
    return code


def _run(words: Sequence[str]) -> int:
    # The imports in here are lazy: an editor waits for `mcp`, and nothing but it is loaded on that way.
    if (quick := read_quickly(words)) is not None:
        from omniroute_agent.cli.window import open_window  # noqa: PLC0415 (lazy)

        return open_window(quick.start, quick.scopes, forward=quick.forward)
    from omniroute_agent.cli.commands import run_commands  # noqa: PLC0415 (lazy)
    from omniroute_agent.outside.logs import begin_logs  # noqa: PLC0415 (lazy)

    begin_logs()
    return run_commands(hoisted(words) or ["--help"])


def _leave_quietly() -> None:
    """Whoever read our output may have left (`… | head`): the interpreter would complain about that at its end."""
    try:
        sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
