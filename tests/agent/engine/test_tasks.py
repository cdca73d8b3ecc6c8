"""What a chat is about, guessed from the user's latest words, with the words that gave it away."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.engine.request import Task
from omniroute_agent.engine.tasks import detect
from omniroute_agent.kernel.chat import Chat, Image, Message, Text, ToolResult


def chat(*texts: str) -> Chat:
    return Chat(model="", messages=tuple(Message("user", (Text(text),)) for text in texts))


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("Write a Python function that parses dates", "coding"),
        ("Please refactor this module", "coding"),
        ("Programmiere mir einen Taschenrechner", "coding"),
        ("编写一个排序函数", "coding"),
        ("Please fix this, it crashes on start", "debugging"),
        ("Traceback (most recent call last):\n  File x\nTypeError: no", "debugging"),
        ("Das Programm funktioniert nicht", "debugging"),
        ("Почини ошибку в этом коде", "debugging"),
        ("Can you review my pull request?", "review"),
        ("diff --git a/x b/x\n@@ -1 +1 @@\n-a\n+b", "review"),
        ("このコードをレビューして", "review"),
        ("Write the README and docstrings for this package", "documentation"),
        ("Documenta esta API", "documentation"),
        ("Draw up a roadmap and plan the migration", "planning"),
        ("How should I break down this project?", "planning"),
        ("Compare these two databases and summarize the pros and cons", "analysis"),
        ("Analysiere diese Zahlen", "analysis"),
    ],
)
def test_the_task_is_read_from_what_the_user_wants(text: str, task: str) -> None:
    found = detect(chat(text))
    assert found is not None
    assert found.task == task


@pytest.mark.parametrize("text", ["", "   ", "Hello there", "What is the capital of France?", "a function"])
def test_small_talk_and_a_single_hint_are_no_task(text: str) -> None:
    assert detect(chat(text)) is None


def test_the_words_that_gave_it_away_are_said() -> None:
    found = detect(chat("Please fix the crash: it fails"))
    assert found is not None
    assert found.because == "the user's latest words have `crash`, `fix`, `fails`"


def test_only_the_latest_words_of_the_user_count() -> None:
    found = detect(chat("Fix this bug", "Now plan the next release"))
    assert found is not None
    assert found.task == "planning"
    after = Chat(
        model="",
        messages=(
            Message("system", (Text("You review pull requests"),)),
            Message("user", (Text("Summarize this"),)),
            Message("assistant", (Text("debug debug debug"),)),
            Message("user", (ToolResult("c1", (Text("Traceback (most recent call last)"),)),)),
        ),
    )
    found = detect(after)
    assert found is not None
    assert found.task == "analysis"


def test_a_long_paste_between_the_words_does_not_hide_them() -> None:
    found = detect(chat("Here is the log.\n" + "x " * 200_000 + "\nWhy does it crash? Find the root cause."))
    assert found is not None
    assert found.task == "debugging"


def test_a_picture_alone_says_nothing() -> None:
    assert detect(Chat(model="", messages=(Message("user", (Image(url="https://example.invalid/x.png"),)),))) is None
    assert detect(Chat(model="", messages=())) is None


@given(st.text(max_size=3_000))
def test_any_text_is_read(text: str) -> None:
    found = detect(chat(text))
    assert found is None or (found.task in get_args(Task) and found.because)
