"""`config`: where the settings lie, what is in force, what is wrong with them."""

from collections.abc import Iterator
from dataclasses import asdict

from omniroute_agent.cli.page import err, out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.engine.nesting import expand, loop_sentence
from omniroute_agent.engine.strategies.validation import validate
from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.page import rows
from omniroute_agent.settings.sources import config_path


def show(start: Start, *, as_json: bool) -> int:
    settings = start.settings()
    if as_json:
        print_json(
            {
                "file": str(settings.config_path),
                "found": settings.config_found,
                "settings": [asdict(row) for row in rows(settings)],
                "warnings": [warning.sentence() for warning in settings.warnings],
            }
        )
        return 0
    page = out()
    page.table(("setting", "value", "from"), [(row.key, row.value, row.origin) for row in rows(settings)])
    if not settings.config_found:
        err().line(f"There is no file {settings.config_path} yet; these are defaults and variables.", "dim")
    for warning in settings.warnings:
        err().line(f"! {warning.sentence()}", "yellow")
    return 0


def path(start: Start, *, as_json: bool) -> int:
    """Works with a broken file, too: this is how it is found."""
    file = config_path(start.config)
    if as_json:
        print_json({"file": str(file), "found": file.is_file()})
    else:
        out().line(str(file))
        if not file.is_file():
            err().line("It does not exist yet; defaults are in force.", "dim")
    return 0


def check(start: Start, *, as_json: bool) -> int:
    """Problems are raised as `SettingsError` and told where all failures are told."""
    settings = start.settings()
    warnings = [*(warning.sentence() for warning in settings.warnings), *_about_combos(settings)]
    if as_json:
        print_json(
            {"ok": True, "file": str(settings.config_path), "found": settings.config_found, "warnings": warnings}
        )
        return 0
    page = out()
    for warning in warnings:
        page.line(f"! {warning}", "yellow")
    page.line(
        f"{settings.config_path} can be used."
        if settings.config_found
        else f"There is no file {settings.config_path}; the defaults and the environment can be used.",
        "green",
    )
    return 0


def _about_combos(settings: Settings) -> Iterator[str]:
    """What is wrong with combos whatever is connected; `combos validate` looks at their targets, too."""
    combos = {combo.name: combo for combo in settings.combos}
    loops: dict[frozenset[str], tuple[str, ...]] = {}
    for combo in settings.combos:
        for loop in expand(combo.name, combo.targets, combos).loops:
            loops.setdefault(frozenset(loop), loop)
    yield from map(loop_sentence, loops.values())
    for combo in settings.combos:
        for sentence in validate(combo.strategy, combo.all_options, ()):
            yield f"The combo `{combo.name}` cannot work: {sentence}"
