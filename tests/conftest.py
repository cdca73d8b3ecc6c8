"""What holds for every test."""

import signal

import pytest
from hypothesis import HealthCheck, settings

# Shared machines are slow now and then, which says nothing of the code; and a run that fails today must fail tomorrow.
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture(autouse=True, scope="session")
def _programs_can_be_interrupted() -> None:
    """Started in the background by a shell, tests have SIGINT ignored, and every program they start inherits that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
