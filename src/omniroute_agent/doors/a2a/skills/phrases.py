"""Rules by which a text that names no skill means one: whole short questions, in English.

A rule covers a text from its first word to its last, with no word left over. So a prompt that only mentions quota, cost
or health matches none, and goes to a model.

A pattern is a row of places. At each stands one of the words between bars, `_` being a blank inside them; `?` behind a
place says that it may be empty, `*` that it may be filled several times. `<name>` is a list of words below, `#` a
number and `~` any one word.
"""

import re
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 160
"""Characters; a longer text is a prompt."""

_QUOTES: Final = str.maketrans({"’": "'", "‘": "'", "`": "'"})  # noqa: RUF001 (what keyboards and programs write)
_BEFORE: Final = re.compile(r"(?:(?:hi|hello|hey)(?: there)?[ ,!.]+|please[ ,]+|(?:can|could|would|will) you (?!do ))*")
_BEHIND: Final = re.compile(r"[\s?!.,;:]*(?:(?:please|thanks|thank you)[\s?!.]*)?$")

_PLURALS: Final = "providers|models|llms|language_models|ai_models|connections|accounts"
_LISTS: Final = {
    "<show>": "show|show_me|show_us|tell|tell_me|tell_us|give|give_me|give_us|list|list_me|get|get_me|check|report|"
    "display|print|summarize|summarise|fetch|i_want|i_need|i_want_to_see|i_want_to_know|i_would_like_to_see|"
    "i'd_like_to_see|let_me_see",
    "<what>": "what_is|what's|what_are|how_is|how's|how_are",
    "<the>": "the|my|our|your|all",
    "<our>": "a|all|of|the|my|our|your|current|present|available|connected|configured|remaining|total",
    "<places>": f"provider|connection|account|model|combo|combos|key|keys|{_PLURALS}",
    "<kinds>": f"provider|model|llm|connection|account|{_PLURALS}",
    "<plurals>": _PLURALS,
    "<here>": "right_now|now|currently|at_the_moment|today|at_present|here|so_far|left|remaining|available|for|of|on|"
    "in|across|by|per|with|each|every|all|the|my|our|your|this|agent|server|gateway|machine|<places>",
    "<period>": "today|yesterday|so_far|until_now|in_total|overall|now|here|with_you|with|this|the|last|past|in|for|"
    "over|during|of|on|my|our|current|#|session|conversation|hour|hours|day|days|week|weeks|month|months|tokens|llms|"
    "requests|by|per|each|split|grouped|provider|providers|model|models|combo|combos|task|tasks|connection|connections",
}
_ANY: Final = {"#": r"\d{1,3}", "~": r"[\w.-]{1,40}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    says: str
    """What was found when it matches: the rest of the sentence `The text …`."""
    pattern: re.Pattern[str]

    def matches(self, words: str) -> bool:
        """`words` as `plain` gives them."""
        return self.pattern.fullmatch(f"{words} ") is not None


def rule(says: str, *patterns: str) -> Rule:
    return Rule(says=says, pattern=re.compile("|".join("".join(map(_place, row.split())) for row in patterns)))


def _place(place: str) -> str:
    times = place[-1] if place[-1] in "?*" else ""
    listed = place.removesuffix(times) if times else place
    while "<" in listed:
        for name, words in _LISTS.items():
            listed = listed.replace(name, words)
    words = "|".join(_ANY.get(word) or re.escape(word.replace("_", " ")) for word in listed.split("|"))
    return f"(?:(?:{words}) ){times}"


def plain(text: str) -> str | None:
    """The text as rules look at it: lower case, single blanks, no greeting before and no punctuation behind. None: it
    has several lines, or is too long to be a question of ours.
    """
    told = text.strip()
    if len(told) > LONGEST or "\n" in told:
        return None
    words = " ".join(told.translate(_QUOTES).lower().split())
    begun = _BEFORE.match(words)
    return _BEHIND.sub("", words[begun.end() :] if begun else words)
