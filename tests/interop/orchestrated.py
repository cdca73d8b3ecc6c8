"""Delegates tasks with orchestrators' own classes against the real program.

    python orchestrated.py ENVIRONMENTS

ENVIRONMENTS: a directory with an environment for each, called like its script in `orchestrators`. Prints a line per
orchestrator and step and ends with 0 when all passed.
"""

import asyncio
import sys
from pathlib import Path

# Run as a program: the tests' own packages lie beside this folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from interop.server import Client, walk_all

SCRIPTS = Path(__file__).resolve().parent / "orchestrators"
STEPS = {
    "adk": ("answer", "stream", "follow-up"),
    "agent_framework": ("answer", "stream", "follow-up"),
    "beeai": ("answer", "stream", "follow-up"),
    "crewai": ("answer", "stream", "follow-up"),
    # It has no way to answer a question of a remote agent.
    "strands": ("answer", "stream", "question"),
}


def orchestrators(environments: Path) -> list[Client]:
    return [
        Client(name, (str(environments / name / "bin" / "python"), str(SCRIPTS / f"{name}.py")), frozenset(steps))
        for name, steps in STEPS.items()
    ]


if __name__ == "__main__":
    sys.exit(asyncio.run(walk_all(orchestrators(Path(sys.argv[1])))))
