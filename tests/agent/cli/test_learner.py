"""Saying how good an answer was, and asking what the learner made of it."""

import asyncio
from pathlib import Path

from agent.cli.conftest import Run, RunBeside
from loopback import loopback
from omniroute_agent.engine.learner import FEW
from omniroute_agent.kernel.outcome import Arm, Judged
from omniroute_agent.store.database import Database
from omniroute_agent.store.outcomes import Outcomes
from programs import lonely_environment

LEARNING = "\n[routing]\nlearner = true\n"


async def test_feedback_changes_the_reward_of_the_answer_and_the_learner_shows_it(run_beside: RunBeside) -> None:
    async with loopback() as upstream:
        settings = upstream.settings() + LEARNING
        request = (await run_beside("ask", "--json", "hi", settings=settings)).json["request_id"]
        said = (await run_beside("feedback", request, "0.25", "--json", settings=settings)).json
        shown = await run_beside("feedback", request, "good", settings=settings)
        learned = await run_beside("learner", settings=settings)
        arms = (await run_beside("learner", "--json", settings=settings)).json["arms"]
    assert (said["target"], said["measured"], said["feedback"]) == ("fake/fake-model", 1.0, 0.25)
    assert said["reward"] < said["reward_before"]
    assert "fake/fake-model, other: measured 1 (answered), you say 1." in shown.out
    assert "What it remembers of other" in learned.out
    assert "1 of 20 outcomes: until then the strategy decides alone." in learned.out
    assert arms == [
        {"task": "other", "target": "fake/fake-model", "outcomes": 1.0, "mean_reward": arms[0]["mean_reward"]}
    ]


async def test_feedback_on_what_nobody_kept_says_why(run_beside: RunBeside) -> None:
    async with loopback() as upstream:
        off = upstream.settings()
        request = (await run_beside("ask", "--json", "hi", settings=off)).json["request_id"]
        while_off = await run_beside("feedback", request, "good", settings=off)
        too_late = await run_beside("feedback", request, "good", settings=off + LEARNING)
        unknown = await run_beside("feedback", "nobody", "good", settings=off + LEARNING)
    assert while_off.code == too_late.code == unknown.code == 3
    assert "`learner = true` under [routing]" in while_off.err
    assert "from the moment on at which the learner was switched on" in too_late.err
    assert "No request is called `nobody`." in unknown.err


def test_a_verdict_that_is_none_is_refused(run: Run) -> None:
    for verdict in ("great", "1.5", "nan", "inf"):
        shown = run("feedback", "r", verdict)
        assert shown.code == 2
        assert "Say good, bad, or a number from 0 to 1." in shown.err


def test_the_learner_says_when_it_is_off_and_knows_nothing(run: Run) -> None:
    shown = run("learner")
    assert shown.code == 0
    assert "The learner is off" in shown.out
    assert "No outcome is known yet." in shown.out
    assert run("learner", "--json").json["tasks"] == []


def test_the_learner_is_held_against_the_best_and_the_cheapest_target(run: Run, tmp_path: Path) -> None:
    async def fill() -> None:
        database = await Database.open(Path(lonely_environment(tmp_path)["OMNIROUTE_DATA_DIR"]))
        now = 4e9  # far ahead: within any span
        for number in range(4 * FEW):
            good = number % 4 == 0
            await Outcomes(database).add(
                [
                    Judged(
                        request_id=f"r{number}",
                        caller="owner",
                        target="dear/m" if good else "cheap/m",
                        task="coding",
                        at=now,
                        first=True,
                        propensity=0.25 if good else 0.75,
                        answered=True,
                        quality=1.0 if good else 0.5,
                        signs="answered",
                        cost=8_000 if good else 1_000,
                        dearest=8_000,
                    )
                ],
                lambda arm, _: Arm(arm.good + 1, arm.bad, now),
            )
        await database.close()

    asyncio.run(fill())
    (task,) = run("learner", "--json").json["tasks"]
    assert (task["task"], task["requests"]) == ("coding", 4 * FEW)
    assert (task["best_single"]["target"], task["best_single"]["reward"]) == ("dear/m", 0.75)
    assert (task["cheapest_single"]["target"], task["cheapest_single"]["cost"]) == ("cheap/m", "0.000001")
    assert task["learner"]["reward"] == round(0.25 * 0.75 + 0.75 * (0.5 - 0.25 / 8), 4)
    shown = run("learner").out
    assert "always the best" in shown
    assert "dear/m   0.750        0.750–0.750  0.000008" in shown
