"""The states of a task: stored as the words of the specification's older version, shown in the way of each."""

from collections.abc import Mapping
from typing import Final, Literal

State = Literal[
    "submitted", "working", "input-required", "completed", "canceled", "failed", "rejected", "auth-required"
]

TERMINAL: Final = frozenset(("completed", "canceled", "failed", "rejected"))
PARKED: Final = frozenset(("input-required", "auth-required"))
"""It waits for its caller, and nothing of it runs."""

CORE: Final[Mapping[str, str]] = {
    state: f"TASK_STATE_{state.upper().replace('-', '_')}" for state in (*TERMINAL, *PARKED, "submitted", "working")
}
"""As 1.0 spells them."""
WORDS: Final = {name: state for state, name in CORE.items()}
