"""`ps`: the processes of one data directory, told by their locks."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from omniroute_agent.cli.audit import in_database
from omniroute_agent.cli.page import out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.kernel.scopes import PRESETS
from omniroute_agent.outside.ports import real_ports
from omniroute_agent.store.database import FILE
from omniroute_agent.store.heartbeat import Process, processes


def list_processes(start: Start, *, as_json: bool) -> int:
    settings, now = start.settings(), real_ports().now().timestamp()
    found: tuple[Process, ...] = ()
    if (settings.directory / FILE).exists():
        found = in_database(settings, lambda database: processes(database, settings.directory, now=now))
    if as_json:
        print_json({"directory": str(settings.directory), "processes": [_told(each, now) for each in found]})
        return 0
    page = out()
    if not found:
        page.line(f"No process runs on {settings.directory}.")
        return 0
    head = ("pid", "door", "version", "state", "up", "last sign", "may", "at")
    page.table(head, [_row(each, now) for each in found])
    if any(each.state == "died" for each in found):
        page.line(
            "! What died is settled and cleared away by the next start, or within a minute by one that runs.", "yellow"
        )
    return 0


def _told(each: Process, now: float) -> dict[str, object]:
    return {
        **asdict(each),
        "started_at": _time(each.started_at),
        "beat_at": _time(each.beat_at),
        "uptime_seconds": round(now - each.started_at),
    }


def _row(each: Process, now: float) -> tuple[str, ...]:
    return (
        str(each.pid),
        each.door,
        each.version,
        each.state,
        str(timedelta(seconds=round(now - each.started_at))) if each.state != "died" else "–",
        f"{round(now - each.beat_at)} s ago",
        _granted(each.scopes),
        each.address or "–",
    )


def _granted(scopes: tuple[str, ...] | None) -> str:
    """The scopes, or the preset that has just these."""
    if scopes is None:
        return "by key"
    return next((name for name, preset in PRESETS.items() if preset == set(scopes)), " ".join(scopes))


def _time(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")
