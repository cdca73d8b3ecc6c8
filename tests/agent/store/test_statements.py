"""Values reach SQLite as parameters, never as text."""

import ast
from pathlib import Path

import omniroute_agent.store

ROOM = Path(omniroute_agent.store.__path__[0])
WITHOUT_VALUES = {"file.py", "migrate.py"}
"""Their statements are PRAGMAs and scripts of ours, which take no parameters."""


def formats(node: ast.AST) -> bool:
    """A constant of its module, in capitals, is text of ours and may stand in a statement."""
    return (
        (isinstance(node, ast.FormattedValue) and not (isinstance(node.value, ast.Name) and node.value.id.isupper()))
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod))
        or (isinstance(node, ast.Attribute) and node.attr in ("format", "format_map", "join", "replace"))
    )


def test_no_value_is_formatted_into_a_statement() -> None:
    found = [
        f"{path.name}:{node.lineno}"
        for path in sorted(ROOM.glob("*.py"))
        if path.name not in WITHOUT_VALUES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("execute", "executemany", "executescript")
        and any(formats(part) for part in ast.walk(node.args[0]))
    ]
    assert found == []
