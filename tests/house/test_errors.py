import re
import time
from collections.abc import Iterator

import pytest

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


@pytest.mark.parametrize(
    ("name", "form", "count"),
    [
        ("c" * 10_000, f"{{0}}{'c' * 150}", 1),
        ("c" * 200, f"provider{{0}}/{'c' * 150}{{0}}", 100_000),
        ("provider9/model-9-abcdefg", "provider{0}/model-{0}-abcdefgh", 100_000),
    ],
    ids=["an endless name", "many long names", "a near miss among many"],
)
def test_an_endless_name_holds_nobody_up(name: str, form: str, count: int) -> None:
    name = name if count > 1 else name * 10_000
    known = [form.format(number) for number in range(count)]
    begun = time.process_time()
    said = not_found("model", name, known)
    # Milliseconds; what compares the whole name with all of them takes minutes.
    assert time.process_time() - begun < 30
    assert len(said.sentence()) < 2000


def test_the_nearest_of_many_names_is_still_found() -> None:
    many = [f"provider{number}/model-{number}" for number in range(5_000)]
    assert not_found("model", "provider77/modle-77", many).facts["nearest"]
    assert not_found("model", "model-4999", [*many, "model-499"]).facts["nearest"]
