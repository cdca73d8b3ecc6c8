"""Combos inside combos come down to plain targets: always to an end, each once, in order."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.engine.nesting import COMBO_PREFIX, Expansion, expand


@dataclass(frozen=True)
class Nest:
    targets: tuple[str, ...]
    enabled: bool = True


def nests(**targets: str) -> dict[str, Nest]:
    return {name: Nest(tuple(text.split())) for name, text in targets.items()}


def opened(name: str, combos: dict[str, Nest]) -> Expansion:
    return expand(name, combos[name].targets, combos)


def test_a_nested_combo_stands_as_a_block_where_it_was_named() -> None:
    found = opened("a", nests(a="x/1 combo/b x/4", b="x/2 combo/c", c="x/3"))
    assert found == Expansion(("x/1", "x/2", "x/3", "x/4"))


def test_a_target_that_comes_twice_is_tried_where_it_came_first() -> None:
    found = opened("a", nests(a="x/1 combo/b combo/c x/1", b="x/2 x/1", c="x/2 x/3"))
    assert found.targets == ("x/1", "x/2", "x/3")


def test_a_loop_is_left_out_with_its_names_and_the_rest_stays() -> None:
    found = opened("a", nests(a="x/1 combo/b x/4", b="x/2 combo/c", c="combo/a x/3"))
    assert found.targets == ("x/1", "x/2", "x/3", "x/4")
    assert found.loops == (("a", "b", "c", "a"),)
    (excluded,) = found.excluded
    assert (excluded.target, excluded.reason) == ("combo/a", "combo_loop")
    assert "`a` → `b` → `c` → `a`" in excluded.detail


def test_a_loop_further_in_is_named_without_the_way_to_it() -> None:
    assert opened("a", nests(a="combo/b", b="combo/c x/1", c="combo/b x/2")).loops == (("b", "c", "b"),)


def test_a_disabled_and_an_unknown_combo_say_so() -> None:
    combos = {"a": Nest(("combo/off", "combo/gone", "x/1")), "off": Nest(("x/2",), enabled=False)}
    found = opened("a", combos)
    assert found.targets == ("x/1",)
    assert [(each.target, each.reason) for each in found.excluded] == [
        ("combo/off", "combo_disabled"),
        ("combo/gone", "unknown_target"),
    ]


def test_a_deep_nest_needs_no_deep_stack() -> None:
    combos = {f"n{i}": Nest((f"x/{i}", f"combo/n{i + 1}")) for i in range(20_000)}
    assert len(opened("n0", combos).targets) == 20_000


_names = st.sampled_from("abcdef")
_targets = st.lists(
    st.one_of(st.sampled_from([f"x/{i}" for i in range(6)]), _names.map(lambda n: COMBO_PREFIX + n)), max_size=6
).map(tuple)
_worlds = st.dictionaries(_names, st.builds(Nest, _targets, st.booleans()), min_size=1)


def reachable(name: str, combos: dict[str, Nest]) -> set[str]:
    """Every plain target some way leads to, found in another manner."""
    seen, waiting, found = {name}, [name], set()
    while waiting:
        for target in combos[waiting.pop()].targets:
            inner = target.removeprefix(COMBO_PREFIX)
            if not target.startswith(COMBO_PREFIX):
                found.add(target)
            elif inner in combos and combos[inner].enabled and inner not in seen:
                seen.add(inner)
                waiting.append(inner)
    return found


@given(_worlds, st.data())
def test_whatever_combos_hold_it_ends_with_each_target_once_and_in_order(
    combos: dict[str, Nest], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(combos)))
    found = opened(name, combos)
    assert len(set(found.targets)) == len(found.targets)
    assert set(found.targets) == reachable(name, combos)
    assert all(loop[0] == loop[-1] and len(set(loop)) == len(loop) - 1 for loop in found.loops)
    # The combo's own plain targets that no nested one before them brings along keep their order.
    own = list(dict.fromkeys(target for target in combos[name].targets if not target.startswith(COMBO_PREFIX)))
    nested = {t for t in combos[name].targets if t.startswith(COMBO_PREFIX)}
    if not nested:
        assert list(found.targets) == own
    first = next(iter(combos[name].targets), None)
    if first is not None and not first.startswith(COMBO_PREFIX):
        assert found.targets[0] == first
    # A block keeps its own order wherever nothing of it came up before.
    for target in nested:
        inner = combos.get(target.removeprefix(COMBO_PREFIX))
        if inner is not None and inner.enabled and len(nested) == 1 and not own:
            plain = [t for t in inner.targets if not t.startswith(COMBO_PREFIX)]
            order = [t for t in found.targets if t in plain]
            assert order == list(dict.fromkeys(plain)) or any(t.startswith(COMBO_PREFIX) for t in inner.targets)
