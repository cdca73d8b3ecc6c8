import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, root: Path) -> set[str]:
    """Names in the wheel that is built from this tree."""
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)],
        cwd=root,
        check=True,
        capture_output=True,
    )
    (built,) = directory.glob("*.whl")
    return set(ZipFile(built).namelist())


def test_the_wheel_holds_every_file_of_the_four_packages_and_nothing_else(
    wheel: set[str], packages: tuple[Path, ...]
) -> None:
    """The builder obeys `.gitignore`: one careless pattern there would drop files without a word."""
    expected = {
        path.relative_to(package.parent).as_posix()
        for package in packages
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel if ".dist-info/" not in name} == expected


def test_the_wheel_is_typed_and_brings_its_migrations(wheel: set[str], packages: tuple[Path, ...]) -> None:
    assert {f"{package.name}/py.typed" for package in packages} <= wheel
    migrations = {name for name in wheel if name.startswith("omniroute_agent/store/migrations/")}
    assert any(name.endswith(".sql") for name in migrations)


def test_the_wheel_brings_no_tests_and_nothing_that_runs_on_its_own(wheel: set[str]) -> None:
    assert [name for name in wheel if name.endswith(".pth") or "/tests/" in name or name.startswith("tests/")] == []


def test_the_wheel_names_its_commands_and_its_licence(wheel: set[str]) -> None:
    info = {name.partition(".dist-info/")[2] for name in wheel if ".dist-info/" in name}
    assert {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"} == info
