"""Combos that are made and changed at run time, in a real house."""

from pathlib import Path

import pytest

from fakes import CountedIds, FakeClock, Upstream, openai_error, openai_stream
from houses import TWO_TARGETS, a_house, ask
from omniroute_agent.engine.combos import LOOK_SECONDS, Change, Combo, default_targets
from omniroute_agent.engine.strategies.knobs import Options
from omniroute_agent.kernel.errors import CallError, Conflict, InvalidRequest, NotFound
from programs import told

NESTED = (
    TWO_TARGETS
    + """
[[combos]]
name = "a"
targets = ["one/alpha", "combo/b"]

[[combos]]
name = "b"
targets = ["combo/a", "two/beta"]
"""
)


async def test_a_combo_made_at_run_time_serves_the_next_request(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hi")])
    async with a_house(tmp_path, upstream) as house:
        made = await house.parts.combos.put("mine", Change(targets=("two/beta",), tier="cheap"), new=True)
        done = await house.parts.turn.take(ask(house, combo="mine"))
    assert done.receipt.served_by == "two/beta"
    assert made == Combo(name="mine", targets=("two/beta",), tier="cheap", source="stored")


async def test_it_is_still_there_after_a_restart(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        change = Change(targets=("two/beta", "one/alpha"), strategy="round-robin", options={"sticky": 2})
        made = await house.parts.combos.put("mine", change, new=True)
    async with a_house(tmp_path, ids=CountedIds(1000)) as house:
        assert await house.parts.combos.named("mine") == made


async def test_another_process_on_the_same_database_sees_it_within_a_second(tmp_path: Path) -> None:
    clock = FakeClock()
    async with a_house(tmp_path, clock=clock) as here, a_house(tmp_path, clock=clock, ids=CountedIds(1000)) as there:
        await there.parts.combos.all()
        await here.parts.combos.put("mine", Change(targets=("two/beta",)), new=True)
        clock.advance(LOOK_SECONDS)
        assert (await there.parts.combos.named("mine")).targets == ("two/beta",)
        await there.parts.combos.put("mine", Change(strategy="random"))
        clock.advance(LOOK_SECONDS)
        assert (await here.parts.combos.named("mine")).strategy == "random"
        await here.parts.combos.remove("mine")
        clock.advance(LOOK_SECONDS)
        assert await there.parts.combos.get("mine") is None


async def test_a_server_takes_up_what_the_command_line_adds_beside_it(tmp_path: Path) -> None:
    clock = FakeClock()
    upstream = Upstream([openai_stream("Hi")])
    async with a_house(tmp_path, upstream, clock=clock) as house:
        assert await house.parts.combos.get("mine") is None
        words = ("combos", "add", "mine", "--target", "two/beta", "--json")
        added = await told(tmp_path, "--config", str(tmp_path / "config.toml"), *words)
        assert (added.code, added.json["combo"]["source"]) == (0, "stored")
        clock.advance(LOOK_SECONDS)
        done = await house.parts.turn.take(ask(house, combo="mine"))
    assert done.receipt.served_by == "two/beta"


async def test_a_change_overrides_the_file_and_can_be_taken_back(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        book = house.parts.combos
        before = await book.named("both")
        changed = await book.put("both", Change(strategy="random"))
        assert (changed.source, changed.overridden, changed.strategy) == ("settings", True, "random")
        assert changed.targets == before.targets
        assert await book.remove("both") == before
        with pytest.raises(InvalidRequest, match="nothing of it was changed"):
            await book.remove("both")


async def test_the_built_in_combo_keeps_following_the_connections_when_its_strategy_changes(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        book = house.parts.combos
        changed = await book.put("default", Change(strategy="headroom"))
        assert (changed.source, changed.overridden) == ("built-in", True)
        assert changed.targets == default_targets(await house.parts.connections.all())
        assert (await book.remove("default")) is not None
        assert (await book.default()).strategy == "priority"


async def test_a_new_strategy_keeps_the_options_it_knows(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        book = house.parts.combos
        options: Options = {"weights": {"one/alpha": 1.0}, "adapt": False}
        await book.put("both", Change(strategy="weighted", options=options))
        assert (await book.put("both", Change(strategy="priority"))).options == {"adapt": False}


async def test_a_name_is_taken_once(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(Conflict) as caught:
            await house.parts.combos.put("both", Change(targets=("one/alpha",)), new=True)
        assert "combos edit both" in caught.value.hint
        with pytest.raises(InvalidRequest, match="no name for a combo"):
            await house.parts.combos.put("a/b", Change(targets=("one/alpha",)), new=True)
        with pytest.raises(InvalidRequest, match="is no target"):
            await house.parts.combos.put("x", Change(targets=("one/alpha\ntwo/beta",)), new=True)


async def test_the_default_and_a_nested_combo_cannot_be_removed(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        book = house.parts.combos
        await book.put("inner", Change(targets=("one/alpha",)), new=True)
        await book.put("outer", Change(targets=("combo/inner",)), new=True)
        with pytest.raises(InvalidRequest, match="nested in `outer`"):
            await book.remove("inner")
        await book.switch("outer", active=True)
        with pytest.raises(InvalidRequest, match="default combo"):
            await book.remove("outer")
        with pytest.raises(InvalidRequest, match="default combo"):
            await book.put("outer", Change(enabled=False))
        await book.switch("default", active=True)
        assert await book.remove("outer") is None
        assert await book.remove("inner") is None
        with pytest.raises(NotFound):
            await book.remove("inner")


async def test_a_nested_combo_is_tried_as_a_block_in_its_place(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(500, "boom"), openai_stream("Hi")])
    async with a_house(tmp_path, upstream) as house:
        await house.parts.combos.put("inner", Change(targets=("two/beta",)), new=True)
        await house.parts.combos.put("outer", Change(targets=("combo/inner", "one/alpha", "two/beta")), new=True)
        done = await house.parts.turn.take(ask(house, combo="outer"))
    assert [attempt.target for attempt in done.receipt.tried] == ["two/beta", "one/alpha"]


async def test_a_loop_is_refused_when_it_is_saved_and_named(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        book = house.parts.combos
        await book.put("x", Change(targets=("one/alpha",)), new=True)
        await book.put("y", Change(targets=("combo/x", "two/beta")), new=True)
        with pytest.raises(InvalidRequest, match="`x` → `y` → `x`"):
            await book.put("x", Change(targets=("combo/y", "one/alpha")))
        with pytest.raises(InvalidRequest, match="`z` → `z`"):
            await book.put("z", Change(targets=("combo/z",)), new=True)
        with pytest.raises(NotFound) as caught:
            await book.put("z", Change(targets=("combo/yy",)), new=True)
        assert "`y`" in caught.value.hint
        assert (await book.named("x")).targets == ("one/alpha",)


async def test_two_processes_cannot_make_a_loop_together(tmp_path: Path) -> None:
    async with a_house(tmp_path) as here, a_house(tmp_path, ids=CountedIds(1000)) as there:
        await here.parts.combos.put("x", Change(targets=("one/alpha",)), new=True)
        await here.parts.combos.put("y", Change(targets=("two/beta",)), new=True)
        await there.parts.combos.all()
        await here.parts.combos.put("x", Change(targets=("combo/y",)))
        # What this one has read is older than that.
        with pytest.raises(CallError, match="loop"):
            await there.parts.combos.put("y", Change(targets=("combo/x",)))


async def test_a_loop_in_the_file_is_left_out_of_the_plan_with_the_reason(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(500, "boom"), openai_stream("Hi")])
    async with a_house(tmp_path, upstream, settings=NESTED) as house:
        planned, _, _ = await house.parts.engine.plan(ask(house, combo="a"))
        done = await house.parts.turn.take(ask(house, combo="b"))
        findings = await house.parts.examiner.examine(await house.parts.combos.named("a"))
    assert [choice.target for choice in planned.plan.choices] == ["one/alpha", "two/beta"]
    (excluded,) = planned.plan.excluded
    assert (excluded.target, excluded.reason) == ("combo/a", "combo_loop")
    assert "`a` → `b` → `a`" in excluded.detail
    assert done.receipt.served_by == "two/beta"
    assert "`a` → `b` → `a`" in findings.wrong[0]


async def test_a_disabled_nested_combo_is_left_out_with_the_reason(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        book = house.parts.combos
        await book.put("inner", Change(targets=("two/beta",)), new=True)
        await book.put("outer", Change(targets=("one/alpha", "combo/inner")), new=True)
        await book.switch("inner", active=False)
        planned, _, _ = await house.parts.engine.plan(ask(house, combo="outer"))
    assert [choice.target for choice in planned.plan.choices] == ["one/alpha"]
    assert [(each.target, each.reason) for each in planned.plan.excluded] == [("combo/inner", "combo_disabled")]


async def test_a_strategy_that_cannot_work_is_refused_with_the_findings(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        examiner = house.parts.examiner
        with pytest.raises(NotFound, match="No strategy is called") as unknown:
            await examiner.save("both", Change(strategy="roundrobin"))
        assert "`round-robin`" in unknown.value.hint
        with pytest.raises(InvalidRequest, match="needs the option `weights`") as caught:
            await examiner.save("both", Change(strategy="weighted"))
        assert caught.value.facts["findings"]
        with pytest.raises(InvalidRequest, match="Did you mean `one/alpha`"):
            await examiner.save("new", Change(targets=("one/alfa",)), new=True)
        with pytest.raises(InvalidRequest, match="needs at least one target"):
            await examiner.save("new", Change(strategy="random"), new=True)
        assert (await house.parts.combos.named("both")).overridden is False
        saved, findings = await examiner.save(
            "both", Change(strategy="weighted", options={"weights": {"one/alpha": 2}})
        )
    assert saved.options == {"weights": {"one/alpha": 2}}
    assert findings.remarks == ("Without a weight and so only tried after the others: `two/beta`.",)


async def test_a_provider_that_is_known_may_be_named_before_it_is_there(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        change = Change(targets=("ollama/llama3.2", "one/alpha"))
        _, findings = await house.parts.examiner.save("later", change, new=True)
    assert findings.wrong == ()
    assert findings.away == ("ollama/llama3.2: No connection here serves it now.",)


async def test_what_another_version_wrote_does_no_harm(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        await house.parts.combos.put("mine", Change(targets=("one/alpha",)), new=True)
        await house.parts.database.write(
            lambda c: c.execute("UPDATE combo SET strategy = 'telepathy' WHERE name = 'mine'")
        )
    async with a_house(tmp_path, ids=CountedIds(1000)) as house:
        assert (await house.parts.combos.named("mine")).strategy == "priority"
