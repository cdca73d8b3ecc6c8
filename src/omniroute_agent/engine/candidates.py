"""From what was asked to the targets that could serve it: the reads that come before planning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from omniroute_agent.engine.combos import Combo, ComboBook
from omniroute_agent.engine.decision import Exclusion
from omniroute_agent.engine.guards import Guards, Room, day_window
from omniroute_agent.engine.quotas import windows_of
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.kernel.errors import NoRoute, not_found
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.quota import QuotaLimit
from omniroute_agent.providers.catalogue import Catalogue
from omniroute_agent.providers.discovery import Connections
from omniroute_agent.providers.model import Connection
from omniroute_agent.store.database import Database
from omniroute_agent.store.moment import moment

COMBO_PREFIX = "combo/"

DRAWS: Final = 4
"""Numbers drawn for one plan; strategies stretch them as far as they need."""

NO_MODEL_HELP = (
    "Set a key (for example OPENAI_API_KEY or ANTHROPIC_API_KEY), start Ollama, LM Studio, llama.cpp or vLLM on this "
    "machine, or get the small local model: `pip install 'omniroute-agent[local]'` and then "
    "`omniroute-agent models pull smollm2-135m`. `omniroute-agent doctor` shows what was found."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    asked: str
    combo: Combo | None
    candidates: tuple[Candidate, ...]
    excluded: tuple[Exclusion, ...]
    """Names of a combo that lead nowhere."""


class Gatherer:
    """Reads what planning needs: combos, catalogue, health, guards."""

    def __init__(
        self,
        *,
        ports: Ports,
        combos: ComboBook,
        connections: Connections,
        catalogue: Catalogue,
        database: Database,
        guards: Guards,
        limits: Mapping[str, tuple[QuotaLimit, ...]],
    ) -> None:
        self._ports = ports
        self._combos = combos
        self._connections = connections
        self._catalogue = catalogue
        self._database = database
        self._guards = guards
        self._limits = limits

    async def gather(self, model: str, combo: str | None) -> Gathered:
        """Candidates for a model, a combo (`combo/<name>` or its bare name) or, with an empty model, the default combo.

        Raises:
            NotFound: nothing of that name; the nearest names are in it.
            NoRoute: no connection exists at all.
        """
        if combo is None and model.startswith(COMBO_PREFIX):
            combo = model.removeprefix(COMBO_PREFIX)
        if combo is not None:
            return await self._from_combo(await self._combos.named(combo), f"{COMBO_PREFIX}{combo}")
        if not model:
            default = await self._combos.default()
            return await self._from_combo(default, f"{COMBO_PREFIX}{default.name}")
        found = await self._catalogue.resolve(model)
        if found:
            return Gathered(asked=model, combo=None, candidates=self._candidates(found), excluded=())
        if named := await self._combos.get(model):
            return await self._from_combo(named, f"{COMBO_PREFIX}{model}")
        known = [combo.name for combo in await self._combos.all()] + list(await self._catalogue.names())
        raise not_found("model or combo", model, known)

    def _candidates(self, found: Sequence[tuple[Connection, str]]) -> tuple[Candidate, ...]:
        return tuple(
            Candidate(connection=connection, model=model, facts=self._catalogue.facts(connection, model))
            for connection, model in found
        )

    async def _from_combo(self, combo: Combo, asked: str) -> Gathered:
        found: list[tuple[Connection, str]] = []
        excluded: list[Exclusion] = []
        for target in combo.targets:
            resolved = await self._catalogue.resolve(target)
            found += [pair for pair in resolved if pair not in found]
            if not resolved:
                excluded.append(
                    Exclusion(
                        target=target,
                        reason="unknown_target",
                        detail="No connection here serves it now; check its name.",
                    )
                )
        for connection in await self._connections.all():
            # The tiny local model is the last resort of every combo.
            pair = (connection, connection.default_model or "")
            if connection.last_resort and connection.default_model and pair not in found:
                found.append(pair)
        if not found and not excluded:
            raise NoRoute("No language model is reachable from here yet.", hint=NO_MODEL_HELP)
        return Gathered(asked=asked, combo=combo, candidates=self._candidates(found), excluded=tuple(excluded))

    async def situation(self) -> Situation:
        now = self._ports.now()
        window, resets_at = day_window(now)
        windows = dict.fromkeys(self._guards.per_day, window)
        seen = await moment(self._database, windows, limits=self._limits, now=now.timestamp())
        rooms = {
            guard: Room(
                guard=guard,
                window=window,
                limit=limit,
                spent=seen.guards[guard].spent,
                reserved=seen.guards[guard].reserved,
                resets_at=resets_at,
            )
            for guard, limit in self._guards.per_day.items()
        }
        return Situation(
            now=now.timestamp(),
            connections=seen.health.connections,
            locks=seen.health.locks,
            rooms=rooms,
            typical_output=seen.typical_output,
            dice=tuple(self._ports.dice.random() for _ in range(DRAWS)),
            quotas=windows_of(seen.quotas, now.timestamp()),
            limits=self._limits,
        )
