"""What holds for every test."""

import signal

import pytest


@pytest.fixture(autouse=True, scope="session")
def _programs_can_be_interrupted() -> None:
    """Started in the background by a shell, tests have SIGINT ignored, and every program they start inherits that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
