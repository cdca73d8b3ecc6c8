"""`doctor`: what is here, what is wrong, what to do."""

from omniroute_agent import __version__
from omniroute_agent.cli.failures import OTHER, CommandFailed
from omniroute_agent.cli.findings import (
    Finding,
    about_directory,
    about_keys,
    about_problems,
    about_program,
    about_settings,
    draw,
)
from omniroute_agent.cli.house import in_house
from omniroute_agent.cli.inspection import inspect
from omniroute_agent.cli.local import fetch_model, local_state
from omniroute_agent.cli.loop import run
from omniroute_agent.cli.page import err, out, print_json
from omniroute_agent.cli.progress import progress_on
from omniroute_agent.cli.start import Start
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.problems import SettingsError


def examine(start: Start, *, fix: bool, as_json: bool) -> int:
    findings = list(about_program())
    try:
        settings = start.settings()
    except SettingsError as error:
        findings += about_problems(error)
    else:
        findings += _about_house(settings, fix=fix, as_json=as_json)
    well = all(finding.level != "trouble" for finding in findings)
    if as_json:
        print_json({"ok": well, "version": __version__, "findings": [finding.as_json() for finding in findings]})
    else:
        draw(out(), findings)
    return 0 if well else OTHER


def _about_house(settings: Settings, *, fix: bool, as_json: bool) -> list[Finding]:
    findings = [*about_settings(settings), *about_directory(settings.directory, fix=fix), *about_keys(settings)]
    if fix and settings.local.enabled:
        findings += _fetch_model(settings, quietly=as_json)
    try:
        findings += in_house(settings, inspect)
    except StoreUnavailable as error:
        findings.append(Finding(about="database", level="trouble", says=error.message, do=error.hint))
    return findings


def _fetch_model(settings: Settings, *, quietly: bool) -> list[Finding]:
    """The local model where its engine is installed: without the engine it would only fill the disk."""
    state = run(lambda: local_state(settings))
    if state.downloaded or not state.installed:
        return []
    try:
        with progress_on(err() if quietly else out()) as progress:
            path = run(lambda: fetch_model(settings, progress))
    except CommandFailed as error:
        return [Finding(about="local model", level="warning", says=error.message, do=error.hint)]
    return [Finding(about="local model", level="ok", says=f"mended: fetched {path}")]
