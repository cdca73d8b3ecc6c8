"""The one module that reads the environment. It loads nothing else, so that a first look costs nothing."""

import os
from collections.abc import Mapping


def environment(given: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """The process's own, unless a test brings another."""
    return os.environ if given is None else given
