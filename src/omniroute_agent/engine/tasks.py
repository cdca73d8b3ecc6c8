"""What a chat is about, when its caller does not say: rules over words and marks, each detection with its reason.

Only the latest words of the user count, their beginning and their end: that is where people say what they want. Code
and traces are recognised by their marks wherever they stand in them. Word lists are this project's own, in English
and a little German, French, Spanish, Portuguese, Italian, Russian, Chinese and Japanese; an inflected form that is not
listed is not recognised, which only means that the task stays unknown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from omniroute_agent.engine.request import Task
from omniroute_agent.kernel.chat import Chat, Text

LOOKED_AT: Final = 4_000
"""Characters searched for marks, at each end of the message."""

READ: Final = 600
"""Characters read word by word, at each end of the message."""

ENOUGH: Final = 2
"""Points a task needs: one word that names it, or two hints."""


@dataclass(frozen=True, slots=True)
class Detected:
    task: Task
    because: str


@dataclass(frozen=True, slots=True)
class _Signs:
    """Words and marks that name a task (2 points each) or hint at it (1 point each)."""

    names: frozenset[str]
    hints: frozenset[str] = frozenset()
    marks: tuple[str, ...] = ()
    """Two points, found anywhere in the text as it is written."""
    phrases: tuple[str, ...] = ()
    """Two points, in lower case; for phrases, and for scripts that put no blanks between words."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SIGNS: Final[Mapping[Task, _Signs]] = {
    "debugging": _Signs(
        names=_words(
            "debug debugging bug bugs fix fixing crash crashes crashed crashing broken traceback stacktrace segfault "
            "bugfix fehlersuche debuggen behebe beheben stürzt absturz débogue déboguer débugger plante corrige "
            "depura depurar falla depure correggi ошибка ошибку исправь почини отладь"
        ),
        hints=_words("error errors exception fails failing failed wrong fehler erreur erro errore issue"),
        marks=(
            "Traceback (most recent call last)",
            "Exception in thread",
            "Segmentation fault",
            "panic: ",
            "error[E",
            "TypeError: ",
            "ReferenceError: ",
            "NullPointerException",
            "undefined reference to",
            "core dumped",
        ),
        phrases=(
            "doesn't work",
            "does not work",
            "not working",
            "stack trace",
            "root cause",
            "funktioniert nicht",
            "ne marche pas",
            "ne fonctionne pas",
            "no funciona",
            "não funciona",
            "non funziona",
            "не работает",
            "报错",
            "调试",
            "修复",
            "デバッグ",
            "エラー",
            "バグ",
        ),
    ),
    "review": _Signs(
        names=_words(
            "review reviewing reviewer critique audit lgtm begutachte begutachten überprüfe prüfe relis relire revois "
            "revisa revisar revise revisão rivedi ревью проверь"
        ),
        hints=_words("feedback improve improvements pr quality prüfung smells nitpick vulnerabilities"),
        marks=("diff --git ", "\n@@ -", "\n+++ b/"),
        phrases=("pull request", "merge request", "code review", "审查", "评审", "レビュー"),
    ),
    "documentation": _Signs(
        names=_words(
            "document documentation docstring docstrings readme changelog javadoc jsdoc dokumentiere dokumentation "
            "documente documenter documenta documentar documentación documentação documentazione документацию "
            "задокументируй"
        ),
        hints=_words("docs tutorial guide comments manual handbook"),
        phrases=("release notes", "user guide", "文档", "ドキュメント"),
    ),
    "planning": _Signs(
        names=_words(
            "plan plans planning roadmap milestones architect architecture plane entwirf entwurf planung architektur "
            "planifie planifier planifica planificar planeje pianifica спланируй архитектуру"
        ),
        hints=_words("design steps strategy approach schedule breakdown requirements proposal migration"),
        phrases=("break down", "step by step", "how should i", "规划", "计划", "設計", "計画"),
    ),
    "analysis": _Signs(
        names=_words(
            "analyse analyze analysis analysing analyzing compare comparison summarise summarize evaluate investigate "
            "analysiere vergleiche bewerte analyser comparer compare résume analiza analizar resume analise compara "
            "confronta analizza проанализируй сравни"
        ),
        hints=_words("why data trends statistics report findings insight insights correlation pros cons explain"),
        phrases=("trade-off", "tradeoff", "分析", "比較", "比较", "総括"),
    ),
    "coding": _Signs(
        names=_words(
            "code coding implement implementing refactor refactoring program programmiere implementiere refaktoriere "
            "schreibe programme implémente implementa implementar programa programar implemente refactorise напиши "
            "реализуй"
        ),
        hints=_words(
            "write create add function class method script component endpoint api module test tests sql regex python "
            "javascript typescript rust golang java kotlin swift bash html css react django compile parser funktion "
            "klasse fonction classe función clase função"
        ),
        marks=("```", "\ndef ", "\nfunc ", "\n#include", "\nimport ", "\npublic class ", "\nSELECT "),
        phrases=("编写", "实现", "代码", "実装", "コード"),
    ),
}
"""In the order in which an equal count is decided: the more particular task first."""


def detect(chat: Chat) -> Detected | None:
    """The task with the most signs in the user's latest words; None when nothing points anywhere."""
    text = latest_words(chat)
    if not text:
        return None
    both_ends = text if len(text) <= 2 * LOOKED_AT else f"{text[:LOOKED_AT]}\n{text[-LOOKED_AT:]}"
    read = (both_ends if len(text) <= 2 * READ else f"{text[:READ]}\n{text[-READ:]}").lower()
    words = set(re.findall(r"[^\W\d_]+", read))
    best: Detected | None = None
    most = ENOUGH - 1
    for task, signs in _SIGNS.items():
        names, hints = sorted(words & signs.names), sorted(words & signs.hints)
        marks = [mark for mark in signs.marks if mark in both_ends] + [p for p in signs.phrases if p in read]
        points = 2 * (len(names) + len(marks)) + len(hints)
        if points > most:
            seen = ", ".join(f"`{sign.strip()}`" for sign in (*names, *marks, *hints)[:4])
            best, most = Detected(task, f"the user's latest words have {seen}"), points
    return best


def latest_words(chat: Chat) -> str:
    """The text of the user's latest message that has any; results of tools are none."""
    for message in reversed(chat.messages):
        if message.role == "user":
            text = "\n".join(part.text for part in message.parts if isinstance(part, Text))
            if text.strip():
                return text
    return ""
