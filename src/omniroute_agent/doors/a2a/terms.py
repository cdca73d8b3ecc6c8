"""What the owner chose for the A2A door. Nothing here loads the SDK."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """In seconds."""

    silent: float = 300.0
    """A running task of which nothing was heard for so long has failed."""
    kept: float = 30 * 86_400.0
    """From the end of a task on."""
    heartbeat: float = 15.0
    """Silence after which a stream gets a comment."""
    lenient: bool = False
    """A method of 1.0 may come without a version."""
