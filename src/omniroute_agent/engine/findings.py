"""What speaks against a combo, in sentences its owner can act on: targets that lead nowhere, a strategy amiss."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from omniroute_agent.engine.combos import Change, Combo, ComboBook
from omniroute_agent.engine.nesting import COMBO_PREFIX
from omniroute_agent.engine.situation import Candidate
from omniroute_agent.engine.strategies.validation import remarks, validate
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.kernel.likeness import nearest
from omniroute_agent.providers.catalogue import Catalogue
from omniroute_agent.providers.table import PROVIDERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    wrong: tuple[str, ...] = ()
    """What no passing of time mends: a combo is not saved with it."""
    away: tuple[str, ...] = ()
    """What cannot be used now and may come back."""
    remarks: tuple[str, ...] = ()
    """What works, but perhaps not as its owner thinks."""

    @property
    def all(self) -> tuple[str, ...]:
        """Without the remarks."""
        return self.wrong + self.away


class Examiner:
    """Looks at combos, saved or not, as things are here and now."""

    def __init__(self, combos: ComboBook, catalogue: Catalogue) -> None:
        self._combos = combos
        self._catalogue = catalogue

    async def candidates(self, combo: Combo) -> tuple[Candidate, ...]:
        """What its targets lead to now, usable or not; nested ones included."""
        found: dict[str, Candidate] = {}
        for target in (await self._combos.expansion(combo)).targets:
            for connection, model in await self._catalogue.resolve(target):
                facts = self._catalogue.facts(connection, model)
                candidate = Candidate(connection=connection, model=model, facts=facts)
                found.setdefault(candidate.name, candidate)
        return tuple(found.values())

    async def examine(self, combo: Combo) -> Findings:
        expansion = await self._combos.expansion(combo)
        candidates = await self.candidates(combo)
        wrong = [each.detail for each in expansion.excluded if each.reason != "combo_disabled"]
        away = [f"{each.target}: {each.detail}" for each in expansion.excluded if each.reason == "combo_disabled"]
        for target in expansion.targets:
            found = await self._catalogue.resolve(target)
            if not found and not _may_come(target):
                wrong.append(f"{target}: No connection here serves it.{await self._meant(target)}")
            elif not found:
                away.append(f"{target}: No connection here serves it now.")
            elif all(connection.unavailable for connection, _ in found):
                away.append(f"{target}: {found[0][0].unavailable}")
        if not any(candidate.connection.unavailable is None for candidate in candidates):
            away.append("None of its own targets can be used now; only the local model, if there is one, would answer.")
        wrong += validate(combo.strategy, combo.options, candidates)
        return Findings(
            wrong=tuple(wrong), away=tuple(away), remarks=remarks(combo.strategy, combo.options, candidates)
        )

    async def save(self, name: str, change: Change, *, new: bool = False) -> tuple[Combo, Findings]:
        """Make or change a combo, unless something is wrong with what would come of it.

        Raises:
            InvalidRequest: with everything that is wrong. Nothing is written.
            NotFound, Conflict: as `ComboBook.put` says.
        """
        await self._fit(name, change, new=new)
        saved = await self._combos.put(name, change, new=new)
        return saved, await self.examine(saved)

    async def _fit(self, name: str, change: Change, *, new: bool) -> Combo:
        """The combo as it would be, with nothing wrong about it. Raises as `save` does."""
        wanted = await self._combos.changed(name, change, new=new)
        if wrong := (await self.examine(wanted)).wrong:
            raise InvalidRequest(
                f"`{name}` cannot work like that: {' '.join(_ended(sentence) for sentence in wrong)}",
                hint="Nothing was saved.",
                facts={"findings": list(wrong)},
            )
        return wanted

    async def set_strategy(
        self, name: str, strategy: str, options: Mapping[str, JsonValue] | None, *, dry_run: bool = False
    ) -> Combo:
        """Without `options` those that the new strategy knows stay. `dry_run` only tells what would come of it. Raises
        as `save` does.
        """
        change = Change(strategy=strategy, options=options)
        return await self._fit(name, change, new=False) if dry_run else (await self.save(name, change))[0]

    async def _meant(self, target: str) -> str:
        known = [*await self._catalogue.names(), *(f"{COMBO_PREFIX}{name}" for name in await self._combos.by_name())]
        near = nearest(target, known, cutoff=0.6)
        return f" Did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else ""


def _may_come(target: str) -> bool:
    """A provider this program knows: its key may be set, or its server started, later."""
    provider, slash, model = target.partition("/")
    return bool(slash and model) and provider in PROVIDERS


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."
