"""`install` and `uninstall`: one entry in the files of clients."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from omniroute_agent.cli.failures import NOT_FOUND, USAGE, CommandFailed
from omniroute_agent.cli.page import err, out, print_json
from omniroute_agent.cli.snippets import launch_command, may_vanish
from omniroute_agent.cli.start import Start
from omniroute_agent.clients.change import Change, State, carry_out, plan_install, plan_uninstall
from omniroute_agent.clients.files import copies
from omniroute_agent.clients.links import LINKED, links
from omniroute_agent.clients.places import Surroundings, surroundings
from omniroute_agent.clients.problems import CannotEdit
from omniroute_agent.clients.table import CLIENTS, Client
from omniroute_agent.settings.sources import own_environment

ALL: Final = "all-found"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,15}")

_VANISHES: Final = (
    "This installation lies in a cache and is gone when that is emptied; `uv tool install` or `pipx install` makes one "
    "that stays. Run this again from there."
)
_CAME: Final = frozenset(("added", "updated", "replaced"))
_SAID: Final[dict[State, str]] = {
    "added": "{client}: the server is in {file}.",
    "updated": "{client}: the server in {file} starts this installation now.",
    "replaced": "{client}: the server in {file} was another one and is this program now.",
    "unchanged": "{client}: the server was in {file} already; nothing changed.",
    "removed": "{client}: the server is out of {file}; the rest of it is as it was.",
    "restored": "{client}: {file} is what it was before the server came.",
    "deleted": "{client}: {file} held nothing but the server and is gone.",
    "absent": "{client}: there is no such server in {file}.",
}
_WOULD: Final[dict[State, str]] = {
    "added": "{client}: the server would be added to {file}.",
    "updated": "{client}: the server in {file} would start this installation.",
    "replaced": "{client}: another server in {file} would be overwritten.",
    "removed": "{client}: the server would go out of {file}.",
    "restored": "{client}: {file} would become what it was before the server came.",
    "deleted": "{client}: {file} would go; it holds nothing but the server.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    client: str
    name: str
    project: bool = False
    file: Path | None = None
    force: bool = False
    more: tuple[str, ...] = ()
    """Options of `mcp`."""


def add_to_clients(start: Start, wanted: Wanted, *, print_only: bool, as_json: bool) -> int:
    command = _command(start, wanted)

    def plan(client: Client, file: Path) -> Change:
        return plan_install(client, file, wanted.name, command, force=wanted.force)

    if may_vanish():
        err().line(f"! {_VANISHES}", "yellow")
    return _change_all(wanted, plan, print_only=print_only, as_json=as_json)


def remove_from_clients(wanted: Wanted, *, print_only: bool, as_json: bool) -> int:
    def plan(client: Client, file: Path) -> Change:
        return plan_uninstall(client, file, wanted.name, force=wanted.force)

    return _change_all(wanted, plan, print_only=print_only, as_json=as_json)


def show_links(start: Start, wanted: Wanted, *, as_json: bool) -> int:
    _check_name(wanted.name)
    found = links(wanted.client, wanted.name, _command(start, wanted)) if wanted.client in CLIENTS else {}
    if not found:
        raise CommandFailed(
            f"There are no such links for {wanted.client}.", f"They are for {' and '.join(LINKED)}.", "usage", USAGE
        )
    if as_json:
        print_json({"client": wanted.client, "links": found})
        return 0
    for link in found.values():
        out().line(link)
    err().line("The first opens the program itself; the second is for pages that allow web addresses only.", "dim")
    return 0


def _change_all(wanted: Wanted, plan: Callable[[Client, Path], Change], *, print_only: bool, as_json: bool) -> int:
    """Plans are made for all before the first is carried out: one bad file stops them all."""
    _check_name(wanted.name)
    around = surroundings(own_environment())
    try:
        changes = [plan(client, _file(client, wanted, around)) for client in _clients(wanted, around)]
        if not print_only:
            for change in changes:
                carry_out(change)
    except CannotEdit as error:
        raise CommandFailed(f"{error.message}.", error.hint, "client_file") from None
    if as_json:
        print_json({"written": not print_only, "clients": [_told(change) for change in changes]})
    else:
        for change in changes:
            _say(change, print_only=print_only)
    return 0


def _clients(wanted: Wanted, around: Surroundings) -> Sequence[Client]:
    if wanted.client != ALL:
        client = CLIENTS.get(wanted.client)
        if client is None:
            names = ", ".join(CLIENTS)
            raise CommandFailed(f"There is no client `{wanted.client}`.", f"Known: {names}, {ALL}.", "usage", USAGE)
        return [client]
    if wanted.file is not None or wanted.project:
        raise CommandFailed(f"`--client {ALL}` goes with neither --file nor --project.", code="usage", exit_code=USAGE)
    found = [client for client in CLIENTS.values() if client.seems_installed(around)]
    if not found:
        raise CommandFailed("No client was found here.", "Name one with --client.", "not_found", NOT_FOUND)
    return found


def _file(client: Client, wanted: Wanted, around: Surroundings) -> Path:
    if wanted.file is not None:
        return wanted.file.expanduser().absolute()
    file = client.file(around, project=wanted.project)
    if file is None:
        raise CommandFailed(f"{client.title} has no file for a project.", "Leave --project away.", "usage", USAGE)
    return file


def _command(start: Start, wanted: Wanted) -> list[str]:
    if wanted.more and not wanted.more[0].startswith("-"):
        raise CommandFailed(
            f"`{wanted.more[0]}` is no option of `mcp`.", "Name the client with --client.", "usage", USAGE
        )
    return [*launch_command(start), *wanted.more]


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise CommandFailed(
            f"`{name}` is no name every client takes.",
            "Use a letter first, then letters, digits, _ and -, at most 16 in all: clients join it with tool names.",
            "usage",
            USAGE,
        )


def _told(change: Change) -> dict[str, Any]:
    return {
        "client": change.client.id,
        "file": str(change.found.path),
        "state": change.state,
        "changes": change.changes,
        "entry": change.entry,
        "kept": [str(path) for path in copies(change.found.path)],
        "difference": list(change.difference()),
        "next": change.client.after if change.state in _CAME else None,
    }


def _say(change: Change, *, print_only: bool) -> None:
    facts = {"client": change.client.title, "file": change.found.path}
    sentences = _WOULD if print_only and change.changes else _SAID
    out().line(sentences[change.state].format(**facts), "green" if change.changes else "")
    if print_only:
        for line in change.difference():
            out().line(f"  {line}")
        return
    if change.changes:
        for copy in copies(change.found.path):
            out().line(f"  An earlier state is kept in {copy}.", "dim")
    if change.state in _CAME:
        out().line(f"  {change.client.after}", "dim")
        if change.client.note:
            out().line(f"  {change.client.note}", "dim")
