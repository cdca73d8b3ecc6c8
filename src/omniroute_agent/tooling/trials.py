"""One small real call to one target, through the same engine, limits and ledger as every request."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from omniroute_agent.engine.decision import Decision, Receipt
from omniroute_agent.engine.request import Request
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.chat import Chat, Message, Text
from omniroute_agent.kernel.errors import CallError

if TYPE_CHECKING:  # a tool is listed before the rooms behind it are loaded
    from omniroute_agent.tooling.parts import Parts

PROMPT: Final = "Reply with OK only."
MAX_TOKENS: Final = 64
"""Room for a word from a model that thinks a little first; a fraction of a cent anywhere."""
SECONDS: Final = 60.0
"""Longest wait for one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    request_id: str
    receipt: Receipt | None
    """None: nothing was sent."""
    text: str = ""
    refusal: CallError | None = None
    """Why nothing was sent, or nothing answered."""

    @property
    def answered(self) -> bool:
        return self.refusal is None


async def try_target(
    parts: "Parts",
    target: str,
    *,
    caller: Caller,
    door: str,
    prompt: str = PROMPT,
    combo: str | None = None,
    deadline: float | None = None,
) -> Trial:
    """`target` is `connection/model`, as a target of the `combo` where one is given. `deadline` is a time of
    `ports.monotonic`; one call never takes longer than `SECONDS`.
    """
    latest = parts.ports.monotonic() + SECONDS
    request = Request(
        id=parts.ports.new_id(),
        caller=caller,
        door=door,
        chat=Chat(model="" if combo else target, messages=(Message("user", (Text(prompt),)),), max_tokens=MAX_TOKENS),
        combo=combo,
        only=target if combo else None,
        deadline=latest if deadline is None else min(deadline, latest),
        limits=parts.limits,
        commit="result",
        cache=False,
    )
    try:
        done = await parts.turn.take(request)
    except CallError as error:
        stored = await parts.decisions.get(request.id, caller.id)
        receipt = Decision.model_validate_json(stored).receipt if stored else None
        sent = receipt if receipt and receipt.tried else None
        return Trial(request_id=request.id, receipt=sent, refusal=error)
    return Trial(request_id=request.id, receipt=done.receipt, text=done.answer.text.strip())
