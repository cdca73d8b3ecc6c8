"""How well a model suits a task: a table of name patterns, the longest match wins.

The numbers are this project's own judgement of 2026-11-21: coarse steps for a family and a size class, no benchmark's
figures. Each model is placed among its like by what its maker says it is for (code, reasoning, speed, size). A model
that no pattern names is unknown and gets no number.
"""

import re
from collections.abc import Mapping
from fnmatch import translate
from functools import lru_cache
from typing import Final, NamedTuple

from omniroute_agent.engine.request import Task


class Fit(NamedTuple):
    """0 to 1 for each task; 0.5 does it passably."""

    coding: float
    review: float
    planning: float
    analysis: float
    debugging: float
    documentation: float


FITNESS: Final[Mapping[str, Fit]] = {
    # Anthropic
    "claude-*": Fit(0.75, 0.75, 0.75, 0.75, 0.75, 0.80),
    "claude-opus-*": Fit(0.95, 0.95, 0.95, 0.95, 0.95, 0.90),
    "claude-*-opus*": Fit(0.80, 0.85, 0.85, 0.85, 0.80, 0.85),
    "claude-sonnet-*": Fit(0.95, 0.90, 0.85, 0.85, 0.90, 0.90),
    "claude-*-sonnet*": Fit(0.85, 0.80, 0.75, 0.75, 0.80, 0.85),
    "claude-haiku-*": Fit(0.75, 0.70, 0.65, 0.65, 0.70, 0.75),
    "claude-*-haiku*": Fit(0.60, 0.55, 0.50, 0.55, 0.55, 0.65),
    # OpenAI
    "gpt-*": Fit(0.70, 0.70, 0.70, 0.70, 0.70, 0.75),
    "gpt-3.5*": Fit(0.40, 0.35, 0.35, 0.35, 0.35, 0.50),
    "gpt-4*": Fit(0.65, 0.65, 0.65, 0.65, 0.60, 0.75),
    "gpt-4o*": Fit(0.70, 0.70, 0.70, 0.70, 0.65, 0.80),
    "gpt-4o-mini*": Fit(0.50, 0.45, 0.45, 0.50, 0.45, 0.60),
    "gpt-4.1*": Fit(0.80, 0.75, 0.70, 0.70, 0.75, 0.80),
    "gpt-4.1-mini*": Fit(0.60, 0.55, 0.50, 0.55, 0.55, 0.65),
    "gpt-5*": Fit(0.90, 0.90, 0.90, 0.90, 0.90, 0.85),
    "gpt-6*": Fit(0.95, 0.90, 0.95, 0.95, 0.95, 0.90),
    "gpt-*-pro*": Fit(0.90, 0.95, 0.95, 0.95, 0.95, 0.85),
    "gpt-*codex*": Fit(0.95, 0.95, 0.80, 0.75, 0.95, 0.75),
    "gpt-*codex-mini*": Fit(0.80, 0.75, 0.60, 0.60, 0.75, 0.65),
    "gpt-*-mini*": Fit(0.65, 0.65, 0.60, 0.65, 0.65, 0.65),
    "gpt-*-nano*": Fit(0.45, 0.40, 0.40, 0.45, 0.40, 0.50),
    "gpt-oss-120b*": Fit(0.70, 0.65, 0.65, 0.70, 0.65, 0.65),
    "gpt-oss-20b*": Fit(0.55, 0.50, 0.50, 0.55, 0.50, 0.50),
    "codex-*": Fit(0.80, 0.75, 0.60, 0.60, 0.75, 0.65),
    "o1*": Fit(0.75, 0.80, 0.85, 0.85, 0.80, 0.70),
    "o1-mini*": Fit(0.65, 0.65, 0.65, 0.65, 0.65, 0.55),
    "o3*": Fit(0.85, 0.90, 0.90, 0.90, 0.90, 0.75),
    "o3-mini*": Fit(0.75, 0.70, 0.70, 0.70, 0.75, 0.60),
    "o4-mini*": Fit(0.80, 0.75, 0.75, 0.80, 0.80, 0.65),
    # Google
    "gemini-*": Fit(0.65, 0.65, 0.65, 0.70, 0.65, 0.70),
    "gemini-*-pro*": Fit(0.85, 0.85, 0.90, 0.90, 0.85, 0.85),
    "gemini-*-flash*": Fit(0.75, 0.70, 0.70, 0.75, 0.70, 0.75),
    "gemini-*-flash-lite*": Fit(0.50, 0.50, 0.50, 0.55, 0.45, 0.60),
    "gemma-*": Fit(0.45, 0.45, 0.45, 0.50, 0.40, 0.55),
    # DeepSeek
    "deepseek-*": Fit(0.70, 0.65, 0.65, 0.70, 0.70, 0.65),
    "deepseek-chat*": Fit(0.80, 0.75, 0.75, 0.75, 0.80, 0.75),
    "deepseek-v*": Fit(0.80, 0.75, 0.75, 0.75, 0.80, 0.75),
    "deepseek-*flash*": Fit(0.70, 0.65, 0.60, 0.65, 0.65, 0.65),
    "deepseek-coder*": Fit(0.80, 0.70, 0.50, 0.50, 0.75, 0.60),
    "deepseek-reasoner*": Fit(0.80, 0.85, 0.85, 0.85, 0.85, 0.70),
    "deepseek-r1*": Fit(0.75, 0.75, 0.80, 0.85, 0.80, 0.65),
    "deepseek-r1-distill*": Fit(0.55, 0.55, 0.55, 0.60, 0.55, 0.45),
    # Alibaba
    "qwen*": Fit(0.65, 0.60, 0.60, 0.65, 0.60, 0.65),
    "qwen*max*": Fit(0.80, 0.80, 0.80, 0.80, 0.80, 0.80),
    "qwen*plus*": Fit(0.75, 0.75, 0.75, 0.75, 0.70, 0.75),
    "qwen*coder*": Fit(0.85, 0.80, 0.60, 0.55, 0.80, 0.65),
    "qwq*": Fit(0.65, 0.65, 0.70, 0.75, 0.65, 0.50),
    # xAI
    "grok-*": Fit(0.65, 0.60, 0.65, 0.70, 0.65, 0.65),
    "grok-4*": Fit(0.85, 0.80, 0.85, 0.90, 0.85, 0.75),
    "grok-4*fast*": Fit(0.75, 0.70, 0.70, 0.75, 0.70, 0.70),
    "grok-*mini*": Fit(0.55, 0.50, 0.55, 0.60, 0.55, 0.55),
    "grok-code*": Fit(0.85, 0.75, 0.60, 0.55, 0.80, 0.60),
    # Mistral
    "mistral-*": Fit(0.55, 0.50, 0.50, 0.55, 0.50, 0.60),
    "mistral-large*": Fit(0.75, 0.70, 0.75, 0.75, 0.70, 0.75),
    "mistral-medium*": Fit(0.75, 0.70, 0.70, 0.75, 0.70, 0.75),
    "ministral-*": Fit(0.40, 0.35, 0.35, 0.40, 0.35, 0.45),
    "magistral-*": Fit(0.60, 0.65, 0.75, 0.75, 0.65, 0.60),
    "mixtral-*": Fit(0.45, 0.40, 0.40, 0.45, 0.40, 0.50),
    "codestral*": Fit(0.80, 0.70, 0.45, 0.45, 0.70, 0.60),
    "devstral*": Fit(0.80, 0.75, 0.60, 0.55, 0.75, 0.60),
    # Meta
    "llama*": Fit(0.55, 0.50, 0.50, 0.55, 0.50, 0.60),
    "llama*70b*": Fit(0.60, 0.60, 0.60, 0.60, 0.55, 0.65),
    "llama*405b*": Fit(0.70, 0.65, 0.65, 0.70, 0.65, 0.70),
    "llama*8b*": Fit(0.35, 0.30, 0.30, 0.35, 0.30, 0.45),
    "llama*-3b*": Fit(0.25, 0.20, 0.20, 0.25, 0.20, 0.35),
    "llama*-1b*": Fit(0.15, 0.15, 0.15, 0.20, 0.15, 0.25),
    # Others
    "kimi-*": Fit(0.80, 0.75, 0.80, 0.80, 0.80, 0.75),
    "kimi-*code*": Fit(0.90, 0.85, 0.70, 0.65, 0.85, 0.70),
    "kimi-*thinking*": Fit(0.80, 0.80, 0.85, 0.85, 0.85, 0.75),
    "glm-4*": Fit(0.75, 0.70, 0.70, 0.70, 0.70, 0.70),
    "glm-5*": Fit(0.85, 0.80, 0.80, 0.80, 0.80, 0.80),
    "glm-*-air*": Fit(0.65, 0.60, 0.60, 0.60, 0.60, 0.65),
    "glm-*flash*": Fit(0.60, 0.55, 0.55, 0.60, 0.55, 0.60),
    "minimax-m*": Fit(0.75, 0.70, 0.70, 0.70, 0.70, 0.70),
    "command-*": Fit(0.45, 0.45, 0.55, 0.60, 0.40, 0.65),
    "command-a*": Fit(0.60, 0.60, 0.65, 0.70, 0.55, 0.70),
    "nova-*": Fit(0.50, 0.50, 0.50, 0.55, 0.45, 0.60),
    "nova-micro*": Fit(0.30, 0.25, 0.25, 0.35, 0.25, 0.45),
    "sonar*": Fit(0.50, 0.50, 0.65, 0.80, 0.50, 0.65),
    "phi-*": Fit(0.45, 0.40, 0.40, 0.50, 0.40, 0.45),
    "granite-*": Fit(0.50, 0.45, 0.45, 0.50, 0.45, 0.55),
    "smollm*": Fit(0.10, 0.10, 0.10, 0.10, 0.10, 0.20),
    "tinyllama*": Fit(0.05, 0.05, 0.05, 0.10, 0.05, 0.10),
    # Kinds, where the family says nothing
    "*-coder": Fit(0.70, 0.65, 0.45, 0.45, 0.65, 0.55),
    "*coder-*": Fit(0.70, 0.65, 0.45, 0.45, 0.65, 0.55),
    "*-code*": Fit(0.65, 0.60, 0.45, 0.45, 0.60, 0.55),
    "*-thinking*": Fit(0.60, 0.60, 0.70, 0.70, 0.65, 0.55),
}
"""Pattern of a model's name without its maker's prefix, in lower case: `*` is any run, `?` one character."""


def _literal(wild: str) -> int:
    """Characters a pattern insists on."""
    return len(wild) - wild.count("*") - wild.count("?")


_LONGEST_FIRST: Final[tuple[tuple[re.Pattern[str], Fit], ...]] = tuple(
    (re.compile(translate(wild)), FITNESS[wild]) for wild in sorted(FITNESS, key=_literal, reverse=True)
)


def fitness(model: str, task: Task) -> float | None:
    """0 to 1; None: no pattern names this model."""
    fit = _fit(model)
    return None if fit is None else getattr(fit, task)


@lru_cache(maxsize=4096)
def _fit(model: str) -> Fit | None:
    name = model.lower().rpartition("/")[2]
    return next((fit for wild, fit in _LONGEST_FIRST if wild.match(name)), None)
