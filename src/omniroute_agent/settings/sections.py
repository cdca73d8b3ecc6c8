"""The tables of one value each: where things lie, how long they are kept, what is used and how."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from omniroute_agent.settings.section import Section
from omniroute_agent.settings.values import (
    AddressOrEmpty,
    DollarsOrNone,
    Modules,
    Name,
    Proxies,
    Proxy,
    Quotas,
    Seconds,
    Switch,
    Whole,
    Words,
)

Profile = Literal["conservative", "balanced", "aggressive"]


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
