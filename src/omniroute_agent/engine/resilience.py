"""The resilience profile in force: what was set at run time, else what the settings say; in every process alike."""

from collections.abc import Mapping
from typing import cast

from omniroute_agent.engine.tuning import TUNINGS, Profile, Tuning


class Resilience:
    def __init__(self, configured: Profile = "balanced") -> None:
        self._configured = TUNINGS[configured]
        self._tuning = self._configured

    @property
    def tuning(self) -> Tuning:
        return self._tuning

    @property
    def configured(self) -> Tuning:
        """What holds when nothing is set at run time."""
        return self._configured

    def follow(self, stored: str | None) -> None:
        """Take over what was just read from the store; None, and what this program does not know, mean the settings."""
        known: Mapping[str, Tuning] = cast("Mapping[str, Tuning]", TUNINGS)
        self._tuning = self._configured if stored is None else known.get(stored, self._configured)
