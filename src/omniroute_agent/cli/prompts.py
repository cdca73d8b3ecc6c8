"""A prompt from the command line: its words, and what is piped in."""

import sys
from typing import Final

from omniroute_agent.cli.failures import USAGE, CommandFailed

_STDIN: Final = "-"
_MAX_STDIN: Final = 16 * 1024 * 1024


def prompt_of(words: tuple[str, ...], command: str) -> str:
    """The words with `-` replaced by stdin; stdin alone when there are no words and something is piped in. `command`
    is the one to be named in a hint.

    Raises:
        CommandFailed: there is no prompt.
    """
    if not words and not sys.stdin.isatty():
        words = (_STDIN,)
    if words.count(_STDIN) > 1:
        raise _wrong("`-` stands for stdin and may be given once.", command)
    if _STDIN in words:
        before, after = words[: words.index(_STDIN)], words[words.index(_STDIN) + 1 :]
        pieces = [" ".join(before), _stdin(command), " ".join(after)]
        prompt = "\n\n".join(piece for piece in pieces if piece)
    else:
        prompt = " ".join(words)
    if not prompt.strip():
        where = f"Write it behind `{command}`, or pipe it in: `omniroute-agent {command} - < notes.txt`."
        raise _wrong("There is no prompt.", command, where)
    return prompt


def _stdin(command: str) -> str:
    content = sys.stdin.buffer.read(_MAX_STDIN + 1)
    if len(content) > _MAX_STDIN:
        raise _wrong(f"What comes in on stdin is longer than {_MAX_STDIN // 1024 // 1024} MiB.", command)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(f"What comes in on stdin is not UTF-8 text (byte {error.start}).", command) from None


def _wrong(message: str, command: str, hint: str = "") -> CommandFailed:
    return CommandFailed(message, hint or f"Try `omniroute-agent {command} --help`.", "usage", USAGE)
