"""What an install or an uninstall makes of one client's file: worked out first, written when somebody says so."""

import difflib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Final, Literal

from omniroute_agent.clients.edit import drop, put, read
from omniroute_agent.clients.files import Found, check_writable, copy_for, look, remove, replace
from omniroute_agent.clients.problems import CannotEdit
from omniroute_agent.clients.table import Client
from omniroute_agent.clients.values import get

State = Literal["added", "updated", "replaced", "unchanged", "removed", "restored", "deleted", "absent"]

_OURS: Final = ("type", "command", "cmd", "args")
"""What an update sets; anything else in an entry is its owner's, once it is there."""
_MODULE: Final = "omniroute_agent"


@dataclass(frozen=True, slots=True)
class Change:
    client: Client
    found: Found
    state: State
    after: bytes | None
    """What the file will hold; None: nothing, it goes."""
    entry: dict[str, Any] | None = None
    """Our entry as it will stand there."""
    copy: Path | None = None
    """Where what is there now will be kept, or what comes back lies."""

    @property
    def changes(self) -> bool:
        return self.after != self.found.content

    def difference(self) -> Iterator[str]:
        """Lines that go and come, without the ones around them: files of clients hold secrets."""
        before = (self.found.content or b"").decode(errors="replace").splitlines()
        after = (self.after or b"").decode(errors="replace").splitlines()
        name = str(self.found.path)
        yield from difflib.unified_diff(before, after, name, name, n=0, lineterm="")


def plan_install(client: Client, file: Path, name: str, command: Sequence[str], *, force: bool = False) -> Change:
    """
    Raises:
        CannotEdit: the file is not what the client reads, or has another server under that name.
    """
    found = look(file)
    data = _data(client, found)
    path = client.path(data, name)
    existing = get(data, path)
    wanted = client.shape(command[0], command[1:])
    text = found.text
    state: State = "added"
    with _naming(found):
        if existing is None:
            text = put(text, client.form, path, wanted)
        elif not is_ours(existing):
            if not force:
                raise _somebody_elses(found, name)
            state = "replaced"
            text = put(drop(text, client.form, path), client.form, path, wanted)
        else:
            state = "updated"
            for key, value in wanted.items():
                if existing.get(key) != value and (key in _OURS or key not in existing):
                    text = put(text, client.form, (*path, key), value)
    after = found.bytes_of(text)
    if after == found.content:
        return Change(client, found, "unchanged", after, existing)
    copy = None if _only_ours(client, found, path) else copy_for(found, after)
    return Change(client, found, state, after, get(read(text, client.form), path), copy)


def plan_uninstall(client: Client, file: Path, name: str, *, force: bool = False) -> Change:
    """
    Raises:
        CannotEdit: the file cannot be read, or the server under that name is another.
    """
    found = look(file)
    data = _data(client, found)
    path = client.path(data, name)
    existing = get(data, path)
    if existing is None or found.content is None:
        return Change(client, found, "absent", found.content)
    if not is_ours(existing) and not force:
        raise _somebody_elses(found, name)
    copy = look(copy_for(found, found.content))
    if copy.content is not None and not is_ours(get(read(copy.text, client.form), path)):
        return Change(client, found, "restored", copy.content, copy=copy.path)
    if _only_ours(client, found, path):
        return Change(client, found, "deleted", None)
    with _naming(found):
        text = drop(found.text, client.form, path)
    return Change(client, found, "removed", found.bytes_of(text))


def carry_out(change: Change) -> None:
    """
    Raises:
        CannotEdit: the files cannot be written; the client's own is then as it was.
    """
    found = change.found
    if not change.changes:
        return
    check_writable(found)
    if change.after is None:
        remove(found.path)
        return
    if change.state == "restored":
        replace(found, change.after)
        assert change.copy is not None
        remove(change.copy)
        return
    earlier = None if found.content is None else look(copy_for(found, found.content))
    if change.copy is not None and found.content is not None:
        # Nobody touched the file since our last change: the copy from before that one stays the one to go back to.
        kept = found.content if earlier is None or earlier.content is None else earlier.content
        there = look(change.copy).content
        replace(Found(change.copy, change.copy, there, found.mode, found.owner), kept)
    replace(found, change.after)
    if earlier is not None and earlier.content is not None and earlier.path != change.copy:
        remove(earlier.path)


def is_ours(entry: Any) -> bool:
    """Whether an entry starts this program, from wherever it was installed."""
    if not isinstance(entry, Mapping):
        return False
    words: list[str] = []
    for key in ("command", "cmd", "args"):
        value = entry.get(key)
        words += [value] if isinstance(value, str) else [word for word in value or () if isinstance(word, str)]
    stems = [PureWindowsPath(word).name.removesuffix(".exe") for word in words]
    return "omniroute-agent" in stems or _MODULE in words or (stems[:1] == ["omniroute"] and "mcp" in words)


def _data(client: Client, found: Found) -> Any:
    with _naming(found):
        return read(found.text, client.form)


def _only_ours(client: Client, found: Found, path: Sequence[str]) -> bool:
    """Whether this is the file that we made where there was none."""
    if found.content is None:
        return True
    if found.real != found.path:
        return False
    existing = get(read(found.text, client.form), path)
    return isinstance(existing, Mapping) and found.content == put("", client.form, path, dict(existing)).encode()


@contextmanager
def _naming(found: Found) -> Generator[None]:
    """Problems inside say which file they are about."""
    try:
        yield
    except CannotEdit as error:
        if str(found.path) in error.message:
            raise
        raise CannotEdit(f"{found.path}: {error.message}", error.hint) from None


def _somebody_elses(found: Found, name: str) -> CannotEdit:
    return CannotEdit(
        f"{found.path} has a server `{name}` that is not this program",
        "Take another name with `--name`, or `--force` to overwrite it. Nothing was changed.",
    )
