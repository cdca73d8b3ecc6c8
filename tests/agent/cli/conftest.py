import asyncio
import io
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from omniroute_agent.cli import entry
from programs import Ended, lonely_environment, said

Run = Callable[..., Ended]
RunBeside = Callable[..., Awaitable[Ended]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """One command line inside this process, which is quicker; `tmp_path` is its home."""
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in lonely_environment(tmp_path).items():
        monkeypatch.setenv(name, value)

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))

    def one(*words: str) -> Ended:
        capsys.readouterr()
        return said(entry.run(words), capsys.readouterr())

    return one


@pytest.fixture
def run_beside(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunBeside:
    """The same on a thread, while the test's loop serves a provider."""

    async def one(*words: str, settings: str, stdin: bytes = b"") -> Ended:
        (tmp_path / "settings.toml").write_text(settings, "utf-8")
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        return await asyncio.to_thread(run, "--config", str(tmp_path / "settings.toml"), *words)

    return one
