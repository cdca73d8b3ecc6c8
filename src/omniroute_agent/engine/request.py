"""One request as the engine takes it: what to say, who asks, and within which limits."""

from dataclasses import dataclass, field
from typing import Literal

from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.chat import Chat

Task = Literal["coding", "review", "planning", "analysis", "debugging", "documentation"]

CommitPoint = Literal["first", "words", "result"]
"""first: what is yielded reaches the caller at once, so no fallback after it. words: the same, of a caller who is told
no reasoning. result: the caller sees one finished answer, so a broken attempt may still be replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """The four limits of one attempt, in seconds. The request's deadline stands above them."""

    connect: float = 10.0
    first_token: float = 60.0
    between_chunks: float = 60.0
    total: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    id: str
    caller: Caller
    door: str
    chat: Chat
    combo: str | None = None
    """The combo named beside the model; `chat.model` may name one too."""
    only: str | None = None
    """A trial of this one target of the combo: disabled or not, and the combo remembers nothing of it."""
    task: Task | None = None
    budget: int | None = None
    """Nano-dollars this request may cost at most, over all attempts."""
    handle: str | None = field(default=None, repr=False)
    """The secret text of a budget handle that pays for it."""
    deadline: float
    """`ports.monotonic` at which the caller's time is up."""
    limits: TimeLimits = field(default_factory=TimeLimits)
    agreed: int | None = None
    """Nano-dollars that the owner lets this request cost beyond the limits of guards that ask."""
    commit: CommitPoint = "first"
    idempotency_key: str | None = None
    cache: bool = True
    """False: the request is sent whatever was answered before, and its answer is not kept."""
