import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MOST_PACKAGES = 72
MOST_MEGABYTES = 80


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, list[Requirement]]:
    """Extra → what it needs; the default install under the empty name."""
    table = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {"": table["dependencies"], **table["optional-dependencies"]}
    return {extra: [Requirement(text) for text in texts] for extra, texts in needed.items()}


@pytest.fixture(scope="module")
def pins(root: Path) -> dict[str, Requirement]:
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in found}


@pytest.fixture(scope="module")
def locked(root: Path) -> dict[str, int]:
    """Pin as text, without blanks → how many hashes it has."""
    found: dict[str, int] = {}
    pin = ""
    for line in (root / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}(?: \\)?", line):
            found[pin] += 1
        elif not line.startswith("#"):
            pin = line.removesuffix("\\").strip()
            found[pin] = 0
    return found


def closure(requirements: Iterable[Requirement]) -> dict[str, Distribution]:
    """What is installed here because of `requirements`."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        found[name] = distribution(name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(text), wanted) for text in found[name].requires or ()]
    return found


def test_the_pins_and_the_lock_say_the_same(pins: dict[str, Requirement], locked: dict[str, int], root: Path) -> None:
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == list(locked)
    assert [pin for pin, hashes in locked.items() if hashes == 0] == []
    assert len(pins) == len(locked)


def test_every_requirement_is_pinned_to_a_version_that_fits(
    project: dict[str, list[Requirement]], pins: dict[str, Requirement]
) -> None:
    for requirement in (requirement for needed in project.values() for requirement in needed):
        (specifier,) = pins[canonicalize_name(requirement.name)].specifier
        assert specifier.operator == "=="
        assert requirement.specifier.contains(specifier.version), requirement


def test_whatever_is_needed_here_is_pinned(project: dict[str, list[Requirement]], pins: dict[str, Requirement]) -> None:
    try:
        needed = closure([requirement for requirements in project.values() for requirement in requirements])
    except PackageNotFoundError as error:
        pytest.fail(f"{error} is not installed; use `pip install -c constraints.txt -e '.[dev,local]'`")
    assert sorted(set(needed) - set(pins)) == []


def test_the_default_install_stays_small(project: dict[str, list[Requirement]]) -> None:
    needed = closure(project[""])
    assert len(needed) + 1 <= MOST_PACKAGES
    sizes = {
        name: sum(
            Path(str(file.locate())).stat().st_size
            for file in installed.files or ()
            if file.suffix != ".pyc" and Path(str(file.locate())).is_file()
        )
        for name, installed in needed.items()
    }
    assert sum(sizes.values()) <= MOST_MEGABYTES * 1_000_000, sorted(sizes.items(), key=lambda item: -item[1])[:5]


def test_no_file_names_a_registry(root: Path) -> None:
    files = [root / name for name in ("constraints.txt", "requirements.lock", "pyproject.toml", "README.md")]
    files += [path for path in (root / ".ci").iterdir() if path.is_file()]
    hosts = re.compile(r"https?://|--(?:extra-)?index-url|registry\s*=", re.IGNORECASE)
    named = [path.name for path in files if path.name != "README.md" and hosts.search(path.read_text(encoding="utf-8"))]
    assert named == []
