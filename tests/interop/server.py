"""Runs the A2A scenario with every official client against the real program.

    python server.py PYTHON_0_3 NODE MODULES

PYTHON_0_3: the interpreter of an environment with a2a-sdk 0.3; MODULES: a directory in whose `js-1.3` and `js-0.3`
lie the `node_modules` of `@a2a-js/sdk`. Prints a line per client and step and ends with 0 when all passed.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Run as a program: the tests' own packages lie beside this folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from doors.test_main_job import bare_environment, command
from interop.world import CAREFUL, CAREFUL_COMBO, HELLO, QUESTION, SLOW, STORY, WAIT, World, world
from omniroute_agent.doors.a2a.words import EXTENSION

HERE = Path(__file__).resolve().parent
CORE = ("card", "send", "stream", "get", "follow-up", "cancel", "resubscribe", "unknown", "push", "notification")
SIGNED = ("signature", "extended")
PATIENCE = 60.0


@dataclass(frozen=True)
class Client:
    name: str
    command: tuple[str, ...]
    steps: frozenset[str]
    """What it must have done."""


def official(python_0_3: str, node: str, modules: Path) -> list[Client]:
    modern = frozenset((*CORE, *SIGNED, "list"))
    return [
        Client("python 1.3", (sys.executable, str(HERE / "python_1_3.py")), modern),
        Client("python 0.3", (python_0_3, str(HERE / "python_0_3.py")), frozenset((*CORE, "extended"))),
        Client("js 1.3", (node, str(HERE / "js_1_3.mjs"), str(modules / "js-1.3")), modern),
        Client("js 0.3", (node, str(HERE / "js_0_3.mjs"), str(modules / "js-0.3")), frozenset((*CORE, "extended"))),
    ]


@dataclass(frozen=True)
class Keys:
    owner: str
    careful: str
    """Of a caller about whom the owner is always asked."""


def plan_for(url: str, keys: Keys, around: World) -> dict[str, Any]:
    return {
        "url": url,
        "key": keys.owner,
        "careful_key": keys.careful,
        "jwks": f"{url}/.well-known/jwks.json",
        "control": around.url,
        "hello": HELLO,
        "story": STORY,
        "slow": SLOW,
        "wait": WAIT,
        "question": {
            "ask": QUESTION,
            "metadata": {EXTENSION: {"combo": CAREFUL_COMBO, "cache": False}},
            "contains": "USD",
            "reply": "yes",
            "answer": HELLO[1],
        },
    }


@asynccontextmanager
async def serving(directory: Path, around: World) -> AsyncGenerator[tuple[str, Keys], None]:
    """The real `serve` on a free port: its address and its keys. What it logs goes to `serve.log`."""
    settings = f'{around.provider.settings()}{CAREFUL}[a2a]\nhook_origins = ["{around.url}"]\n'
    made = json.loads(await _run(directory, settings, "keys", "create", "--name", "careful", "--json"))
    settings += f'[[guards]]\nname = "asked"\ncaller = "{made["id"]}"\nlimit_usd = "0.000001"\naction = "ask"\n'

    async def approve(code: str) -> None:
        await _run(directory, settings, "approve", code, "--yes")

    around.approve = approve
    with (directory / "serve.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command(directory, settings, "serve", "--port", "0", "--json"),
            env=bare_environment(directory),
            cwd="/",
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            try:
                told = json.loads(await process.stdout.readuntil(b"}\n"))
            except asyncio.IncompleteReadError:
                raise RuntimeError((directory / "serve.log").read_text("utf-8")) from None
        owner = (directory / "data" / "owner.key").read_text("utf-8").strip()
        yield f"http://127.0.0.1:{told['port']}", Keys(owner, made["key"])
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 30)


async def _run(directory: Path, settings: str, *words: str) -> str:
    """What the program prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command(directory, settings, *words),
        env=bare_environment(directory),
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"`{' '.join(words)}` ended with {process.returncode}")
    return said.decode()


async def walk(client: Client, plan: dict[str, Any], directory: Path) -> bool:
    """Whether all its steps passed."""
    plan_file, told_file = directory / "plan.json", directory / "told.jsonl"
    plan_file.write_text(json.dumps(plan | {"told": str(told_file)}), "utf-8")
    told_file.write_bytes(b"")
    with (directory / "client.log").open("w+b") as log:
        process = await asyncio.create_subprocess_exec(*client.command, str(plan_file), stdout=log, stderr=log)
        try:
            async with asyncio.timeout(PATIENCE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            print(f"{client.name:<17}did not end within {PATIENCE:.0f} s")
        log.seek(0)
        printed = log.read().decode(errors="replace")
    passed: set[str] = set()
    for told in map(json.loads, told_file.read_text("utf-8").splitlines()):
        print(f"{client.name:<17}{told['step']:<14}{'passed' if told['ok'] else 'FAILED':<8}{told['saw']}")
        if told["ok"]:
            passed.add(told["step"])
    missing = client.steps - passed
    if missing or process.returncode:
        print(f"{client.name:<17}FAILED, not passed: {', '.join(sorted(missing)) or 'nothing, but it ended badly'}")
        print(printed[-6000:], file=sys.stderr)
    return not missing and process.returncode == 0


async def walk_all(clients: Sequence[Client]) -> int:
    """0 when all passed."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        async with world() as around, serving(directory, around) as (url, keys):
            plan = plan_for(url, keys, around)
            passed = [await walk(client, plan, directory) for client in clients]
        if not all(passed):
            print((directory / "serve.log").read_text("utf-8")[-6000:], file=sys.stderr)
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(walk_all(official(sys.argv[1], sys.argv[2], Path(sys.argv[3])))))
