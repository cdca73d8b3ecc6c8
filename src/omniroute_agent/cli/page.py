"""What a person sees. Colours and bars come only when a terminal is there; a pipe gets plain text."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_CONTROLS: Final = {code: None for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


class Page:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = _console(stream) if stream.isatty() else None

    @property
    def console(self) -> "Console | None":
        """The terminal; None when nobody watches."""
        return self._console

    def line(self, text: str = "", style: str = "") -> None:
        self.write(f"{text}\n", style)

    def write(self, text: str, style: str = "") -> None:
        """Show a piece at once, without a line end of its own."""
        if self._console is None:
            self._stream.write(text)
            self._stream.flush()
        else:
            self._console.print(harmless(text), style=style or None, end="")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        for number, row in enumerate((head, *rows)):
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            self.line("  ".join(cells).rstrip(), "bold" if number == 0 else "")


def _console(stream: TextIO) -> "Console":
    from rich.console import Console  # noqa: PLC0415 (lazy: a pipe needs no colours)

    return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)


def out() -> Page:
    return Page(sys.stdout)


def err() -> Page:
    return Page(sys.stderr)


def harmless(text: str) -> str:
    """Without control characters: a model's words must not move the cursor or repaint the screen."""
    return text.translate(_CONTROLS)


def print_json(value: Any) -> None:
    """One object on one line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()
