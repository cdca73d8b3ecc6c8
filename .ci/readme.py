"""Print a command of the README exactly as it stands there, so that what is tested is what people paste.

python .ci/readme.py pytest    the line of the README's code blocks that ends with these words
"""

import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def command(ending: str) -> str:
    """
    Raises:
        SystemExit: no line or several lines end so.
    """
    inside = False
    found: list[str] = []
    for line in README.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            inside = not inside
        elif inside and line.endswith(ending):
            found.append(line)
    if len(found) != 1:
        raise SystemExit(f"README.md has {len(found)} commands that end with `{ending}`; there must be one.")
    return found[0]


if __name__ == "__main__":
    print(command(sys.argv[1]))
