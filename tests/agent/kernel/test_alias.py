"""Aliases: which one applies to a name, and where following them ends."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.kernel.alias import MAX_STEPS, Aliases, AliasLoop, check_alias, matches, refuse_loops

SHORT = st.text("ab/*?", max_size=12)
NAMES = st.text("ab/", max_size=12)
TABLES = st.dictionaries(st.text("ab*?", min_size=1, max_size=4), st.text("ab", min_size=1, max_size=4), max_size=8)


@given(SHORT, NAMES)
def test_a_pattern_matches_what_the_same_regular_expression_does(pattern: str, name: str) -> None:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    assert matches(pattern, name) == (re.fullmatch(expression, name) is not None)


def test_a_pattern_of_many_stars_is_refused_as_fast_as_any() -> None:
    assert not matches("*a" * 60 + "b", "a" * 200)


@given(TABLES, NAMES)
def test_following_ends_or_says_that_it_goes_in_a_circle(table: dict[str, str], name: str) -> None:
    try:
        way = Aliases(table).follow(name)
    except AliasLoop:
        with pytest.raises(AliasLoop):
            refuse_loops(table)
        return
    assert way[0] == name
    assert len(way) <= MAX_STEPS
    assert len(set(way)) == len(way)


@given(TABLES, NAMES)
def test_what_was_defined_without_a_circle_is_followed_without_one(table: dict[str, str], name: str) -> None:
    try:
        refuse_loops(table)
    except AliasLoop:
        return
    way = Aliases(table).follow(name)
    end = way[-1]
    pattern = Aliases(table).of(end)
    assert pattern is None or table[pattern] == end


@given(TABLES, NAMES)
def test_the_most_specific_one_applies_whatever_the_order_of_the_table(table: dict[str, str], name: str) -> None:
    found = Aliases(table).of(name)
    assert found == Aliases(dict(reversed(table.items()))).of(name)
    if name in table:
        assert found == name
    elif found is not None:
        literal = len(found) - found.count("*") - found.count("?")
        fitting = [pattern for pattern in table if matches(pattern, name)]
        assert all(literal >= len(other) - other.count("*") - other.count("?") for other in fitting)


def test_exact_before_pattern_and_longer_before_shorter() -> None:
    aliases = Aliases({"*": "any", "gpt-*": "some", "gpt-5*": "five", "gpt-5-min?": "mini", "gpt-5-mini": "own"})
    ends = {name: aliases.follow(name)[-1] for name in ("gpt-5-mini", "gpt-5-minx", "gpt-5-nano", "gpt-4", "x/y")}
    assert ends == {
        "gpt-5-mini": "any",  # `own` is a name like any other, and `*` applies to it
        "gpt-5-minx": "any",
        "gpt-5-nano": "any",
        "gpt-4": "any",
        "x/y": "any",
    }
    without = Aliases({pattern: target for pattern, target in aliases.table.items() if pattern != "*"})
    assert [without.follow(name)[-1] for name in ends] == ["own", "mini", "five", "some", "x/y"]


def test_a_target_that_its_own_pattern_matches_is_the_end() -> None:
    assert Aliases({"gpt-*": "gpt-5-mini"}).follow("gpt-4") == ("gpt-4", "gpt-5-mini")
    assert Aliases({"gpt-*": "gpt-5-mini"}).follow("gpt-5-mini") == ("gpt-5-mini",)


def test_a_circle_is_told_with_its_way() -> None:
    with pytest.raises(AliasLoop, match="`b` → `a` → `b`"):
        refuse_loops({"a": "b", "b": "a"})


@pytest.mark.parametrize(
    ("pattern", "target"),
    [("", "x"), ("x", ""), (" x", "y"), ("x\n", "y"), ("x" * 201, "y"), ("combo/x", "y"), ("x", "y*"), ("x", "?")],
)
def test_what_cannot_be_an_alias_is_refused(pattern: str, target: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_alias(pattern, target)
