"""The values of this room: provider, connection, endpoint, what is true of a model, what it costs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.kernel.tier import Tier
from omniroute_agent.providers.lines import Tariff
from omniroute_agent.wire.dialect import Quirks

Source = Literal["environment", "settings", "stored", "loopback", "local"]
"""stored: added by hand with `connections add`."""

Auth = Literal["bearer", "x-api-key", "x-goog-api-key", "api-key", "google-account", "none"]
"""How the key is shown. `google-account`: it is a service account's JSON, which buys short-lived bearer tokens, or such
a token itself. `none`: no key is needed, and one that is set goes as bearer. The others name the header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How a model server on this machine proves what it is before it gets a prompt.

    Its list of models is always checked; these are the further marks of its kind.
    """

    path: str | None = None
    """Path from the root of the server that answers GET with a JSON object; None: the list of models is enough."""
    keys: tuple[str, ...] = ()
    """Members that object has."""
    owned_by: str | None = None
    """What at least one listed model says of its owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """A part of an address that differs by account: `{name}` stands in the provider's `base_url`."""

    name: str
    means: str
    """What belongs there, as people say it: `your Azure OpenAI resource`."""
    env: tuple[str, ...] = ()
    """Environment variables that may hold it, first one wins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where a provider is and how to get in. Data only: nothing outside this package compares an id with a string."""

    id: str
    title: str
    base_url: str
    """Everything before the dialect's path, without a trailing slash; `{name}` where a blank is to be filled."""
    dialect: str
    """One of `wire.table.DIALECTS`."""
    blanks: tuple[Blank, ...] = ()
    other_door: str = ""
    """Ending of the addresses of its OpenAI-compatible door; cut off an owner's address, as the row speaks its own."""
    auth: Auth = "bearer"
    env: tuple[str, ...] = ()
    """Environment variables that may hold a key, first one wins."""
    headers: tuple[tuple[str, str], ...] = ()
    tier: Tier = "key"
    default_model: str | None = None
    """Stands in the built-in combo `default`."""
    prices: str | None = None
    """Provider id in genai-prices; None: prices are unknown there."""
    model_prefix: str = ""
    """Stands before the names of the price data in the names this provider's API takes."""
    not_served: str = ""
    """Pattern of names in the price data that this provider's API does not serve; empty: it serves all of them."""
    quirks: Quirks = field(default_factory=Quirks)
    probe: Probe | None = None
    """Set for servers that are looked for on this machine, at `base_url`."""
    cache_seconds: float = 300.0
    """How long it is taken to keep a prompt's beginning in its cache after it was used."""
    source: str = ""
    """Page of the provider that describes the API."""
    seen: tuple[str, ...] = ()
    """Where the address was read: `own page` is `source`, what the others are stands in docs/providers.md."""
    checked: str = ""
    """Date it was compared with them, ISO."""

    @property
    def list_path(self) -> str:
        """Path under `base_url` that answers GET with the list of models."""
        return "/api/tags" if self.dialect == "ollama" else "/models"

    @property
    def needs_max_tokens(self) -> bool:
        """The Messages API refuses a request without `max_tokens`."""
        return self.dialect == "anthropic-messages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where one attempt goes, resolved at the moment of the attempt."""

    base_url: str
    headers: tuple[tuple[str, str], ...] = ()
    secret_headers: tuple[tuple[str, Secret], ...] = ()
    """Headers whose values are the owner's; they win over all others of the same name."""
    secret: Secret | None = None
    loopback: bool = False
    """The owner's own configuration names this loopback address, so the guard lets it pass."""
    proxy: Secret | None = None
    """The connection's own proxy, empty for none whatever else is set; None: the proxies around it decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One credential at one provider, or one model server on this machine."""

    id: str
    """Unique here: `openai`, `openai-work`, `ollama`, `local`."""
    provider: Provider
    source: Source
    tier: Tier
    reach: Callable[[], Awaitable[Endpoint]]
    """Gives the endpoint; may start the local model. Raises `NoRoute` with what to do when it cannot be reached."""
    models: tuple[str, ...] | None = None
    """The models it serves when that is known; None: any name may be tried."""
    default_model: str | None = None
    guard: str | None = None
    """Name of the spend guard its attempts are held against."""
    unavailable: str | None = None
    """Why it cannot be used now and what to do, in one sentence; None when it can."""
    expires_at: datetime | None = None
    """When its credential expires, as its owner said."""
    headers: Mapping[str, Mapping[str, Secret]] = field(default_factory=dict[str, Mapping[str, Secret]])
    """The owner's headers for its provider: by model, and under the empty name for all of them."""
    last_resort: bool = False
    """The tiny local model: last in every combo, never wins on price."""


class Price(Protocol):
    """The price list of one model on one connection."""

    @property
    def source(self) -> str:
        """Where the price comes from: `genai-prices 0.2.3`, `settings`, `free`."""
        ...

    @property
    def input_per_million(self) -> int:
        """Nano-dollars per million uncached input tokens, at the model's base tier."""
        ...

    @property
    def output_per_million(self) -> int:
        """Nano-dollars per million output tokens, at the model's base tier."""
        ...

    def cost(self, usage: Usage, at: datetime) -> int:
        """Nano-dollars, exact by every tier and cache price known, rounded up once."""
        ...

    def worst(self, input_tokens: int, output_tokens: int, at: datetime) -> int:
        """Upper bound in nano-dollars: nothing cached, the dearest of the read, write and plain input prices."""
        ...

    def tariff(self, input_tokens: int, bound: int, at: datetime) -> Tariff | None:
        """The straight lines that `cost` follows for a prompt of `input_tokens` plain tokens and `worst` for one of
        `bound`, whatever the answer's length; None: each amount has to be asked for.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is true of a model. None everywhere means unknown, and unknown is said, never guessed."""

    id: str
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    vision: bool | None = None
    tools: bool | None = None
    json_schema: bool | None = None
    reasoning: bool | None = None
    price: Price | None = None
    source: str = ""
