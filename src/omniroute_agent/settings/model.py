"""The whole of the settings: its tables, what a parsed file is, and where each value came from.

Its tables (`sections`, `inbound`, `entries`) are also the source of `docs/settings.md` and of `config show`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from omniroute_agent.settings.a2a import A2aSettings
from omniroute_agent.settings.entries import (
    ComboSettings,
    ConnectionSettings,
    GuardSettings,
    ModelSettings,
    PriceSettings,
)
from omniroute_agent.settings.inbound import AuditSettings, AuthSettings, LogSettings, OtelSettings, ServerSettings
from omniroute_agent.settings.problems import Problem
from omniroute_agent.settings.section import Section
from omniroute_agent.settings.sections import (
    BudgetSettings,
    CacheSettings,
    CatalogueSettings,
    DiscoverySettings,
    LimitSettings,
    LocalSettings,
    ProxySettings,
    QuotaSettings,
    ResilienceSettings,
    RetentionSettings,
    RoutingSettings,
    SecretSettings,
    StorageSettings,
    ToolSettings,
)
from omniroute_agent.settings.values import (
    AliasTable,
    Headed,
    PricedModel,
    SecretTexts,
)


class Document(Section):
    """What may stand in the file."""

    server: ServerSettings
    auth: AuthSettings
    a2a: A2aSettings
    storage: StorageSettings
    limits: LimitSettings
    budget: BudgetSettings
    discovery: DiscoverySettings
    local: LocalSettings
    tools: ToolSettings
    routing: RoutingSettings
    catalogue: CatalogueSettings
    resilience: ResilienceSettings
    quota: QuotaSettings
    retention: RetentionSettings
    cache: CacheSettings
    audit: AuditSettings
    log: LogSettings
    otel: OtelSettings
    secrets: SecretSettings
    proxy: ProxySettings
    connections: tuple[ConnectionSettings, ...] = ()
    combos: tuple[ComboSettings, ...] = ()
    guards: tuple[GuardSettings, ...] = ()
    models: tuple[ModelSettings, ...] = ()
    prices: Mapping[PricedModel, PriceSettings] = Field(default_factory=dict)
    aliases: AliasTable = Field(default_factory=dict)
    """Name or pattern → what it stands for."""
    headers: Mapping[Headed, SecretTexts] = Field(default_factory=dict)
    """Extra headers by `provider` or `provider/model`."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from."""

    kind: Literal["flag", "environment", "file", "default"]
    where: str = ""
    """The flag, the variable or the file."""
    line: int | None = None

    def __str__(self) -> str:
        if self.kind == "default":
            return "default"
        return f"{self.where}:{self.line}" if self.line else self.where


class Settings(Document):
    """The whole of it, parsed once. Nobody but the app and the command line sees it; rooms receive their part."""

    directory: Path
    """The data directory, absolute. It may not exist yet."""
    config_path: Path
    """The file that was read, or would be."""
    config_found: bool
    origins: Mapping[str, Origin]
    """Dotted name → where its value came from; a name that is absent has its default."""
    warnings: tuple[Problem, ...] = ()
    """What works but should be looked at."""

    def origin(self, key: str) -> Origin:
        return self.origins.get(key, Origin("default"))


def leaves() -> Mapping[str, Any]:
    """Dotted name → pydantic field, for every setting that is one value; tables of tables are not among them."""
    return {
        f"{section}.{name}": leaf
        for section, field in Document.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        for name, leaf in field.annotation.model_fields.items()
    }


def variable(key: str) -> str:
    """The environment variable of a setting: `server.port` → `OMNIROUTE_SERVER_PORT`."""
    return f"OMNIROUTE_{key.replace('.', '_').upper()}"
