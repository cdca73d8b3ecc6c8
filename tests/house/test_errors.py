import re
from collections.abc import Iterator

from omniroute_agent.kernel import errors
from omniroute_agent.kernel.errors import CallError, not_found


def _descendants(kind: type[CallError]) -> Iterator[type[CallError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    drawn = dict(re.findall(r"[├└]── (\w+) +(\w+) ", errors.__doc__ or ""))
    assert drawn == {kind.__name__: kind.code for kind in _descendants(CallError)}


def test_every_error_has_a_code_of_its_own() -> None:
    kinds: list[type[CallError]] = [CallError, *_descendants(CallError)]
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_an_unknown_name_is_answered_with_the_nearest_ones() -> None:
    error = not_found("combo", "thrify", ["default", "thrifty", "fast"])
    assert error.sentence() == "No combo is called `thrify`. Did you mean `thrifty`?"
    assert error.facts == {"nearest": ["thrifty"]}
    assert not_found("combo", "x", ["default"]).hint == "Known: `default`."
    assert not_found("combo", "x", []).hint == "No combo is known here yet."
    assert len(not_found("model", "m" * 10_000, []).message) < 300
