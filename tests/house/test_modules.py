import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from omniroute_agent.providers.model import Source
from omniroute_agent.providers.table import PROVIDERS

FORBIDDEN_NAMES = re.compile(r"(?:^|_)(?:utils?|helpers?|managers?|handlers?|common|base|misc)$")
FORBIDDEN_CLASSES = re.compile(r"(?:Manager|Helper|Handler)$|^OmniRoute")


def test_no_module_is_longer_than_600_lines(source: dict[Path, str]) -> None:
    assert {path.name: text.count("\n") for path, text in source.items() if text.count("\n") > 600} == {}


def test_nothing_is_named_after_nothing(source: dict[Path, str]) -> None:
    named = [path for path in source if any(FORBIDDEN_NAMES.search(part) for part in (path.stem, path.parent.name))]
    assert named == []
    classes = [
        node.name for text in source.values() for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)
    ]
    assert [name for name in classes if FORBIDDEN_CLASSES.search(name)] == []


def test_no_provider_is_told_by_its_name_outside_its_room(source: dict[Path, str]) -> None:
    # `local` is also where a connection was found, and that may be asked for.
    ids = set(PROVIDERS) - set(get_args(Source))
    found = [
        f"{path.name}:{node.lineno} {node.value}"
        for path, text in source.items()
        if "providers" not in path.parts
        for node in _compared(ast.parse(text))
        if node.value in ids
    ]
    assert found == []


def _compared(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
        elif isinstance(node, ast.MatchValue):
            sides = (node.value,)
        else:
            continue
        for side in sides:
            yield from (inner for inner in ast.walk(side) if isinstance(inner, ast.Constant))


def test_only_one_module_reads_the_environment(source: dict[Path, str]) -> None:
    readers = [path.name for path, text in source.items() if re.search(r"\bos\.(?:environ|getenv)\b", text)]
    assert readers == ["environment.py"]
