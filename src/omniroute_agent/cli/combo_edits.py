"""`combos add`, `edit`, `rm`, `validate` and `templates`: what changes combos, and what is checked before."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from omniroute_agent.app import House
from omniroute_agent.cli.combos import draw_combo
from omniroute_agent.cli.failures import OTHER
from omniroute_agent.cli.house import call_tool, in_house
from omniroute_agent.cli.page import Page, out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.engine.combos import Change, Combo
from omniroute_agent.engine.findings import Findings
from omniroute_agent.engine.situation import Candidate
from omniroute_agent.engine.strategies.knobs import WEIGHTS
from omniroute_agent.engine.templates import TEMPLATES, Cannot, Made, usable
from omniroute_agent.kernel.errors import InvalidRequest, NoRoute, not_found
from omniroute_agent.kernel.tier import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What stands on the command line; None and empty: not given."""

    name: str
    targets: tuple[str, ...]
    strategy: str | None
    options: tuple[str, ...]
    """`KEY=VALUE`, `weights.TARGET=VALUE`; `KEY=` drops it."""
    tier: Tier | None
    template: str | None
    enabled: bool | None


def add_combo(start: Start, wanted: Wanted, *, as_json: bool) -> int:
    if not wanted.targets and not wanted.template:
        raise InvalidRequest(
            f"`{wanted.name}` needs targets.",
            hint="Name them with --target, or let `--template` choose; `omniroute-agent combos templates` shows which.",
        )
    return _save(start, wanted, new=True, as_json=as_json)


def edit_combo(start: Start, wanted: Wanted, *, as_json: bool) -> int:
    given = (wanted.targets, wanted.strategy, wanted.options, wanted.tier, wanted.template, wanted.enabled)
    if given == ((), None, (), None, None, None):
        raise InvalidRequest(
            "Nothing to change was given.", hint="`omniroute-agent combos edit --help` lists what can."
        )
    return _save(start, wanted, new=False, as_json=as_json)


def remove_combo(start: Start, name: str, *, as_json: bool) -> int:
    left = in_house(start.settings(), lambda house: house.parts.combos.remove(name))
    if as_json:
        print_json({"removed": name, "left": None if left is None else left.source})
    elif left is None:
        out().line(f"{name} is removed.")
    else:
        where = "the settings file has it" if left.source == "settings" else "it is built in"
        out().line(f"What was changed of {name} is taken back: it is as {where}.")
    return 0


def validate_combos(start: Start, name: str | None, *, as_json: bool) -> int:
    async def work(house: House) -> dict[str, Findings]:
        parts = house.parts
        combos = await parts.combos.all() if name is None else (await parts.combos.named(name),)
        return {combo.name: await parts.examiner.examine(combo) for combo in combos}

    found = in_house(start.settings(), work)
    ok = not any(findings.all for findings in found.values())
    if as_json:
        combos = [{"name": each, "findings": [*f.all], "remarks": [*f.remarks]} for each, f in found.items()]
        print_json({"ok": ok, "combos": combos})
        return 0 if ok else OTHER
    page = out()
    for each, findings in found.items():
        page.line(each if findings.all else f"{each}: nothing speaks against it.", "bold" if findings.all else "")
        _draw_findings(page, findings)
    return 0 if ok else OTHER


def show_templates(start: Start, *, as_json: bool) -> int:
    pool = in_house(start.settings(), _pool)
    made = [(template, template.make(pool)) for template in TEMPLATES.values()]
    if as_json:
        rows = [{"name": each.name, "purpose": each.purpose, **_template_json(result)} for each, result in made]
        print_json({"templates": rows})
        return 0
    page = out()
    for each, result in made:
        page.line(each.name, "bold")
        page.line(f"  {each.purpose}")
        if isinstance(result, Cannot):
            page.line(f"  ✗ {result.why}", "yellow")
        else:
            page.line(f"  {_ordered_by(result)}", "dim")
            for place, target in enumerate(result.targets, 1):
                page.line(f"  {place}. {target}")
    page.line("`omniroute-agent combos add NAME --template TEMPLATE` keeps one.", "dim")
    return 0


def _save(start: Start, wanted: Wanted, *, new: bool, as_json: bool) -> int:
    async def work(house: House) -> tuple[dict[str, Any], Findings]:
        before = None if new else await house.parts.combos.named(wanted.name)
        change = await _change(house, wanted, before)
        saved, findings = await house.parts.examiner.save(wanted.name, change, new=new)
        listed = await call_tool(house, "list_combos", {})
        return next(each for each in listed["combos"] if each["name"] == saved.name), findings

    shown, findings = in_house(start.settings(), work)
    if as_json:
        print_json({"combo": shown, "remarks": [*findings.remarks]})
        return 0
    page = out()
    draw_combo(page, shown)
    _draw_findings(page, Findings(remarks=findings.remarks))
    if new:
        page.line(f"Try it: `omniroute-agent ask --combo {wanted.name} Hello`.", "dim")
    return 0


async def _change(house: House, wanted: Wanted, before: Combo | None) -> Change:
    made = Made(targets=wanted.targets, strategy="") if wanted.template is None else await _made(house, wanted.template)
    strategy = wanted.strategy or made.strategy or None
    own = before.options if before is not None and wanted.template is None else made.options
    options = _options(wanted.options, own) if wanted.options or made.options else None
    return Change(
        targets=wanted.targets or made.targets or None,
        strategy=strategy,
        options=options,
        tier=wanted.tier,
        enabled=wanted.enabled,
        template=None if wanted.targets else wanted.template,
    )


async def _made(house: House, template: str) -> Made:
    """
    Raises:
        NotFound: no such template.
        NoRoute: it cannot be made of what is connected here.
    """
    if template not in TEMPLATES:
        raise not_found("template", template, list(TEMPLATES))
    result = TEMPLATES[template].make(await _pool(house))
    if isinstance(result, Cannot):
        raise NoRoute(f"The template `{template}` cannot be made here. {result.why}")
    return result


async def _pool(house: House) -> tuple[Candidate, ...]:
    parts = house.parts
    found: list[Candidate] = []
    for entry in await parts.catalogue.list():
        connection = await parts.connections.find(entry.connection)
        if connection is not None:
            found.append(Candidate(connection=connection, model=entry.model, facts=entry.facts))
    return usable(found)


def _options(words: Sequence[str], before: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """`before` with what the command line says changed; a value is JSON where it reads as such, else a text."""
    options = dict(before)
    for word in words:
        key, equals, text = word.partition("=")
        # A target has dots and slashes of its own: only the first dot after `weights` counts.
        table, _, inner = key.partition(".")
        if not equals or not key:
            raise InvalidRequest(f"`{word[:80]}` is no option.", hint="Write it as KEY=VALUE, for example sticky=5.")
        if table == WEIGHTS.name and inner:
            weights = options.get(table)
            kept = {**weights} if isinstance(weights, dict) else {}
            options[table] = _with(kept, inner, text)
        else:
            options = _with(options, key, text)
    return options


def _with(options: dict[str, JsonValue], key: str, text: str) -> dict[str, JsonValue]:
    rest = {name: value for name, value in options.items() if name != key}
    if not text:
        return rest
    try:
        return {**rest, key: json.loads(text)}
    except ValueError:
        return {**rest, key: text}


def _draw_findings(page: Page, findings: Findings) -> None:
    for sentence in findings.wrong:
        page.line(f"  ✗ {sentence}", "red")
    for sentence in findings.away:
        page.line(f"  ! {sentence}", "yellow")
    for sentence in findings.remarks:
        page.line(f"  · {sentence}", "dim")


def _ordered_by(made: Made) -> str:
    options = ", ".join(f"{name} = {value}" for name, value in made.options.items())
    return f"{made.strategy}{f', {options}' if options else ''}"


def _template_json(result: Made | Cannot) -> dict[str, Any]:
    if isinstance(result, Cannot):
        return {"targets": [], "strategy": None, "options": {}, "why_not": result.why}
    return {
        "targets": [*result.targets],
        "strategy": result.strategy,
        "options": {**result.options},
        "why_not": None,
    }
