"""The tables that may stand several times: connections, combos, guards, models, prices."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from omniroute_agent.kernel.guard import Action, GuardTier, Period
from omniroute_agent.kernel.tier import Tier
from omniroute_agent.settings.section import Section
from omniroute_agent.settings.values import (
    Address,
    Dollars,
    Moment,
    Name,
    Options,
    Proxy,
    SecretText,
    SecretTexts,
    Switch,
    Targets,
    Tokens,
    Weights,
    Words,
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
