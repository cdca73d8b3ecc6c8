"""Prints two numbers that tell early when a house goes bad: its largest modules, and imports hidden in functions."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = (
    ROOT / "src" / "omniroute_agent",
    ROOT / "tools" / "omniroute_tools",
    ROOT / "skills" / "omniroute_skills",
    ROOT / "memory" / "omniroute_memory",
)


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in package.rglob("*.py"))


def hidden_imports(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def source() -> dict[Path, str]:
    """Every module of the four packages with its text."""
    return {path: path.read_text(encoding="utf-8") for path in modules()}


@pytest.fixture(scope="session")
def packages() -> tuple[Path, ...]:
    return PACKAGES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in modules()}
    largest = sorted(((text.count("\n"), path) for path, text in texts.items()), reverse=True)[:5]
    hidden = sum(len({id(node) for node in hidden_imports(ast.parse(text))}) for text in texts.values())
    named = ", ".join(f"{path.relative_to(ROOT).as_posix()} {lines}" for lines, path in largest)
    terminalreporter.write_line(f"{len(texts)} modules; largest: {named}; imports inside functions: {hidden}")
