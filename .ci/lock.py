"""Resolve what `.[dev,local]` needs, for every platform at once, and write `requirements.lock` and `constraints.txt`.

    python .ci/lock.py              keep the pins that still fit
    python .ci/lock.py --upgrade    take the newest of everything

The lock carries the hash of every file that may be installed; `.ci/run` installs from it with `--require-hashes`. The
constraints are the same pins without hashes, because pip refuses an editable install next to hashes of any kind
(pip 23.2 and 26.3, tried 2026-11), and the README's lines install the project in place.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
CONSTRAINTS = ROOT / "constraints.txt"

_LOCK_HEAD = "# Pins with hashes of everything `.[dev,local]` needs. Written by .ci/lock.py; do not edit.\n"
_CONSTRAINTS_HEAD = (
    "# Pins of everything `.[dev,local]` needs; requirements.lock has their hashes. Written by .ci/lock.py.\n"
)


def resolve(upgrade: bool) -> str:
    with tempfile.TemporaryDirectory() as directory:
        # Writing to a copy: a failed resolution leaves the lock as it was.
        draft = Path(directory) / LOCK.name
        if LOCK.exists():
            draft.write_bytes(LOCK.read_bytes())
        venv.create(Path(directory) / "venv", with_pip=True)
        python = str(Path(directory) / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "uv"], check=True)
        command = [python, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header"]
        command += ["--no-annotate", "--python-version", "3.11", "--extra", "dev", "--extra", "local"]
        command += ["--upgrade"] if upgrade else []
        subprocess.run([*command, "--output-file", str(draft), str(ROOT / "pyproject.toml")], check=True)
        return draft.read_text(encoding="utf-8")


def pins(lock: str) -> list[str]:
    """The pins of a lock, one per line, markers kept and hashes dropped."""
    return [line.removesuffix("\\").strip() for line in lock.splitlines() if "==" in line and not line.startswith(" ")]


if __name__ == "__main__":
    resolved = resolve("--upgrade" in sys.argv[1:])
    LOCK.write_text(
        _LOCK_HEAD + "".join(f"{line}\n" for line in resolved.splitlines() if line[:1] != "#"), encoding="utf-8"
    )
    CONSTRAINTS.write_text(_CONSTRAINTS_HEAD + "".join(f"{pin}\n" for pin in pins(resolved)), encoding="utf-8")
    print(f"{len(pins(resolved))} packages")
