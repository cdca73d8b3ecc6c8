"""What `tools/list` and the greeting say, built once."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.scopes import missing
from omniroute_agent.kernel.view import View
from omniroute_agent.tooling.schema import contract
from omniroute_agent.tooling.tool import PREFIX, Tool
from omniroute_agent.tooling.view import allowed

_GUIDE: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    ((), "Reaches every language model the owner may use, within the owner's budgets; picks, falls back, keeps books."),
    (("route_request",), "Ask a model with {0}: name a model or a combo, or neither for the default."),
    (("simulate_route",), "{0} shows who would answer and at what cost, and sends nothing."),
    (("explain_route",), "{0} takes the request_id of an answer and tells why it went that way."),
    (("best_combo_for_task",), "{0} recommends a combo for a kind of work."),
    (("list_combos", "list_models_catalog"), "{0} and {1} show what can be named."),
    (("check_quota", "cost_report"), "Before a large job look at {0} and {1}."),
    (("set_budget_guard",), "{0} tightens a limit at once; loosening one asks the owner."),
    (("memory_search", "memory_add"), "{0} recalls what earlier work left, {1} keeps a fact for later."),
    (("skills_list", "skills_execute"), "{0} shows the skills, {1} runs one in a sandbox."),
    ((), "The text of a failed call starts with a code and ends with what to do next; do not repeat it unchanged."),
)
"""Sentences and the tools they speak of: a sentence stands only where all of its tools are there."""

_SHOWN: Final = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")


def instructions(tools: Sequence[Tool]) -> str:
    """Advice to the model, at most 300 tokens, about the tools that are there and no others."""
    there = {tool.name for tool in tools}
    return " ".join(
        sentence.format(*(PREFIX + name for name in names))
        for names, sentence in _GUIDE
        if there.issuperset(PREFIX + name for name in names)
    )


class Listing:
    """The tools a caller may call, in the order given: in wire form, and as the advice that speaks of them.

    It depends on the caller's scopes and view and on nothing else.
    """

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = tuple(tools)
        # One result per set of scopes and view; a server knows a handful.
        self._list = lru_cache(maxsize=64)(self._make_list)
        self._advice = lru_cache(maxsize=64)(self._make_advice)

    def visible_to(self, caller: Caller) -> dict[str, Any]:
        """The result of `tools/list`."""
        return self._list(caller.scopes, caller.view)

    def advice_for(self, caller: Caller) -> str:
        return self._advice(caller.scopes, caller.view)

    def _chosen(self, scopes: frozenset[str], view: View) -> list[Tool]:
        return [tool for tool in self._tools if allowed(view, tool) and not missing(scopes, tool.scopes)]

    def _make_list(self, scopes: frozenset[str], view: View) -> dict[str, Any]:
        return {"tools": [_entry(tool) for tool in self._chosen(scopes, view)], "resultType": "complete"}

    def _make_advice(self, scopes: frozenset[str], view: View) -> str:
        return instructions(self._chosen(scopes, view))


def _entry(tool: Tool) -> dict[str, Any]:
    said = contract(tool)
    return {name: said[name] for name in _SHOWN}
