"""`feedback`: a person's word on an answer."""

from math import isfinite
from typing import Final

from omniroute_agent.app import House
from omniroute_agent.cli.house import in_house
from omniroute_agent.cli.page import out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.engine.learner import reward, say
from omniroute_agent.kernel.errors import InvalidRequest, NotFound
from omniroute_agent.kernel.outcome import Judged

_WORDS: Final = {"good": 1.0, "bad": 0.0}


def give_feedback(start: Start, request_id: str, verdict: str, *, as_json: bool) -> int:
    value = _value(verdict)
    settings = start.settings()
    before, after = in_house(settings, lambda house: _say(house, request_id, value, on=settings.routing.learner))
    if as_json:
        print_json(
            {
                "request_id": request_id,
                "target": after.target,
                "task": after.task,
                "measured": after.quality,
                "signs": after.signs,
                "feedback": after.feedback,
                "reward_before": round(reward(before), 4),
                "reward": round(reward(after), 4),
            }
        )
    else:
        page = out()
        told = f"measured {after.quality:g} ({after.signs})"
        page.line(f"{after.target}, {after.task}: {told}, you say {value:g}.")
        page.line(f"Its reward is {reward(after):.2f} now; it was {reward(before):.2f}.", "dim")
    return 0


def _value(verdict: str) -> float:
    """
    Raises:
        InvalidRequest: neither a word we know nor a number from 0 to 1.
    """
    if (word := verdict.strip().lower()) in _WORDS:
        return _WORDS[word]
    try:
        value = float(verdict)
    except ValueError:
        value = -1.0
    if not isfinite(value) or not 0 <= value <= 1:
        raise InvalidRequest(f"`{verdict[:40]}` is no verdict.", hint="Say good, bad, or a number from 0 to 1.")
    return value


async def _say(house: House, request_id: str, value: float, *, on: bool) -> tuple[Judged, Judged]:
    """
    Raises:
        NotFound: there is no such request, or the learner was off when it was served.
    """
    said = await say(house.parts.outcomes, request_id, value)
    if said is not None:
        return said
    if await house.parts.decisions.get(request_id, None) is None:
        raise NotFound(f"No request is called `{request_id[:60]}`.", hint="The receipt of an answer shows its id.")
    hint = (
        "Outcomes are kept from the moment on at which the learner was switched on."
        if on
        else "Switch the learner on with `learner = true` under [routing] in the settings file; it is off."
    )
    raise NotFound("Nothing was kept of what became of that request.", hint=hint)
