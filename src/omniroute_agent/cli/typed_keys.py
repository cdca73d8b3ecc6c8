"""A key on its way in: from a hidden prompt, stdin, a file or the environment, never from the command line.

What stands on a command line is seen by every program of this machine and kept in the shell's history.
"""

import getpass
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from omniroute_agent.cli.failures import USAGE, CommandFailed
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.settings.sources import checked_key, key_from_file, named_key

_KNOWN_STARTS: Final = (
    *("sk-", "sk_", "pk-", "gsk_", "xai-", "AIza", "hf_", "ghp_", "gho_", "github_pat_", "glpat-", "nvapi-", "r8_"),
    *("pplx-", "fw_", "csk-", "tgp_", "AKIA", "ya29.", "eyJ", "orak_", "ormk_", "Bearer "),
)
_LONG: Final = re.compile(r"[A-Za-z0-9_\-+=]{32,}")
_HINT: Final = (
    "Leave it away and type it at the prompt, or use --key-stdin, --key-file or --key-env. It stands in your shell's "
    "history now: if it is a real key, take it back at the provider."
)
_MAX: Final = 1 << 14


def looks_like_key(text: str) -> bool:
    """Whether this is how providers write keys: a start they are known by, or one long run of mixed characters."""
    if text.startswith(_KNOWN_STARTS) and len(text) >= 12:  # noqa: PLR2004 (shorter ones are no keys)
        return True
    mixed = sum(map(bool, (re.search("[a-z]", text), re.search("[A-Z]", text), re.search("[0-9]", text))))
    return _LONG.fullmatch(text) is not None and mixed > 1 and "-" not in text.strip("-")


def refuse_keys(words: Iterable[str]) -> None:
    """
    Raises:
        CommandFailed: one of the words looks like a key. It is not repeated.
    """
    if any(looks_like_key(word) for word in words):
        raise key_refused()


def key_refused(hint: str = _HINT) -> CommandFailed:
    return CommandFailed("A key does not belong on the command line.", hint, "usage", USAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySource:
    """Where the command line says the key is."""

    stdin: bool = False
    file: Path | None = None
    variable: str | None = None
    none: bool = False

    @property
    def given(self) -> bool:
        return self.stdin or self.none or self.file is not None or self.variable is not None


def read_key(source: KeySource, prompt: str) -> Secret | None:
    """The key; None where there is to be none.

    Raises:
        CommandFailed: it is not there, or is no key.
    """
    ways = (source.stdin, source.none, source.file is not None, source.variable is not None)
    if sum(ways) > 1:
        raise _wrong("Only one of --key-stdin, --key-file, --key-env and --no-key can be given.")
    if source.none:
        return None
    if source.file is not None:
        found = key_from_file(source.file)
    elif source.variable is not None:
        named = named_key(source.variable)
        if named is None:
            raise _wrong(f"The environment variable {source.variable} is not set.", "Set it, or choose another way.")
        found = named
    elif source.stdin:
        found = checked_key(_stdin(), "standard input")
    else:
        found = checked_key(_asked(prompt), "prompt")
    if found.secret is None:
        problem = found.problem or "there is no key"
        raise _wrong(f"{problem[:1].upper()}{problem[1:]}.")
    return found.secret


def _stdin() -> str:
    content = sys.stdin.buffer.read(_MAX + 1)
    if len(content) > _MAX:
        raise _wrong("What comes in on stdin is too long for a key.")
    return content.decode("utf-8-sig", "replace")


def _asked(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise _wrong("There is no terminal to ask for the key.", "Use --key-stdin, --key-file, --key-env, or --no-key.")
    try:
        return getpass.getpass(prompt, sys.stderr)
    except EOFError:
        raise _wrong("No key was typed.") from None


def _wrong(message: str, hint: str = "Try `omniroute-agent connections add --help`.") -> CommandFailed:
    return CommandFailed(message, hint, "usage", USAGE)
