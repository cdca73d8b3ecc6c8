"""How a caller wants its prompt routed: the words of `metadata[EXTENSION]` that `smart-routing` reads."""

import re
from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Final, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from omniroute_agent.engine.request import Task
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.kernel.money import nano_from_usd

TASKS: Final[tuple[str, ...]] = get_args(Task)

ANY_MODEL: Final = "auto"
"""As `model`: the default combo decides."""

_USD: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,18})?")
OF_THE_DOOR: Final = frozenset(("skill", "data", "receipt", "traceparent", "tracestate"))
"""Members of the extension that are no option of a skill: the door reads them."""
_SHOWN: Final = 5


def _amount(told: object) -> object:
    """A decimal text; from a number what is written in its digits, as JSON has no decimals."""
    number = isinstance(told, int | float) and not isinstance(told, bool)
    text = format(Decimal(str(told)), "f") if number else told
    if not isinstance(text, str) or not _USD.fullmatch(text.strip()):
        raise ValueError('give an amount of USD, like "0.05"')
    return nano_from_usd(text.strip())


_Nano = Annotated[int, BeforeValidator(_amount)]


class Budget(BaseModel):
    """What a task may cost, and whose purse pays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount_usd: _Nano | None = None
    """In nano-dollars."""
    handle: Annotated[str, Field(min_length=1, max_length=400)] | None = None


def _budget(told: object) -> object:
    return told if isinstance(told, Mapping) or told is None else {"amount_usd": told}


def _word(told: object) -> object:
    """Names are trimmed; nothing is what is not said."""
    if isinstance(told, str):
        return told.strip() or None
    return told


_Name = Annotated[Annotated[str, Field(max_length=200)] | None, BeforeValidator(_word)]


class Options(BaseModel):
    """Read leniently in one thing: protobuf makes every number a float, so 256.0 is an integer here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: _Name = None
    combo: _Name = None
    budget: Annotated[Budget, BeforeValidator(_budget)] | None = None
    role: Annotated[Task | None, BeforeValidator(_word)] = None
    """`task` is another name of it."""
    system: Annotated[str, Field(max_length=1_000_000)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    deadline_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] | None = None
    idempotency_key: _Name = None
    cache: bool = True


_EXPECTED: Final[Mapping[str, str]] = {
    "model": "a name of at most 200 characters",
    "combo": "a name of at most 200 characters",
    "budget": 'an amount of USD like "0.05", or {"amount_usd": "0.05", "handle": "…"}',
    "budget.amount_usd": 'an amount of USD, like "0.05"',
    "budget.handle": "the text of a budget handle",
    "role": f"one of {', '.join(TASKS)}",
    "system": "text",
    "max_tokens": "an integer from 1 to 1000000",
    "temperature": "a number from 0 to 2",
    "deadline_seconds": "a number of seconds greater than 0 and of at most 3600",
    "idempotency_key": "text of at most 200 characters",
    "cache": "true or false",
}


def read_options(told: Mapping[str, JsonValue]) -> Options:
    """
    Raises:
        InvalidRequest: a name is unknown or a value cannot be meant; every problem is named, at most five spelled out.
    """
    said = {name: value for name, value in told.items() if name not in OF_THE_DOOR and value is not None}
    if "task" in said:
        if "role" in said:
            raise InvalidRequest("`role` and `task` are two names of one option.", hint="Give one of them.")
        said["role"] = said.pop("task")
    try:
        options = Options.model_validate(said)
    except ValidationError as error:
        problems = list(dict.fromkeys(_problem(each) for each in error.errors(include_url=False)))
        more = [f"There are {len(problems) - _SHOWN} more problems."] if len(problems) > _SHOWN else []
        raise InvalidRequest(" ".join([*problems[:_SHOWN], *more]), hint=f"It may say {_known()}.") from None
    if options.model == ANY_MODEL and options.combo is not None:
        options = options.model_copy(update={"model": None})
    if options.model and options.combo:
        raise InvalidRequest("Give `model` or `combo`, not both.")
    return options


def _known() -> str:
    return ", ".join(f"`{name}`" for name in Options.model_fields)


def _problem(error: ErrorDetails) -> str:
    """One sentence that never repeats the value."""
    path = [str(step) for step in error["loc"]]
    name = ".".join(path)[:60]
    if error["type"] == "extra_forbidden":
        near = get_close_matches(name, _EXPECTED, n=1, cutoff=0.5)
        return f"`{name}` is not an option{f'; did you mean `{near[0]}`?' if near else '.'}"
    return f"`{name}` must be {_EXPECTED.get(name) or _EXPECTED.get(path[0], 'something else')}."
