from fnmatch import fnmatchcase
from typing import get_args

import pytest

from omniroute_agent.engine.fitness import FITNESS, Fit, fitness
from omniroute_agent.engine.request import Task
from omniroute_agent.providers.table import PROVIDERS


def test_every_task_has_a_number_for_every_pattern() -> None:
    assert Fit._fields == get_args(Task)
    assert len(FITNESS) >= 30
    assert all(0 <= number <= 1 for fit in FITNESS.values() for number in fit)


@pytest.mark.parametrize(
    ("model", "wild"),
    [
        ("gpt-4o", "gpt-4o*"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini*"),
        ("gpt-5.1-codex-mini", "gpt-*codex-mini*"),
        ("openai/gpt-5-mini", "gpt-*-mini*"),
        ("anthropic/Claude-Sonnet-4.5", "claude-sonnet-*"),
        ("claude-3-5-sonnet", "claude-*-sonnet*"),
        ("gemini-2.5-flash-lite", "gemini-*-flash-lite*"),
        ("qwen3-coder-480b:free", "qwen*coder*"),
        ("deepseek-r1-distill-llama-70b", "deepseek-r1-distill*"),
        ("accounts/fireworks/models/glm-5p1", "glm-5*"),
        ("starcoder-coder", "*-coder"),
    ],
)
def test_the_longest_pattern_wins(model: str, wild: str) -> None:
    assert fitness(model, "coding") == FITNESS[wild].coding


def test_a_model_nobody_names_is_unknown_and_gets_no_number() -> None:
    assert fitness("muse-spark-1.3", "coding") is None


def test_a_mini_is_never_fitter_than_its_full_model() -> None:
    for full, small in (("gpt-4o", "gpt-4o-mini"), ("gpt-5", "gpt-5-mini"), ("gemini-3-pro", "gemini-3-flash")):
        for task in get_args(Task):
            assert (fitness(small, task) or 0) <= (fitness(full, task) or 0)


def test_no_two_patterns_of_one_length_fight_over_a_default_model() -> None:
    def literal(wild: str) -> int:
        return len(wild.replace("*", "").replace("?", ""))

    for provider in PROVIDERS.values():
        name = (provider.default_model or "").lower().rpartition("/")[2]
        matched = sorted((literal(wild) for wild in FITNESS if fnmatchcase(name, wild)), reverse=True)
        assert len(matched) < 2 or matched[0] > matched[1], name
