"""`models pull`: the local model, fetched once."""

from collections.abc import Iterator
from contextlib import contextmanager

from omniroute_agent.cli.local import fetch_model
from omniroute_agent.cli.loop import run
from omniroute_agent.cli.page import out, print_json
from omniroute_agent.cli.progress import progress_on
from omniroute_agent.cli.start import Start
from omniroute_agent.kernel.errors import not_found
from omniroute_agent.providers.local.facts import SMOLLM2
from omniroute_agent.providers.local.pull import Progress


def pull_model(start: Start, name: str, *, as_json: bool) -> int:
    if name not in (SMOLLM2.id, f"local/{SMOLLM2.id}"):
        raise not_found("model to pull", name, [SMOLLM2.id])
    settings = start.settings()
    page = out()
    with _events() if as_json else progress_on(page) as progress:
        path = run(lambda: fetch_model(settings, progress))
    if as_json:
        print_json({"event": "done", "model": f"local/{SMOLLM2.id}", "path": path})
    else:
        page.line(f"local/{SMOLLM2.id} is there ({SMOLLM2.title}, {SMOLLM2.licence}): {path}")
        page.line(f"Try it: omniroute-agent ask --model local/{SMOLLM2.id} 'Hello!'", "dim")
    return 0


@contextmanager
def _events() -> Iterator[Progress]:
    """One JSON object per line; the last one has the event `done`."""

    def tell(done: int, total: int | None, phase: str) -> None:
        print_json({"event": "progress", "phase": phase, "done": done, "total": total})

    yield tell
