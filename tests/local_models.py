"""The local model for tests: a tiny pinned one to pull, and the real one from the cache."""

import asyncio
import dataclasses
import hashlib
import io
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from omniroute_agent.kernel.ports import Ports
from omniroute_agent.outside.ports import real_ports
from omniroute_agent.providers.local.facts import SMOLLM2, PinnedModel
from omniroute_agent.providers.local.pull import pull

MODEL_CACHE = Path(__file__).parent.parent / ".ci" / "cache" / "models"


@dataclasses.dataclass(frozen=True)
class TinyModel:
    """A model file of a few kilobytes and the wheel it comes in, pinned like the real one."""

    pinned: PinnedModel
    content: bytes
    wheel: bytes


def tiny_model(content: bytes = b"GGUF" + bytes(range(256)) * 256) -> TinyModel:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(SMOLLM2.member, content)
    wheel = packed.getvalue()
    pinned = dataclasses.replace(
        SMOLLM2,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        wheel_size=len(wheel),
        wheel_sha256=hashlib.sha256(wheel).hexdigest(),
    )
    return TinyModel(pinned, content, wheel)


def impatient(ports: Ports, asked: list[float]) -> Ports:
    """The same ports, but no pause is longer than 20 ms; `asked` gets what was wanted."""

    async def sleep(seconds: float) -> None:
        asked.append(seconds)
        await asyncio.sleep(min(seconds, 0.02))

    return dataclasses.replace(ports, sleep=sleep)


async def eventually(holds: Callable[[], bool], *, within: float = 20.0) -> None:
    """Wait for a condition, looking often; fails when it does not come true in time."""
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, "it did not come true in time"
        await asyncio.sleep(0.02)


async def real_models() -> Path:
    """The directory with the real model: what `OMNIROUTE_TEST_MODEL_DIR` names, else the cache, filled by our pull."""
    named = os.environ.get("OMNIROUTE_TEST_MODEL_DIR")
    if named and (Path(named) / SMOLLM2.file_name).is_file():
        return Path(named)
    real = real_ports()
    try:
        await pull(MODEL_CACHE, ports=real, child_environment=dict(os.environ))
    finally:
        await real.http.aclose()
    return MODEL_CACHE
