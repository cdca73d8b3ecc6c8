"""The settings as people read them: the rows of `config show` and the table of `docs/settings.md`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from omniroute_agent.kernel.money import usd
from omniroute_agent.kernel.proxy import shown
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.settings.entries import (
    ComboSettings,
    ConnectionSettings,
    GuardSettings,
    ModelSettings,
    PriceSettings,
)
from omniroute_agent.settings.model import Settings, leaves, variable

_TABLES: Mapping[str, type[BaseModel]] = {
    "[[connections]]": ConnectionSettings,
    "[[combos]]": ComboSettings,
    "[[guards]]": GuardSettings,
    "[[models]]": ModelSettings,
    '[prices."provider/model"]': PriceSettings,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting as it is in force. `value` never shows a secret."""

    key: str
    value: str
    origin: str
    variable: str | None
    """The environment variable that sets it, where one does."""


def rows(settings: Settings) -> Iterator[Row]:
    """Every value in force with its origin, in the order of the documentation."""
    for key in leaves():
        section, _, name = key.partition(".")
        value = getattr(getattr(settings, section), name)
        if key == "storage.directory":
            value = settings.directory
        yield Row(key=key, value=_shown(key, value), origin=str(settings.origin(key)), variable=variable(key))
    named: list[tuple[str, str, BaseModel]] = []
    named += [(f"connections.{row.id}", "connections", row) for row in settings.connections]
    named += [(f"combos.{row.name}", "combos", row) for row in settings.combos]
    named += [(f"guards.{row.name}", "guards", row) for row in settings.guards]
    named += [(f'models."{row.connection}/{row.model}"', "models", row) for row in settings.models]
    named += [(f'prices."{name}"', "prices", row) for name, row in settings.prices.items()]
    for start, table, row in named:
        origin = settings.origin(table)
        given = row.model_fields_set - {"id", "name", "connection", "model"}
        for name in sorted(given, key=list(type(row).model_fields).index):
            value = getattr(row, name)
            dear = table == "prices" or (table == "models" and name in ("input", "output"))
            text = f"{usd(value)} USD per million tokens" if dear and value is not None else value
            yield Row(key=f"{start}.{name}", value=_shown(name, text), origin=origin.where, variable=None)
    for alias, target in settings.aliases.items():
        yield Row(key=f'aliases."{alias}"', value=target, origin=settings.origin("aliases").where, variable=None)
    for place, headers in settings.headers.items():
        where = settings.origin("headers").where
        yield Row(key=f'headers."{place}"', value=_shown("headers", headers), origin=where, variable=None)


def _shown(key: str, value: object) -> str:
    """A value as it would be written, without quotes; a secret as `***`."""
    if value is None:
        return "none" if key == "budget.environment_usd_per_day" else ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and "usd" in key:
        return usd(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_shown(key, inner)}" for name, inner in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, Secret):
        value = shown(value) if key.startswith("proxy") else "***"
    return f"{value:g}" if isinstance(value, float) else str(value)


def table() -> str:
    """The reference as Markdown, made from the models."""
    pieces = ["| setting | default | variable | what it does |", "|---|---|---|---|"]
    pieces += [
        f"| `{key}` | {_default(key, leaf)} | `{variable(key)}` | {leaf.description} |"
        for key, leaf in leaves().items()
    ]
    for heading, model in _TABLES.items():
        pieces += ["", f"`{heading}`", "", "| key | default | what it does |", "|---|---|---|"]
        pieces += [
            f"| `{name}` | {'required' if leaf.is_required() else _default(name, leaf)} | {leaf.description} |"
            for name, leaf in model.model_fields.items()
        ]
    return "\n".join(pieces) + "\n"


def _default(key: str, leaf: FieldInfo) -> str:
    default: Any = leaf.get_default(call_default_factory=True, validated_data={})
    text = _shown(key, default)
    return f"`{text}`" if text else "–"
