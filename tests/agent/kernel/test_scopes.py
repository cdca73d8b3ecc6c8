import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import NotAllowed
from omniroute_agent.kernel.scopes import PRESETS, SCOPES, covers, missing, parse_scopes

NONE: frozenset[str] = frozenset()


def test_there_are_sixteen_scopes_and_no_two_alike() -> None:
    assert len(SCOPES) == len(set(SCOPES)) == 16


@given(st.sets(st.sampled_from(SCOPES)), st.sampled_from(SCOPES))
def test_more_is_never_granted_than_was_written(granted: set[str], needed: str) -> None:
    _, _, noun = needed.partition(":")
    implied = needed.startswith("read:") and f"write:{noun}" in granted
    assert covers(frozenset(granted), needed) == (needed in granted or implied)


@given(st.sampled_from(SCOPES))
def test_nothing_granted_covers_nothing(needed: str) -> None:
    assert not covers(NONE, needed)
    assert covers(frozenset({"*"}), needed)


def test_writing_implies_reading_and_never_the_other_way() -> None:
    assert covers(frozenset({"write:memory"}), "read:memory")
    assert not covers(frozenset({"read:memory"}), "write:memory")
    assert not covers(frozenset({"write:memory"}), "read:skills")
    assert not covers(frozenset({"write:skills"}), "execute:skills")


@pytest.mark.parametrize("verb", ["read", "write", "execute"])
def test_a_wildcard_covers_its_own_verb(verb: str) -> None:
    granted = frozenset({f"{verb}:*"})
    covered = {scope for scope in SCOPES if covers(granted, scope)}
    allowed = ("read:", "write:") if verb == "write" else (f"{verb}:",)
    assert covered == {scope for scope in SCOPES if scope.startswith(allowed)}


def test_presets_grant_what_their_names_say() -> None:
    def granted(preset: str) -> set[str]:
        return {scope for scope in SCOPES if covers(parse_scopes([preset]), scope)}

    reads = {scope for scope in SCOPES if scope.startswith("read:")}
    assert granted("readonly") == reads
    assert granted("agent") == reads | {"execute:completions", "execute:search"}
    assert granted("monitor") == {"read:health", "read:quota", "read:usage"}
    assert granted("full") == set(SCOPES)
    assert set(PRESETS) == {"readonly", "agent", "monitor", "full"}


@pytest.mark.parametrize("word", ["read:everything", "admin", "", "READ:health", "read:health "])
def test_an_unknown_word_is_refused_with_what_is_allowed(word: str) -> None:
    with pytest.raises(ValueError, match=r"Allowed: readonly, .*read:health"):
        parse_scopes([word])


def test_everything_that_is_missing_is_named_at_once() -> None:
    caller = Caller(id="key-1", scopes=frozenset({"read:usage"}), session="s")
    caller.require(["read:usage"])
    with pytest.raises(NotAllowed) as raised:
        caller.require(["write:budget", "read:usage", "execute:skills"])
    assert raised.value.facts == {"missing": ["execute:skills", "write:budget"]}
    assert missing(caller.scopes, ["read:usage"]) == ()
