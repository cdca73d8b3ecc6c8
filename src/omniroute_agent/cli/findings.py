"""What `doctor` says: findings, and those of them that need no open house."""

import os
import platform
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from omniroute_agent import __version__
from omniroute_agent.cli.page import Page
from omniroute_agent.providers.discovery import key_variables
from omniroute_agent.settings.master_key import MASTER_KEY_FILE
from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.page import rows
from omniroute_agent.settings.private import OWNER_KEY_FILE
from omniroute_agent.settings.problems import SettingsError
from omniroute_agent.settings.sources import provider_key_problems
from omniroute_agent.store.database import FILE

Level = Literal["ok", "note", "warning", "trouble"]

_SIGNS: Final[dict[Level, tuple[str, str]]] = {
    "ok": ("✓", "green"),
    "note": ("·", "dim"),
    "warning": ("!", "yellow"),
    "trouble": ("✗", "red"),
}
_OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    about: str
    """python, settings, data, keys, connection, guard, local model, database, combo or routing."""
    level: Level
    """note: worth knowing. warning: look at it. trouble: nothing can be routed while it lasts."""
    says: str
    do: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def draw(page: Page, findings: Sequence[Finding]) -> None:
    about = ""
    for finding in findings:
        if finding.about != about:
            about = finding.about
            page.line(about.capitalize(), "bold")
        sign, style = _SIGNS[finding.level]
        page.write(f"  {sign} ", style)
        page.line(finding.says)
        if finding.do:
            page.line(f"    → {finding.do}", style)


def about_program() -> Iterator[Finding]:
    yield Finding(
        about="python",
        level="ok",
        says=f"omniroute-agent {__version__} on Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{platform.system()} {platform.machine()}",
    )


def about_problems(error: SettingsError) -> Iterator[Finding]:
    for problem in error.problems:
        yield Finding(
            about="settings",
            level="trouble",
            says=problem.sentence(),
            do="Mend it; run `omniroute-agent config check`.",
        )


def about_settings(settings: Settings) -> Iterator[Finding]:
    found = "" if settings.config_found else " (not there: defaults are in force)"
    yield Finding(about="settings", level="ok", says=f"{settings.config_path}{found}")
    for row in rows(settings):
        if row.origin != "default":
            yield Finding(about="settings", level="note", says=f"{row.key} = {row.value}, from {row.origin}")
    for warning in settings.warnings:
        yield Finding(about="settings", level="warning", says=warning.sentence())


def about_directory(directory: Path, *, fix: bool) -> Iterator[Finding]:
    """The data directory and who may read it; `fix` closes what stands open."""
    if not directory.exists():
        yield Finding(about="data", level="note", says=f"{directory} is made at the first use")
        return
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            about="data",
            level="trouble",
            says=f"{directory} cannot be read and written by this user",
            do="Give it to this user, or choose another with --data-dir or OMNIROUTE_DATA_DIR.",
        )
        return
    yield Finding(about="data", level="ok", says=str(directory))
    for path in (directory, *_private_files(directory)):
        yield from _about_mode(path, fix=fix)


def _private_files(directory: Path) -> Iterator[Path]:
    for pattern in (OWNER_KEY_FILE, MASTER_KEY_FILE, f"{MASTER_KEY_FILE}.next", FILE, f"{FILE}-wal", f"{FILE}-shm"):
        if (path := directory / pattern).exists():
            yield path


def _about_mode(path: Path, *, fix: bool) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name != "posix" or not mode & _OTHERS:
        return
    closed = mode & ~_OTHERS
    if not fix:
        yield Finding(
            about="data",
            level="warning",
            says=f"others may look into {path} (mode {mode:03o})",
            do=f"`omniroute-agent doctor --fix` makes it {closed:03o}.",
        )
        return
    try:
        path.chmod(closed)
    except OSError as error:
        yield Finding(about="data", level="warning", says=f"{path} stays open to others: {error.strerror}")
    else:
        yield Finding(about="data", level="ok", says=f"mended: {path} is for you alone now (mode {closed:03o})")


def about_keys(settings: Settings) -> Iterator[Finding]:
    """Variables that look like keys and give none. Those that do are shown as connections."""
    if not settings.discovery.environment:
        yield Finding(about="keys", level="note", says="keys in the environment are not looked for ([discovery])")
        return
    for problem in provider_key_problems(key_variables()):
        yield Finding(about="keys", level="warning", says=problem.sentence())
