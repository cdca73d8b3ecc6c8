"""`provider-discovery`: which providers and models can be used here, and what they cost and can do."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from pydantic import JsonValue

from omniroute_agent.doors.a2a.skills.phrases import rule
from omniroute_agent.doors.a2a.skills.readings import Facts, Readings, answering, count, named, together
from omniroute_agent.doors.a2a.skills.skill import Skill
from omniroute_agent.tooling.tool import Tool

ID: Final = "provider-discovery"

SHOWN: Final = 15
CHEAPEST: Final = 5

_CAPABILITIES: Final = {
    "vision": re.compile(r"\b(?:vision|images?|pictures?|multimodal|see)\b"),
    "tools": re.compile(r"\b(?:tools?|functions?|tool[- ]calling|function[- ]calling)\b"),
    "json_schema": re.compile(r"\b(?:json|schema|structured)\b"),
    "reasoning": re.compile(r"\b(?:reasoning|thinking|think|reason)\b"),
}
_FREE: Final = re.compile(r"\b(?:free|cost(?:s)? nothing)\b")


async def answer(readings: Readings) -> str:
    arguments, asked = _asked(readings)
    listed = await readings.read_all("list_models_catalog", "models", limit=200, **arguments)
    states: dict[str, str] = {}
    if readings.may("get_health"):
        health = await readings.read("get_health", detail="detailed")
        states = {each["id"]: each["state"].replace("_", " ") for each in health["connections"]}
    models: list[Facts] = listed["models"]
    if not models:
        nothing = f"No model{asked} can be used here."
        return nothing if asked else together(nothing, "\n".join(f"- {name}: {states[name]}" for name in states))
    usable = [model for model in models if not model.get("unavailable")]
    places = {model["id"].partition("/")[0] for model in models}
    head = f"{count(listed['total'], 'model')}{asked} at {count(len(places), 'connection')}"
    if len(usable) < len(models):
        head += f", {len(models) - len(usable)} of them not usable now"
    return together(f"{head}:", _places(models, states), _cheapest(usable), _how(usable))


def _asked(readings: Readings) -> tuple[dict[str, JsonValue], str]:
    """What the catalogue is searched for, and how that is called."""
    text = readings.text
    arguments: dict[str, JsonValue] = named(readings.ask, "provider", "capability", "search")
    words: list[str] = []
    if _FREE.search(text) or readings.ask.options.get("free") is True:
        arguments["free"] = True
        words.append("known to be free")
    if "capability" not in arguments:
        found = next((name for name, pattern in _CAPABILITIES.items() if pattern.search(text)), None)
        if found is not None:
            arguments["capability"] = found
    if "capability" in arguments:
        words.append(f"known to have {str(arguments['capability']).replace('_', ' ')}")
    if "provider" in arguments:
        words.append(f"of {arguments['provider']}")
    if "search" in arguments:
        words.append(f"called like `{arguments['search']}`")
    return arguments, "".join(f" {word}" for word in words)


def _places(models: Sequence[Facts], states: dict[str, str]) -> str:
    """One line for each connection; those with most models first."""
    by_place: dict[str, list[Facts]] = {}
    for model in models:
        by_place.setdefault(model["id"].partition("/")[0], []).append(model)
    busiest = sorted(by_place.items(), key=lambda each: (-len(each[1]), each[0]))
    lines = [_place(name, its, states.get(name)) for name, its in busiest[:SHOWN]]
    if (more := len(busiest) - SHOWN) > 0:
        lines.append(f"- and {more} more connections")
    return "\n".join(lines)


def _place(name: str, models: Sequence[Facts], state: str | None) -> str:
    names = [model["id"].partition("/")[2] for model in models]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 (as many as a reader takes in)
    free = sum(1 for model in models if _price(model) == 0)
    marks = [count(len(models), "model"), f"{free} free" if free else "", state or ""]
    return f"- {name} ({models[0]['provider']}): {', '.join(mark for mark in marks if mark)}: {shown}"


def _price(model: Facts) -> Decimal | None:
    """USD for a million tokens in and a million out; None: not known."""
    price = model.get("price")
    if price is None:
        return None
    return Decimal(price["input_usd_per_million"]) + Decimal(price["output_usd_per_million"])


def _cheapest(models: Sequence[Facts]) -> str:
    priced = sorted((price, model["id"]) for model in models if (price := _price(model)))
    if not priced:
        return ""
    prices = {model["id"]: model["price"] for model in models if model.get("price")}
    lines = [
        f"- {name}: {prices[name]['input_usd_per_million']} USD in, {prices[name]['output_usd_per_million']} USD out"
        for _, name in priced[:CHEAPEST]
    ]
    return "\n".join(["The cheapest that are not free, for a million tokens:", *lines])


def _how(models: Sequence[Facts]) -> str:
    return f"Name one as `model` in the metadata of a message, like `{models[0]['id']}`." if models else ""


_TRAITS: Final = "free|cheap|ai|llm|vision|reasoning|multimodal|local|other"
_HAVE: Final = (
    "available|have|offer|support|use|know|serve|connected|configured|reach|route_to|access|access_to|have_access_to|"
    "choose_from|to_choose_from"
)
RULES: Final = (
    rule(
        "asks which providers or models there are",
        f"which|what {_TRAITS}* <kinds> is|are|are_there|exist|do_you|can_you|can_i|can_we|does_this_agent|do_i|do_we "
        f"{_HAVE}* <here>*",
        f"<show>? <our>* {_TRAITS}* <plurals> you|i|we? have|know|support|can_use|offer|serve? <here>*",
        f"<what> <the> <our>* {_TRAITS}* <plurals> you|i|we? have|know|support|can_use|offer|serve? <here>*",
        "which|what <kinds> here? support|supports|have|has|can_do|can_handle|handle|take|accept|understand|can_see|"
        "see|can_use vision|image|images|pictures|tools|tool_calling|function_calling|functions|json|json_schema|"
        "structured_output|structured_outputs|reasoning|thinking <here>*",
        "which|what <kinds> is|are|cost|costs free|nothing|cheapest|the_cheapest <here>*",
        "which|what is|are the|your cheapest <kinds> you_have|you_know|you_can_use|you_offer|there_is? <here>*",
        "discover|explore <our>* <plurals> <here>*",
        "provider|providers|model|models discovery|catalog|catalogue|list",
    ),
)


def provider_discovery(list_models_catalog: Tool) -> Skill:
    return Skill(
        id=ID,
        name="Provider discovery",
        description=(
            "Which providers, connections and models can be used here, what they can do and cost. Options in the "
            "metadata: provider, capability (vision, tools, json_schema, reasoning), search, free."
        ),
        tags=("providers", "models", "catalog", "discovery", "pricing"),
        examples=("Which models do you have?", "List the free models.", "Which models can see images?"),
        scopes=list_models_catalog.scopes,
        run=answering(ID, answer),
        tools=("list_models_catalog",),
        rules=RULES,
    )
