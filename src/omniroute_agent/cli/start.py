"""What stands before a command and is the same for all of them: which settings file, which data directory.

The flags are plain values, because the quick way to `mcp` and the command tree read the same ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from omniroute_agent.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Flag:
    name: str
    metavar: str
    help: str


CONFIG: Final = Flag("--config", "FILE", "Settings file to read in place of the usual one.")
DATA_DIR: Final = Flag("--data-dir", "DIRECTORY", "Where database, owner key and local model lie.")
SCOPES: Final = Flag(
    "--scopes",
    "WORDS",
    "What the client may do: presets (readonly, agent, monitor, full) and scopes such as read:health, with commas.",
)
TOOLSETS: Final = Flag("--toolsets", "NAMES", "Show only these: core, routing, insight, memory, skills, all.")
TOOLS: Final = Flag("--tools", "NAMES", "Show these tools, beside the toolsets if any are named.")
EXCLUDE_TOOLS: Final = Flag("--exclude-tools", "NAMES", "Do not show these tools.")
NO_FORWARD: Final = Flag("--no-forward", "", "Serve in this process even where a `serve` could answer.")
READ_ONLY: Final = Flag("--read-only", "", "Show only tools that change and send nothing.")
_NAMES: Final = {TOOLSETS.name: "tools.toolsets", TOOLS.name: "tools.names", EXCLUDE_TOOLS.name: "tools.exclude"}
EVERYWHERE: Final = (CONFIG.name, DATA_DIR.name)
FULL: Final = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    config: Path | None = None
    data_dir: Path | None = None
    overrides: tuple[tuple[str, object], ...] = ()
    """Settings and what flags say in their place."""

    def showing(
        self, *, toolsets: str | None, tools: str | None, exclude_tools: str | None, read_only: bool
    ) -> "Start":
        """The same start with the flags that choose tools."""
        names = {TOOLSETS.name: toolsets, TOOLS.name: tools, EXCLUDE_TOOLS.name: exclude_tools}
        said = [(_NAMES[flag], value) for flag, value in names.items() if value is not None]
        return replace(self, overrides=(*said, *((("tools.read_only", True),) if read_only else ())))

    def settings(self, overrides: Mapping[str, object] | None = None) -> "Settings":
        """
        Raises:
            SettingsError: with everything that is wrong.
        """
        # Imported here because `--help` needs no settings.
        from omniroute_agent.settings.sources import load  # noqa: PLC0415 (lazy)

        every = {**dict(self.overrides), **(overrides or {})}
        return load(config=self.config, data_dir=self.data_dir, overrides=every)

    def words(self) -> list[str]:
        """The same start for a child process."""
        words: list[str] = []
        if self.config is not None:
            words += [CONFIG.name, str(self.config.absolute())]
        if self.data_dir is not None:
            words += [DATA_DIR.name, str(self.data_dir.absolute())]
        return words


@dataclass(frozen=True, slots=True)
class QuickStart:
    """`mcp` with nothing unusual about it."""

    start: Start
    scopes: str
    forward: bool = True


def read_quickly(words: Sequence[str]) -> QuickStart | None:
    """A plain `mcp` command line without loading the command tree; None when it is anything else, or wrong.

    An editor starts this command and waits for it; the tree would cost it 50 ms.
    """
    values: dict[str, str] = {}
    commands: list[str] = []
    own = (SCOPES.name, *_NAMES)
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if word in (READ_ONLY.name, NO_FORWARD.name) and commands:
            values[word] = word
        elif name in (*EVERYWHERE, *own):
            given = value if equals else next(rest, "")
            if not given or name in values or (name in own and not commands):
                return None
            values[name] = given
        else:
            commands.append(word)
    if commands != ["mcp"]:
        return None
    start = Start(config=_path(values.get(CONFIG.name)), data_dir=_path(values.get(DATA_DIR.name))).showing(
        toolsets=values.get(TOOLSETS.name),
        tools=values.get(TOOLS.name),
        exclude_tools=values.get(EXCLUDE_TOOLS.name),
        read_only=READ_ONLY.name in values,
    )
    return QuickStart(start, values.get(SCOPES.name, FULL), forward=NO_FORWARD.name not in values)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def hoisted(words: Sequence[str]) -> list[str]:
    """The words with the flags that go with every command moved to the front, where the command tree expects them."""
    front: list[str] = []
    back: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            back += [word, *rest]
        elif word in EVERYWHERE:
            front += [word, *([value] if (value := next(rest, None)) is not None else [])]
        elif word.startswith(tuple(f"{name}=" for name in EVERYWHERE)):
            front.append(word)
        else:
            back.append(word)
    return [*front, *back]
