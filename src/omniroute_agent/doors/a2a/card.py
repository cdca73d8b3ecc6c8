"""The agent card: what this agent is, speaks and can do, as JSON for both versions of the protocol.

One object serves both (A2A 1.0 §4.4 and 0.3 §5.5): clients of either read their own fields and skip the others'. Only
the fields of 1.0 are signed: whoever checks the signature has them sorted out of the object before.
"""

import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from pydantic import JsonValue

from omniroute_agent.doors.a2a.money import METHODS
from omniroute_agent.doors.a2a.signer import Signer
from omniroute_agent.doors.a2a.words import EXTENSION, PATH
from omniroute_agent.doors.access import Peer
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.scopes import missing

JWKS_PATH: Final = "/.well-known/jwks.json"

_HOME: Final = "https://github.com/omniroute-agent/omniroute-agent"
_NAME: Final = "OmniRoute Agent"
_DESCRIPTION: Final = (
    "Answers prompts with whichever language model fits best among all that its owner may use: it chooses by price, "
    "quota, speed and health, falls back when one fails, keeps to budgets, and says what was done and what it cost. "
    "It also answers questions about quota, providers, cost and health."
)
_EXTENSION_SAYS: Final = (
    "How a request says which model, combo, budget and role it wants, and how an answer tells its route and cost."
)
_VERSION_0_3: Final = "0.3.0"
_BEARER: Final = "bearer"
_MOST_BASES: Final = 16
"""Names under which the card is kept ready. Whoever comes under another one at each call pays with time of his own."""

JsonObject = dict[str, JsonValue]


class CardSkill(Protocol):
    """What the card says of a skill."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def tags(self) -> Sequence[str]: ...
    @property
    def examples(self) -> Sequence[str]: ...
    @property
    def input_modes(self) -> Sequence[str]: ...
    @property
    def output_modes(self) -> Sequence[str]: ...
    @property
    def scopes(self) -> frozenset[str]: ...
    @property
    def price(self) -> str:
        """What a task costs at most, in words."""
        ...

    @property
    def ceiling_usd(self) -> str | None:
        """The same as a decimal amount; None: nobody can say before the request is known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A card ready to be sent."""

    body: bytes
    etag: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The cards of one base address."""

    merged: Printed
    modern: Printed
    """With the fields of 1.0 only."""
    original: Printed
    """For clients of the well-known path before 0.3."""


def _by_scopes(skills: Sequence[CardSkill]) -> Callable[[Caller], Iterable[CardSkill]]:
    return lambda caller: [skill for skill in skills if not missing(caller.scopes, skill.scopes)]


async def _no_limits(_: Caller) -> Sequence[JsonObject]:
    return ()


class CardBook:
    """Makes cards and keeps those at hand that are asked for."""

    def __init__(
        self,
        skills: Iterable[CardSkill],
        signer: Signer,
        *,
        version: str,
        public_url: str = "",
        strict: bool = False,
        keys: bool = True,
        offered: Callable[[Caller], Iterable[CardSkill]] | None = None,
        limits: Callable[[Caller], Awaitable[Sequence[JsonObject]]] = _no_limits,
    ) -> None:
        """`public_url` stands on the card in place of the address it was asked for at. `strict` leaves the fields of
        0.3 off. `keys` says whether callers need one: only then there is an extended card, which lists the skills that
        are `offered` to its reader (without that: those that his scopes allow) and the `limits` he is under.
        """
        self._skills = tuple(skills)
        self._signer = signer
        self._version = version
        self._public_url = public_url.rstrip("/")
        self._keys = keys
        self._offered = offered or _by_scopes(self._skills)
        self._limits = limits
        self._shelves: OrderedDict[str, Shelf] = OrderedDict()
        self.strict: Final = strict
        self.jwks: Final = json.dumps(signer.jwks()).encode()
        self.key_id: Final = signer.key_id

    @property
    def extends(self) -> bool:
        """Whether there is an extended card."""
        return self._keys

    def base(self, peer: Peer) -> str:
        """The address of this server as the card tells it, without a path of ours and a slash at its end."""
        if self._public_url:
            return self._public_url
        # The gate has compared the name with those of this server. One that stands for every address reaches nothing
        # from elsewhere; whoever came by it is on this machine.
        host = peer.host.decode("latin-1").lower()
        for every, here in (("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]")):  # noqa: S104 (it is taken away)
            if host == every or host.startswith(f"{every}:"):
                host = here + host.removeprefix(every)
        return f"{peer.scheme}://{host}"

    def shelf(self, base: str) -> Shelf:
        found = self._shelves.get(base)
        if found is None:
            found = self._shelves[base] = self._printed(base)
            while len(self._shelves) > _MOST_BASES:
                self._shelves.popitem(last=False)
        else:
            self._shelves.move_to_end(base)
        return found

    def card(self, base: str) -> JsonObject:
        """The public card with its signatures: the fields of 1.0."""
        return self._signed(self._modern(base, self._skills), base)

    async def extended(self, caller: Caller, base: str) -> JsonObject:
        """What the caller itself may use, in the fields of 1.0. `merged` adds those of 0.3."""
        you: JsonObject = {"caller": caller.id, "scopes": [*sorted(caller.scopes)]}
        if limits := await self._limits(caller):
            you["limits"] = list(limits)
        return self._signed(self._modern(base, tuple(self._offered(caller)), you), base)

    def merged(self, card: JsonObject) -> JsonObject:
        """The same card with the fields of 0.3 beside its own."""
        interfaces = card["supportedInterfaces"]
        assert isinstance(interfaces, list)
        assert isinstance(interfaces[0], dict)
        url = interfaces[0]["url"]
        both: JsonObject = {
            **card,
            "url": url,
            "preferredTransport": "JSONRPC",
            "protocolVersion": _VERSION_0_3,
            "additionalInterfaces": [{"transport": "JSONRPC", "url": url}],
        }
        if self._keys:
            both["supportsAuthenticatedExtendedCard"] = True
            both["securitySchemes"] = {_BEARER: {"type": "http", **_scheme(), **_modern_scheme()}}
            both["security"] = [{_BEARER: []}]
        return both

    def _printed(self, base: str) -> Shelf:
        card = self.card(base)
        merged = self.merged(card)
        # Two members of the card that its first clients were written for.
        original: JsonObject = {
            **merged,
            "authentication": {"schemes": [_BEARER] if self._keys else [], "apiKeyHeader": "Authorization"},
        }
        # A signature is another one each time it is made; what the card says is the same.
        seed = json.dumps([{**card, "signatures": None}, self._signer.key_id]).encode()
        return Shelf(
            merged=_print(merged, b"merged" + seed),
            modern=_print(card, b"modern" + seed),
            original=_print(original, b"original" + seed),
        )

    def _signed(self, card: JsonObject, base: str) -> JsonObject:
        return {**card, "signatures": self._signer.sign_card(card, f"{base}{JWKS_PATH}")}

    def _modern(self, base: str, skills: Sequence[CardSkill], you: JsonObject | None = None) -> JsonObject:
        """Nothing in here has the value that its absence would mean: so whoever makes the canonical form of it, with
        or without knowing the fields, gets the same.
        """
        url = f"{base}{PATH}"
        params: JsonObject = {
            "metadata_key": EXTENSION,
            "currency": "USD",
            "budget_handles": list(METHODS),
            "skills": {skill.id: _terms(skill) for skill in skills},
        }
        if you is not None:
            params["you"] = you
        capabilities: JsonObject = {
            "streaming": True,
            "pushNotifications": True,
            "extensions": [{"uri": EXTENSION, "description": _EXTENSION_SAYS, "params": params}],
        }
        card: JsonObject = {
            "name": _NAME,
            "description": _DESCRIPTION,
            "version": self._version,
            "supportedInterfaces": [
                {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
                {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "0.3"},
                {"url": url, "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0"},
            ],
            "provider": {"organization": "omniroute-agent", "url": _HOME},
            "documentationUrl": f"{_HOME}/blob/main/docs/a2a.md",
            "capabilities": capabilities,
            "defaultInputModes": ["text/plain"],
            "defaultOutputModes": ["text/plain"],
            "skills": [_skill(skill) for skill in skills],
        }
        if self._keys:
            capabilities["extendedAgentCard"] = True
            card["securitySchemes"] = {_BEARER: _modern_scheme()}
            card["securityRequirements"] = [{"schemes": {_BEARER: {}}}]
        return card


def _modern_scheme() -> JsonObject:
    return {"httpAuthSecurityScheme": _scheme()}


def _scheme() -> JsonObject:
    """The same words in both versions: one SDK reads those of 0.3 in place of the others, and they are signed."""
    return {"scheme": "Bearer", "description": "A key that the owner of this agent gives out."}


def _skill(skill: CardSkill) -> JsonObject:
    said: Mapping[str, JsonValue] = {
        "id": skill.id,
        "name": skill.name,
        "description": f"{skill.description} {skill.price}",
        "tags": list(skill.tags),
        "examples": list(skill.examples),
        "inputModes": list(skill.input_modes),
        "outputModes": list(skill.output_modes),
    }
    return {name: value for name, value in said.items() if value}


def _terms(skill: CardSkill) -> JsonObject:
    ceiling = "unknown" if skill.ceiling_usd is None else skill.ceiling_usd
    return {"ceiling_usd": ceiling, "price": skill.price, "scopes": [*sorted(skill.scopes)]}


def _print(card: JsonObject, seed: bytes) -> Printed:
    return Printed(body=json.dumps(card).encode(), etag=f'W/"{sha256(seed).hexdigest()[:32]}"'.encode())
