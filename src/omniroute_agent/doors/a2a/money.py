"""Budget handles over JSON-RPC: methods beside those of the protocol, for agents that give shares of a budget away."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from omniroute_agent.engine.handles import LABEL, LONGEST, Handles, Minted, Standing, time_of
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.kernel.money import nano_from_usd, usd
from omniroute_agent.store.handle_books import HandleRow

MOST_CHILDREN: Final = 100
"""Children told of one by one."""

_USD: Final = re.compile(r"[0-9]{1,7}(\.[0-9]{1,9})?")

M = TypeVar("M", bound=BaseModel)
Params = Mapping[str, JsonValue]
Answer = dict[str, JsonValue]
Method = Callable[[Handles, Caller, Params], Awaitable[Answer]]


def _amount(told: object) -> int:
    if not isinstance(told, str) or not _USD.fullmatch(told):
        raise ValueError
    return nano_from_usd(told)


class _Params(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Handle = Annotated[str, Field(min_length=1, max_length=200)]


class _Create(_Params):
    amount_usd: Annotated[int, BeforeValidator(_amount), Field(gt=0)]
    expires_in_seconds: int | None = Field(default=None, ge=1, le=int(LONGEST))
    label: str | None = Field(default=None, min_length=1, max_length=LABEL)


class _Split(_Create):
    handle: _Handle


class _Revoke(_Params):
    handle: _Handle
    child: _Handle | None = None


class _Get(_Params):
    handle: _Handle


_EXPECTED: Final[Mapping[str, str]] = {
    "amount_usd": 'an amount of USD above 0 as text, like "0.25", with at most nine decimals',
    "expires_in_seconds": f"a whole number of seconds from 1 to {int(LONGEST)}",
    "label": f"text of at most {LABEL} characters",
    "handle": "the text of a budget handle, or the id of one you made",
    "child": "the id of a handle that came out of `handle`",
}


async def create(handles: Handles, caller: Caller, params: Params) -> Answer:
    """A new handle: its text, this once, and how it stands."""
    wanted = _read(_Create, params)
    minted = await handles.mint(caller, wanted.amount_usd, seconds=wanted.expires_in_seconds, label=wanted.label)
    return _made(minted)


async def split(handles: Handles, caller: Caller, params: Params) -> Answer:
    """A child with a share of what a handle has left: its text, this once, and how it stands."""
    wanted = _read(_Split, params)
    minted = await handles.split(
        caller, wanted.handle, wanted.amount_usd, seconds=wanted.expires_in_seconds, label=wanted.label
    )
    return _made(minted)


async def revoke(handles: Handles, caller: Caller, params: Params) -> Answer:
    """End a handle, or a child of it, with all that came out of that. How it stands then."""
    wanted = _read(_Revoke, params)
    return _told(await handles.revoke(caller, wanted.handle, child=wanted.child))


async def get(handles: Handles, caller: Caller, params: Params) -> Answer:
    """How a handle stands, and its children."""
    return _told(await handles.look(caller, _read(_Get, params).handle))


METHODS: Final[Mapping[str, Method]] = {
    "omniroute/budgetHandles/create": create,
    "omniroute/budgetHandles/split": split,
    "omniroute/budgetHandles/revoke": revoke,
    "omniroute/budgetHandles/get": get,
}
"""By name; none of them is a name of the protocol, of either version. What they raise is a `CallError`."""


def _read(wanted: type[M], params: Params) -> M:
    """
    Raises:
        InvalidRequest: a name is unknown, missing, or its value cannot be meant. No value is repeated.
    """
    try:
        return wanted.model_validate(dict(params))
    except ValidationError as error:
        problems = [_problem(str(each["loc"][0]), each["type"]) for each in error.errors(include_url=False)]
        hint = f"It may say {', '.join(f'`{name}`' for name in wanted.model_fields)}."
        raise InvalidRequest(" ".join(dict.fromkeys(problems)), hint=hint) from None


def _problem(name: str, kind: str) -> str:
    if kind == "extra_forbidden":
        return f"`{name[:60]}` is not known here."
    return f"`{name}` {'is needed' if kind == 'missing' else 'must be'}: {_EXPECTED[name]}."


def _made(minted: Minted) -> Answer:
    return {"handle": minted.text.reveal(), **_row(minted.row, "good")}


def _told(standing: Standing) -> Answer:
    children = standing.children
    return {
        **_row(standing.row, standing.state),
        "total_spent_usd": usd(standing.spent),
        "total_reserved_usd": usd(standing.reserved),
        "children": [_row(child, child.state(standing.now)) for child in children[:MOST_CHILDREN]],
        "more_children": str(max(len(children) - MOST_CHILDREN, 0)),
    }


def _row(row: HandleRow, state: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "label": row.label,
        "state": state,
        "amount_usd": usd(row.amount),
        "spent_usd": usd(row.spent),
        "reserved_usd": usd(row.reserved),
        "given_usd": usd(row.given),
        "returned_usd": usd(row.returned),
        "left_usd": usd(max(row.left, 0)),
        "created_at": time_of(row.created_at),
        "expires_at": time_of(row.expires_at),
    }
