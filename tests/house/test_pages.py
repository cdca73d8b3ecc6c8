import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from omniroute_agent.settings.model import leaves, variable
from omniroute_agent.settings.paths import CONFIG_VARIABLE, DIRECTORY_VARIABLE

MAIN_JOB = (
    "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e '.[local]' && .venv/bin/omniroute-agent demo"
)
TESTS = "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e '.[dev,local]' && .venv/bin/pytest"


@pytest.mark.parametrize(("ending", "line"), [("omniroute-agent demo", MAIN_JOB), (".venv/bin/pytest", TESTS)])
def test_the_readme_has_the_two_lines_and_ci_runs_them_from_there(root: Path, ending: str, line: str) -> None:
    printed = subprocess.run(
        [sys.executable, str(root / ".ci" / "readme.py"), ending], check=True, capture_output=True, text=True
    )
    assert printed.stdout == line + "\n"
    calls = re.findall(r'readme "?([^"\n]+)"?$', (root / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    assert ending in calls


def test_the_generated_tables_are_current(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(root / ".ci" / "pages.py"), "--check"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, f"run `python .ci/pages.py`: {done.stdout}{done.stderr}"


def test_every_setting_stands_on_its_page(root: Path) -> None:
    page = (root / "docs" / "settings.md").read_text(encoding="utf-8")
    names = [*leaves(), *(variable(key) for key in leaves()), CONFIG_VARIABLE, DIRECTORY_VARIABLE]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_the_readme_lists_every_pinned_tool(root: Path) -> None:
    page = (root / "README.md").read_text(encoding="utf-8")
    names = [
        json.loads(path.read_text(encoding="utf-8"))["name"] for path in (root / "tools" / "contracts").glob("*.json")
    ]
    assert [name for name in names if f"| `{name}` |" not in page] == []


def test_no_link_between_pages_is_broken(root: Path) -> None:
    pages = [root / "README.md", root / "CHANGELOG.md", *root.glob("*/README.md"), *(root / "docs").glob("*.md")]
    broken = [
        f"{page.relative_to(root)}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert broken == []


def test_every_page_of_the_docs_is_in_the_index(root: Path) -> None:
    index = (root / "docs" / "README.md").read_text(encoding="utf-8")
    assert [
        page.name for page in (root / "docs").glob("*.md") if page.name != "README.md" and f"({page.name})" not in index
    ] == []
