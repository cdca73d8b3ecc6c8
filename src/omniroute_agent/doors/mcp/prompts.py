"""Prompts: what people ask of this server again and again, as texts that name the tools to call.

A sentence stands only where all of its tools may be called; a prompt is listed where all that it cannot do without may.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mcp_types import INVALID_PARAMS, GetPromptRequestParams, PaginatedRequestParams

from omniroute_agent.doors.mcp.visit import Visit, Wire, page_of, protocol_error
from omniroute_agent.kernel.errors import InvalidRequest, NotAllowed, not_found
from omniroute_agent.tooling.tool import PREFIX

_PAGE: Final = 50
_LONGEST_ARGUMENT: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    name: str
    description: str
    completes: str
    """What `completions` offers for it: a kind of names it knows, or words with `|` between them."""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """Names of tools stand in brackets, without the prefix; names of arguments in braces."""

    text: str
    tools: tuple[str, ...] = ()
    needs: str | None = None
    """An argument without which it is left out."""
    without: str | None = None
    """An argument with which it is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    name: str
    title: str
    description: str
    tools: tuple[str, ...]
    """What it cannot do without."""
    text: tuple[Sentence, ...]
    arguments: tuple[Argument, ...] = field(default=())


CUT_MY_SPEND: Final = Prompt(
    name="cut_my_spend",
    title="Cut my spend",
    description="Where the money went, and what would cost less without being worse.",
    tools=("cost_report",),
    arguments=(
        Argument(name="period", description="day, week or month; default week.", completes="day|week|month"),
        Argument(name="provider", description="Look at this provider only.", completes="provider"),
    ),
    text=(
        Sentence("Find out where my money for language models goes and how to spend less of it."),
        Sentence(
            "1. Call [cost_report] with period {period}, grouped by model, then by combo and by task.", (), "period"
        ),
        Sentence(
            "1. Call [cost_report] with period week, grouped by model, then by combo and by task.", (), None, "period"
        ),
        Sentence("Look only at what went to the provider {provider}.", (), "provider"),
        Sentence("2. Call [check_quota]: quota that is paid for already and unused comes first.", ("check_quota",)),
        Sentence(
            "3. For the two tasks that cost most call [best_combo_for_task] and compare its free and cheaper answers "
            "with what I use now.",
            ("best_combo_for_task",),
        ),
        Sentence(
            "4. For a request like my usual ones call [simulate_route] with the present combo and with your proposal; "
            "it sends nothing.",
            ("simulate_route",),
        ),
        Sentence(
            "Then give me at most three changes, the largest saving first. For each: what changes, what I save in USD "
            "with the figures it rests on, what may get worse. Say which figures are estimates or unknown."
        ),
        Sentence(
            "Change nothing before I agree. A lower limit you may offer to set with [set_budget_guard].",
            ("set_budget_guard",),
        ),
    ),
)

WHY_SLOW: Final = Prompt(
    name="why_was_this_slow",
    title="Why was this slow?",
    description="What a request spent its time on, and whether that will happen again.",
    tools=("explain_route",),
    arguments=(
        Argument(
            name="request_id",
            description="From the receipt of the answer.",
            completes="request",
            required=True,
        ),
    ),
    text=(
        Sentence("Find out why the request {request_id} was slow."),
        Sentence(
            "1. Call [explain_route] with that request_id. Look at every attempt: fault, latency, what came after."
        ),
        Sentence(
            "2. For the provider that took longest call [get_provider_metrics]: was this time unusual for it (p50, "
            "p95), or is it always so?",
            ("get_provider_metrics",),
        ),
        Sentence("3. Call [get_health] to see whether that connection cools down or is locked now.", ("get_health",)),
        Sentence(
            "Then tell me in a few sentences where the time went: waiting for a target that failed, a slow first "
            "token, or a long answer. Say whether it will happen again, and one thing to change if it will. Name times "
            "in ms, and do not guess at what the figures do not show."
        ),
    ),
)

BUILD_A_COMBO: Final = Prompt(
    name="build_a_combo",
    title="Build a combo",
    description="A fallback chain of models for one kind of work, checked before it is made.",
    tools=("list_models_catalog", "list_combos"),
    arguments=(
        Argument(name="task", description="What it is for.", completes="task", required=True),
        Argument(name="model", description="A model that must be in it.", completes="model"),
        Argument(name="combo", description="A combo to start from.", completes="combo"),
    ),
    text=(
        Sentence("Build me a combo, a fallback chain of models, for this task: {task}."),
        Sentence("It must contain {model}.", (), "model"),
        Sentence("Start from the combo {combo}.", (), "combo"),
        Sentence("1. Call [list_combos]: if one of them does the work already, say so and stop."),
        Sentence("2. Call [best_combo_for_task] for that kind of work.", ("best_combo_for_task",)),
        Sentence(
            "3. Call [list_models_catalog] for models with the capabilities the task needs (vision, tools, "
            "json_schema). Take two to four targets of different providers, so that one outage does not stop all; the "
            "last one free or cheap. A capability or price that is null is unknown: say so."
        ),
        Sentence(
            "4. Call [simulate_route] with each target as model: excluded ones do not belong into it.",
            ("simulate_route",),
        ),
        Sentence(
            "Then show me the targets in order with the reason for each, best and worst cost of a usual request, and "
            "the command that makes it: `omniroute-agent combos add NAME --target CONNECTION/MODEL --target … "
            "--strategy STRATEGY`."
        ),
        Sentence(
            "Once I have made it, offer to try it with [test_combo]; that sends one short paid call to each target.",
            ("test_combo",),
        ),
    ),
)

HAND_OVER: Final = Prompt(
    name="hand_over",
    title="Hand-over summary",
    description="What the next session or agent must know to go on.",
    tools=("get_session_snapshot",),
    arguments=(Argument(name="next_step", description="What is to be done next, if that is known.", completes=""),),
    text=(
        Sentence("Write a hand-over, so that another agent can go on from here without asking me."),
        Sentence("1. Call [get_session_snapshot] for what this session asked for, what it cost and which guards hold."),
        Sentence("2. Call [memory_search] for what earlier sessions left about this work.", ("memory_search",)),
        Sentence(
            "Then write under these headings, each at most five lines: Goal. Done, with file names and request ids. "
            "Decided, and why. Open. Traps. Cost so far and budget left."
        ),
        Sentence("The next step is: {next_step}", (), "next_step"),
        Sentence("Say where you are not sure. Leave out secrets and whatever the next agent finds faster by looking."),
        Sentence("Offer to keep it with [memory_add].", ("memory_add",)),
    ),
)

PROMPTS: Final = (CUT_MY_SPEND, WHY_SLOW, BUILD_A_COMBO, HAND_OVER)


async def list_prompts(visit: Visit, params: PaginatedRequestParams) -> Wire:
    """
    Raises:
        MCPError: the cursor is none of ours.
    """
    shown = [prompt for prompt in PROMPTS if visit.may(*prompt.tools)]
    start, end, following = page_of(params.cursor, len(shown), _PAGE)
    more = {"nextCursor": following} if following else {}
    return {"prompts": [_listed(prompt) for prompt in shown[start:end]], "resultType": "complete", **more}


async def get_prompt(visit: Visit, params: GetPromptRequestParams) -> Wire:
    """
    Raises:
        MCPError: there is no such prompt for this caller, or its arguments do not fit (-32602).
    """
    prompt = named(params.name)
    if prompt is None:
        raise protocol_error(not_found("prompt", params.name, [each.name for each in PROMPTS]), code=INVALID_PARAMS)
    try:
        for tool in prompt.tools:
            visit.require(tool)
        given = _read(prompt, params.arguments or {})
    except (NotAllowed, InvalidRequest) as error:
        raise protocol_error(error) from None
    content = {"type": "text", "text": _text(prompt, given, visit)}
    return {
        "description": prompt.description,
        "messages": [{"role": "user", "content": content}],
        "resultType": "complete",
    }


def named(name: str) -> Prompt | None:
    return next((prompt for prompt in PROMPTS if prompt.name == name), None)


def _listed(prompt: Prompt) -> Wire:
    return {
        "name": prompt.name,
        "title": prompt.title,
        "description": prompt.description,
        "arguments": [
            {"name": each.name, "description": each.description, "required": each.required} for each in prompt.arguments
        ],
    }


def _read(prompt: Prompt, given: Mapping[str, str]) -> Mapping[str, str]:
    """Arguments that were given, in one line each: they are quoted into a text.

    Raises:
        InvalidRequest: one is missing, unknown or too long.
    """
    known = {argument.name: argument for argument in prompt.arguments}
    names = ", ".join(f"`{name}`" for name in known)
    hint = f"Arguments of {prompt.name}: {names}."
    if unknown := [name[:60] for name in given if name not in known]:
        raise InvalidRequest(f"`{unknown[0]}` is not an argument.", hint=hint)
    told = {name: " ".join(value.split()) for name, value in given.items() if value.strip()}
    if lacking := [name for name, argument in known.items() if argument.required and name not in told]:
        raise InvalidRequest(f"`{lacking[0]}` is missing: {known[lacking[0]].description}", hint=hint)
    if long := [name for name, value in told.items() if len(value) > _LONGEST_ARGUMENT]:
        raise InvalidRequest(f"`{long[0]}` is longer than {_LONGEST_ARGUMENT} characters.", hint="Say it shorter.")
    return told


def _text(prompt: Prompt, given: Mapping[str, str], visit: Visit) -> str:
    lines = [
        _filled(sentence.text, given)
        for sentence in prompt.text
        if visit.may(*sentence.tools)
        and (sentence.needs is None or sentence.needs in given)
        and (sentence.without is None or sentence.without not in given)
    ]
    return "\n".join(lines)


def _filled(text: str, given: Mapping[str, str]) -> str:
    """In one pass, so that nothing inside an argument is taken for a name."""
    pieces: list[str] = []
    rest = text
    while (start := next((at for at, letter in enumerate(rest) if letter in "[{"), None)) is not None:
        end = rest.index("]" if rest[start] == "[" else "}", start)
        name = rest[start + 1 : end]
        pieces += [rest[:start], PREFIX + name if rest[start] == "[" else f'"{given[name]}"']
        rest = rest[end + 1 :]
    return "".join((*pieces, rest))
