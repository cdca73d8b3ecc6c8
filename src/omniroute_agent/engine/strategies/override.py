"""When size and complexity of a request speak against its combo's strategy.

Asked where the owner left the choice to the program: for `auto` without a pack, or where the combo says `adapt`.
"""

import re
from collections.abc import Sequence
from typing import Final

from omniroute_agent.engine.needs import Needs
from omniroute_agent.engine.situation import ComboState
from omniroute_agent.engine.strategies.knobs import ADAPT, PACK
from omniroute_agent.engine.strategies.option import Option
from omniroute_agent.engine.tasks import READ, latest_words
from omniroute_agent.kernel.chat import Chat, ToolResult

SMALL_TOKENS: Final = 200
"""Input below which any eligible model will do."""

FULL_WINDOW: Final = 0.6
"""Share of the smallest window in the pool: with so much input the answer and the turns to come need room."""

MANY_TOOLS: Final = 12
LONG_RUN: Final = 10
"""Results of tools in the chat: an agent is deep in its work."""

CRITICAL: Final = 2
"""Signs of complexity that make it critical."""

_WEIGHTY: Final = re.compile(
    r"\b(deploy\w*|production|migrat\w+|browser|end-to-end|architectur\w*|concurren\w+|race condition|security|"
    r"distributed|cryptograph\w*|proof|prove)\b",
    re.IGNORECASE,
)


def override(
    strategy: str, state: ComboState, chat: Chat, needs: Needs, options: Sequence[Option]
) -> tuple[str, str] | None:
    """The strategy to use instead and why; None: the combo's own."""
    if not _asked(strategy, state) or len(options) < 2:  # noqa: PLR2004 (nothing to choose)
        return None
    for other, because in (_critical(chat), _voluminous(needs, options), _small(chat, needs, options)):
        if because and other != strategy:
            return other, because
    return None


def complexity(chat: Chat) -> tuple[str, ...]:
    """The signs of a complex request, in words."""
    results = sum(isinstance(part, ToolResult) for message in chat.messages for part in message.parts)
    words = latest_words(chat)
    weighty = _WEIGHTY.search(f"{words[:READ]}\n{words[-READ:]}")
    signs = (
        (len(chat.tools) >= MANY_TOOLS, f"{len(chat.tools)} tools"),
        (chat.reasoning_effort in {"high", "xhigh"}, f"reasoning effort {chat.reasoning_effort}"),
        (results >= LONG_RUN, f"{results} results of tools so far"),
        (weighty is not None, f"`{weighty.group().lower()}`" if weighty else ""),
    )
    return tuple(sign for seen, sign in signs if seen)


def _asked(strategy: str, state: ComboState) -> bool:
    wish = ADAPT.read(state.options)
    return wish if wish is not None else strategy == "auto" and PACK.name not in state.options


def _critical(chat: Chat) -> tuple[str, str]:
    signs = complexity(chat)
    told = f"a complex request ({', '.join(signs)}) goes to the owner's first choice"
    return "priority", told if len(signs) >= CRITICAL else ""


def _voluminous(needs: Needs, options: Sequence[Option]) -> tuple[str, str]:
    windows = [w for option in options if (w := option.candidate.facts.context_tokens) is not None]
    if not windows or needs.input_tokens < FULL_WINDOW * min(windows):
        return "context-optimized", ""
    share = needs.input_tokens / min(windows)
    told = f"{needs.input_tokens} input tokens fill {share:.0%} of the smallest window here, so the largest goes first"
    return "context-optimized", told


def _small(chat: Chat, needs: Needs, options: Sequence[Option]) -> tuple[str, str]:
    plain = not (needs.vision or needs.tools or needs.json_schema or complexity(chat))
    priced = any(option.expected_cost is not None for option in options)
    small = needs.input_tokens < SMALL_TOKENS and plain and priced
    told = f"{needs.input_tokens} input tokens and nothing special asked: any of them will do, so the cheapest"
    return "cost-optimized", told if small else ""
