"""Refresh the generated parts of the pages: the tool table of the README and the table of docs/settings.md.

python .ci/pages.py            write them
python .ci/pages.py --check    only say whether they are current
"""

import json
import sys
from pathlib import Path

from omniroute_agent.settings.page import table as settings_table

ROOT = Path(__file__).resolve().parent.parent


def tool_table(contracts: Path) -> str:
    """One row per pinned contract, by name: what it is called, its first sentence, its scopes."""
    rows = []
    for path in sorted(contracts.glob("*.json")):
        contract = json.loads(path.read_text(encoding="utf-8"))
        sentence = " ".join(contract["description"].split("\n\n")[0].split()).replace("|", "\\|")
        scopes = ", ".join(f"`{scope}`" for scope in contract["scopes"])
        rows.append(f"| `{contract['name']}` | {sentence} | {scopes} |")
    return "\n".join(["| tool | what it does | scope |", "|---|---|---|", *rows]) + "\n"


def refreshed(page: str, name: str, content: str) -> str:
    """`page` with what stands between its markers replaced.

    Raises:
        SystemExit: the markers are missing.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found, rest = page.partition(begin)
    _, also_found, after = rest.partition(end)
    if not (found and also_found):
        raise SystemExit(f"the markers {begin} and {end} are missing")
    return f"{before}{begin}\n{content}{end}{after}"


def stale(*, write: bool) -> list[str]:
    """Pages whose generated part is not current; they are rewritten when `write` is set."""
    parts = [
        (ROOT / "README.md", "tools", tool_table(ROOT / "tools" / "contracts")),
        (ROOT / "docs" / "settings.md", "settings", settings_table()),
    ]
    found = []
    for path, name, content in parts:
        page = path.read_text(encoding="utf-8")
        current = refreshed(page, name, content)
        if current != page:
            found.append(path.relative_to(ROOT).as_posix())
            if write:
                path.write_text(current, encoding="utf-8")
    return found


if __name__ == "__main__":
    check = "--check" in sys.argv[1:]
    pages = stale(write=not check)
    print("\n".join(pages) or "everything is current")
    sys.exit(1 if check and pages else 0)
