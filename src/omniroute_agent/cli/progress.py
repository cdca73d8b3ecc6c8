"""Progress of the download: a bar on a terminal, a line at each quarter elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from omniroute_agent.cli.page import Page
from omniroute_agent.providers.local.facts import SMOLLM2
from omniroute_agent.providers.local.pull import Progress

_MEGABYTE: Final = 1_000_000
_PHASES: Final = {
    "waiting": "Another program is fetching it; waiting for",
    "downloading": "Fetching",
    "checking": "Checking",
}


@contextmanager
def progress_on(page: Page) -> Iterator[Progress]:
    if page.console is None:
        yield _Lines(page).tell
        return
    # Imported here because only a terminal needs it.
    from rich.progress import BarColumn, DownloadColumn, TextColumn  # noqa: PLC0415 (lazy)
    from rich.progress import Progress as Bars  # noqa: PLC0415 (lazy)

    with Bars(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=page.console, transient=True
    ) as bars:
        task = bars.add_task("", total=None, visible=False)

        def tell(done: int, total: int | None, phase: str) -> None:
            words = f"{_PHASES.get(phase, phase)} {SMOLLM2.id}"
            bars.update(task, description=words, completed=done, total=total, visible=True)

        yield tell


class _Lines:
    def __init__(self, page: Page) -> None:
        self._page = page
        self._told = ("", -1)

    def tell(self, done: int, total: int | None, phase: str) -> None:
        quarter = 4 * done // total if total else 0
        if (phase, quarter) == self._told:
            return
        self._told = (phase, quarter)
        share = f": {done // _MEGABYTE} of {total // _MEGABYTE} MB" if total else ""
        self._page.line(f"{_PHASES.get(phase, phase)} {SMOLLM2.id}{share}")
