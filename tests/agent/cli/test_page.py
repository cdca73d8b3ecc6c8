import io

import pytest

from omniroute_agent.cli.page import Page
from omniroute_agent.cli.progress import progress_on


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_model_cannot_repaint_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = _Terminal()
    Page(terminal).write("fine\x1b[2J\x1b]0;title\x07\r\x9b1m and [bold]plain[/bold] 👩‍💻\n")
    assert terminal.getvalue() == "fine[2J]0;title1m and [bold]plain[/bold] 👩‍💻\n"


def test_a_pipe_gets_every_byte_and_no_colour() -> None:
    pipe = io.StringIO()
    page = Page(pipe)
    page.write("a\x1b[2Jb", "red")
    page.table(("name", "n"), [("long name", "1"), ("x", "22")])
    assert pipe.getvalue() == "a\x1b[2Jbname       n\nlong name  1\nx          22\n"


def test_a_pipe_sees_progress_in_few_lines() -> None:
    pipe = io.StringIO()
    with progress_on(Page(pipe)) as progress:
        progress(0, None, "waiting")
        for done in range(0, 100_000_001, 1_000_000):
            progress(done, 100_000_000, "downloading")
    lines = pipe.getvalue().splitlines()
    assert lines[0] == "Another program is fetching it; waiting for smollm2-135m"
    assert lines[1:] == [f"Fetching smollm2-135m: {done} of 100 MB" for done in (0, 25, 50, 75, 100)]


def test_a_terminal_gets_a_bar_that_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = _Terminal()
    with progress_on(Page(terminal)) as progress:
        progress(50_000_000, 100_000_000, "downloading")
    assert "Fetching smollm2-135m" in terminal.getvalue()


def test_pieces_keep_their_spaces_and_line_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = _Terminal()
    page = Page(terminal)
    pieces = ["Once ", "upon", "\n", "\n\n", "  a  ", "time \n", " ", "x" * 300, ".\n"]
    for piece in pieces:
        page.write(piece)
    assert terminal.getvalue() == "".join(pieces)
