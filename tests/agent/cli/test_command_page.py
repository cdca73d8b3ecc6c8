"""`docs/cli.md` lists every command, and nothing that is none."""

import re
from collections.abc import Iterator
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_command

from omniroute_agent.cli.commands import app

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
COMMANDS, _, REST = PAGE.partition("## For programs")
OBJECTS = REST.partition("When a command fails")[0]
Words = tuple[str, ...]


def commands(group: TyperGroup, before: Words = ()) -> Iterator[tuple[Words, bool]]:
    """Every command, and whether it has `--json`. `list` is another word for `ls`."""
    for name, command in group.commands.items():
        path = (*before, "ls" if name == "list" else name)
        if isinstance(command, TyperGroup):
            yield from commands(command, path)
        else:
            yield path, any("--json" in parameter.opts for parameter in command.params)


def tree() -> TyperGroup:
    found = get_command(app)
    assert isinstance(found, TyperGroup)
    return found


EVERY = dict(commands(tree()))


def listed(table: str) -> set[Words]:
    """The commands in the first column. After `combos add NAME` a mere `rm` in the same cell is of the same group."""
    found: set[Words] = set()
    for row in re.findall(r"^\| (`[a-z].*)", table, re.MULTILINE):
        group: Words = ()
        for said in re.findall(r"`([^`]+)`", re.split(r" (?<!\\)\| ", row)[0]):
            path = command(said, group)
            found.add(path)
            group = path[:-1]
    return found


def command(said: str, group: Words) -> Words:
    words = tuple("ls" if word == "list" else word for word in re.findall(r"(?<!\S)[a-z0-9-]+(?!\S)", _bare(said)))
    for before in (group[:length] for length in range(len(group) + 1)):
        for length in range(len(words), 0, -1):
            path = (*before, *words[:length])
            if path in EVERY:
                return path
            if length == len(words) and (*path, "ls") in EVERY:
                return (*path, "ls")
    return words


def _bare(said: str) -> str:
    """Without options and arguments; a word in brackets may be left out, and is meant then."""
    return re.split(r" (?:--|\[--|[A-Z]|\[[A-Z])", said)[0].replace("[", "").replace("]", "")


def test_every_command_stands_on_its_page() -> None:
    assert listed(COMMANDS) == set(EVERY)


def test_what_each_command_prints_for_programs_stands_on_the_page() -> None:
    (as_tools,) = re.findall(r"times are UTC\. (.*) print exactly what the tool", OBJECTS.replace("\n", " "))
    told = listed(OBJECTS) | {command(said, ()) for said in re.findall(r"`([^`]+)`", as_tools)}
    assert told <= set(EVERY)
    silent = {path for path, has_json in EVERY.items() if has_json} - told
    assert sorted(silent) == []
