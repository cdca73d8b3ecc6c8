"""What outcomes are worth, what the learner makes of them in a real house, and whether it is worth having."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import START, FakeClock, Upstream, openai_error, openai_stream
from houses import TWO_TARGETS, a_house, ask
from omniroute_agent.app import House
from omniroute_agent.engine.bandit import ENOUGH, FACTOR, chances, drawn, learned, with_floor
from omniroute_agent.engine.conformance import conforms
from omniroute_agent.engine.learner import COST_WEIGHT, FEW, quality, report, reward, say
from omniroute_agent.kernel.chat import Chat, ChatAnswer, FinishReason, Part, ResponseFormat, Text, ToolCall
from omniroute_agent.kernel.errors import UpstreamFailed
from omniroute_agent.kernel.outcome import Arm, Judged
from omniroute_agent.store.retention import Retention, sweep

LEARNING = TWO_TARGETS.replace("[[combos]]", "[[combos]]\nstrategy = 'auto'") + "\n[routing]\nlearner = true\n"


def judged(target: str = "one/alpha", **fields: object) -> Judged:
    known: dict[str, object] = {
        "request_id": "r",
        "caller": "owner",
        "target": target,
        "task": "other",
        "at": START.timestamp(),
        "first": True,
        "propensity": 0.5,
        "answered": True,
        "quality": 1.0,
        "signs": "answered",
    }
    return Judged(**(known | fields))  # type: ignore[arg-type]


def answer(*parts: Part, finish: FinishReason = "stop") -> ChatAnswer:
    return ChatAnswer(parts=parts, finish=finish)


SHAPE = ResponseFormat(schema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})


@pytest.mark.parametrize(
    ("given", "wanted", "worth", "signs"),
    [
        (answer(Text("Hi")), None, 1.0, "answered"),
        (answer(Text("Hi"), finish="length"), None, 0.5, "cut off by its length limit"),
        (answer(Text("No."), finish="refusal"), None, 0.0, "refused"),
        (answer(Text(""), finish="content_filter"), None, 0.0, "refused"),
        (answer(Text('{"n": 1}')), SHAPE, 1.0, "answered"),
        (answer(Text('{"n": "one"}')), SHAPE, 0.2, "not the JSON that was asked for"),
        (answer(Text("one")), ResponseFormat(), 0.2, "not the JSON that was asked for"),
        (answer(ToolCall("1", "f", '{"a": 1}'), finish="tool_calls"), SHAPE, 1.0, "answered"),
        (answer(ToolCall("1", "f", '{"a": '), finish="tool_calls"), None, 0.2, "arguments of a tool call do not parse"),
    ],
)
def test_an_answer_is_worth_what_can_be_seen_of_it(
    given: ChatAnswer, wanted: ResponseFormat | None, worth: float, signs: str
) -> None:
    assert quality(Chat(model="", messages=(), response_format=wanted), given) == (worth, signs)


@given(
    st.floats(0, 1), st.none() | st.floats(0, 1), st.none() | st.integers(0, 10**12), st.none() | st.integers(0, 10**9)
)
def test_a_reward_lies_between_nothing_and_one_and_a_person_has_the_last_word(
    measured: float, said: float | None, cost: int | None, dearest: int | None
) -> None:
    found = reward(judged(quality=measured, feedback=said, cost=cost, dearest=dearest))
    wanted = measured if said is None else said
    assert max(wanted - COST_WEIGHT, 0) <= found <= wanted


def test_of_two_equal_answers_the_cheaper_is_worth_more() -> None:
    cheap, dear = judged(cost=100, dearest=1000), judged(cost=1000, dearest=1000)
    assert (reward(cheap), reward(dear)) == (1 - COST_WEIGHT / 10, 1 - COST_WEIGHT)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values)
def test_any_answer_can_be_held_against_any_schema(value: object, schema: object) -> None:
    found = conforms(json.dumps(value), {"properties": {"a": schema}, "items": schema, "anyOf": [schema]})  # type: ignore[dict-item, list-item]
    assert isinstance(found, bool)
    assert not conforms("[" * 100_000, {})


@pytest.mark.parametrize(
    ("text", "schema", "fits"),
    [
        ("[1, 2]", {"type": "array", "items": {"type": "integer"}}, True),
        ('[1, "2"]', {"type": "array", "items": {"type": "integer"}}, False),
        ('{"a": 1, "b": 2}', {"properties": {"a": {}}, "additionalProperties": False}, False),
        ('"x"', {"enum": ["x", "y"]}, True),
        ('"z"', {"enum": ["x", "y"]}, False),
        ("null", {"type": ["string", "null"]}, True),
        ("true", {"type": "integer"}, False),
        ("1.0", {"type": "integer"}, True),
        ("2", {"anyOf": [{"type": "string"}, {"const": 2}]}, True),
    ],
)
def test_the_shape_of_json_is_checked(text: str, schema: dict[str, object], fits: bool) -> None:
    assert conforms(text, schema) is fits  # type: ignore[arg-type]


def told(cut: Sequence[str] = (), down: Sequence[str] = ()) -> Upstream:
    """Providers of which some cut their answers off and some are down, by host."""

    def reply(request: httpx2.Request) -> httpx2.Response:
        if request.url.host in down:
            return openai_error(400, "This model does not support that.")
        return openai_stream("Hi", finish="length" if request.url.host in cut else "stop")

    return Upstream([reply])


async def served(house: House, requests: int) -> list[str | None]:
    return [(await house.parts.turn.take(ask(house))).receipt.served_by for _ in range(requests)]


async def test_without_its_switch_nothing_is_learned(tmp_path: Path) -> None:
    settings = LEARNING.replace("learner = true", "")
    async with a_house(tmp_path, told(), settings=settings) as house:
        await served(house, 3)
        assert await house.parts.outcomes.tasks() == {}
        planned, _, situation = await house.parts.engine.plan(ask(house))
    assert situation.learned is None
    assert not any("learner" in note for note in planned.plan.notes)


async def test_it_learns_which_target_answers_well_and_the_stored_decision_shows_it(tmp_path: Path) -> None:
    # The cheap one cuts its answers off, which the strategy does not see.
    async with a_house(tmp_path, told(cut=["one.example"]), settings=LEARNING) as house:
        first = await served(house, 1)
        planned, _, _ = await house.parts.engine.plan(ask(house))
        assert planned.plan.notes[-1].startswith("The learner knows 1 of the 20 outcomes")
        names = first + await served(house, 140)
        foreseen, _, _ = await house.parts.engine.plan(ask(house))
        request = ask(house)
        done = await house.parts.turn.take(request)
        document = await house.parts.decisions.get(request.id, "owner")
        rows = await house.parts.outcomes.drawn(since=0)
        arms = (await house.parts.outcomes.tasks())["other"]
    assert names[: int(ENOUGH)].count("one/alpha") > 15
    assert names[-60:].count("two/beta") > 40
    assert document is not None
    choice = json.loads(document)["plan"]["choices"][0]
    factor = next(f for f in choice["factors"] if f["name"] == FACTOR)
    assert choice["because"].startswith(f"the learner drew it with a chance of {factor['weight']:.0%}: mean reward")
    assert done.receipt.because == choice["because"] == foreseen.plan.choices[0].because
    assert rows[0].propensity == factor["weight"]
    assert {row.signs for row in rows} == {"answered", "cut off by its length limit"}
    assert arms["two/beta"].mean > arms["one/alpha"].mean


async def test_a_target_that_fails_is_worth_nothing_and_its_stand_in_what_it_answered(tmp_path: Path) -> None:
    async with a_house(tmp_path, told(down=["one.example"]), settings=LEARNING) as house:
        await served(house, 1)
        arms = (await house.parts.outcomes.tasks())["other"]
        assert (arms["one/alpha"].good, arms["one/alpha"].bad) == (0, 1)
        assert arms["two/beta"].good > 0.7
    async with a_house(tmp_path / "2", told(down=["one.example", "two.example"]), settings=LEARNING) as house:
        with pytest.raises(UpstreamFailed):
            await served(house, 1)
        assert {target for target, arm in (await house.parts.outcomes.tasks())["other"].items() if arm.bad == 1} == {
            "one/alpha",
            "two/beta",
        }


async def test_feedback_takes_the_place_of_what_was_measured(tmp_path: Path) -> None:
    async with a_house(tmp_path, told(), settings=LEARNING) as house:
        request = ask(house)
        target = (await house.parts.turn.take(request)).receipt.served_by
        outcomes = house.parts.outcomes
        said = await say(outcomes, request.id, 0.0)
        assert said is not None
        assert (said[1].target, said[1].feedback, said[1].quality) == (target, 0.0, 1.0)
        assert target is not None
        assert (await outcomes.tasks())["other"][target].good == pytest.approx(0.0)
        await say(outcomes, request.id, 1.0)
        assert (await outcomes.tasks())["other"][target].good == pytest.approx(reward(said[0]))
        assert await say(outcomes, "nobody", 1.0) is None


async def test_outcomes_go_with_the_decisions_and_what_was_learned_of_forgotten_targets_after_two_months(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with a_house(tmp_path, told(), settings=LEARNING, clock=clock) as house:
        request = ask(house)
        await house.parts.turn.take(request)
        keep = Retention(decisions_days=30, ledger_days=400)
        later = clock.now().timestamp() + 31 * 86_400
        await sweep(house.parts.database, now=later, keep=keep)
        assert await say(house.parts.outcomes, request.id, 1.0) is None
        assert await house.parts.outcomes.tasks() != {}
        await sweep(house.parts.database, now=later + 32 * 86_400, keep=keep)
        assert await house.parts.outcomes.tasks() == {}


def history(means: dict[str, float], costs: dict[str, int], rounds: int, seed: int = 1) -> list[Judged]:
    """What a learner over these targets would have drawn and seen."""
    dice = random.Random(seed)  # noqa: S311 (loaded on purpose)
    arms = {name: Arm(at=START.timestamp()) for name in means}
    rows: list[Judged] = []
    for round_ in range(rounds):
        odds = with_floor(chances(list(arms.values())))
        name = list(arms)[drawn(odds, dice.random())]
        one = judged(
            name,
            request_id=f"r{round_}",
            propensity=odds[list(arms).index(name)],
            quality=float(dice.random() < means[name]),
            cost=costs[name],
            dearest=max(costs.values()),
        )
        arms[name] = learned(arms[name], reward(one), START.timestamp())
        rows.append(one)
    return rows


def test_the_report_estimates_what_single_targets_would_have_given() -> None:
    means, costs = {"good/m": 0.9, "cheap/m": 0.6, "bad/m": 0.3}, {"good/m": 800, "cheap/m": 100, "bad/m": 1000}
    inside = 0
    for seed in range(8):
        (found,) = report(history(means, costs, 600, seed))
        assert found.learner is not None
        assert found.requests == found.learner.requests == 600
        assert found.best is not None
        assert found.best.target == "good/m"
        truth = 0.9 * (1 - COST_WEIGHT * 0.8)  # nothing is taken from a reward of 0
        inside += found.best.low <= truth <= found.best.high
        assert found.best.cost == pytest.approx(800)
        if found.cheapest is not None and found.cheapest.target == "cheap/m":
            assert found.cheapest.reward == pytest.approx(0.6 * (1 - COST_WEIGHT * 0.1), abs=0.25)
        # Nearly as good as if the best had been known from the start.
        assert found.best.reward - found.learner.reward < 0.1
    assert inside >= 7


def test_too_few_outcomes_are_unknown_and_never_a_number() -> None:
    (found,) = report([judged(request_id=f"r{i}") for i in range(FEW - 1)])
    assert (found.requests, found.learner, found.best, found.cheapest, found.targets) == (FEW - 1, None, None, None, ())
    assert report([]) == ()
    (unpriced,) = report([judged(request_id=f"r{i}") for i in range(FEW)])
    assert unpriced.best is not None
    assert (unpriced.best.cost, unpriced.cheapest) == (None, None)
