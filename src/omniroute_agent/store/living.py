"""Which instances live, told by their locks and without opening the database."""

from pathlib import Path
from typing import Final

from omniroute_agent.store.locks import FileLock

FOLDER: Final = "instances"


def lock_of(directory: Path, instance: str) -> Path:
    return directory / FOLDER / f"{instance}.lock"


def lives(directory: Path, instance: str) -> bool:
    """Whether the process still holds its lock, which the system takes away when it ends in whatever way."""
    path = lock_of(directory, instance)
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        return not lock.try_shared()
    except OSError:
        return False
    finally:
        lock.release()
