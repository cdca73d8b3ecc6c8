"""Skills that answer from tools: the same figures as over MCP, told for people and agents."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from doors.a2a.skilled import TABLE, Heard, an_ask, answered, listen, routed
from fakes import FakeClock, Upstream, openai_error, openai_stream
from houses import OWNER, TWO_TARGETS, a_house
from omniroute_agent.app import House
from omniroute_agent.doors.a2a.skills.readings import MOST_PAGES
from omniroute_agent.doors.a2a.words import DOOR
from omniroute_agent.kernel.caller import Caller
from omniroute_agent.kernel.errors import InvalidRequest, NotAllowed
from omniroute_agent.kernel.scopes import PRESETS
from omniroute_agent.kernel.view import View
from omniroute_agent.tooling.tool import ToolContext

FREE = """
[[connections]]
id = "gift"
provider = "custom-openai"
base_url = "https://gift.example/v1"
key = "obviously-fake-gift"
models = ["gamma"]
default_model = "gamma"
tier = "free"

[[combos]]
name = "nothing-to-pay"
targets = ["gift/gamma"]

[[models]]
connection = "gift"
model = "gamma"
vision = true

[prices."gift/gamma"]
input = "0"
output = "0"
"""


def with_quota(left: int, limit: int = 50, *, at: str = "20s") -> httpx2.Response:
    answer = openai_stream("Hello", usage=(1000, 500))
    told = {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(left),
        "x-ratelimit-reset-requests": at,
    }
    return httpx2.Response(200, headers={**answer.headers, **told}, stream=answer.stream)


def caller(*scopes: str, view: View | None = None) -> Caller:
    made = Caller(id="key-1", scopes=frozenset(scopes), session="s1")
    return made if view is None else replace(made, view=view)


async def tool_says(house: House, name: str, whose: Caller = OWNER, **arguments: Any) -> Any:
    tool = TABLE.tool(name)

    async def progress(_done: float, _total: float | None, _words: str) -> None:
        pass

    ctx = ToolContext(caller=whose, parts=house.parts, door=DOOR, progress=progress, listens=True)
    return (await tool.run(tool.input.model_validate(arguments), ctx)).structured()


async def spend(house: House, *targets: str) -> None:
    for number, target in enumerate(targets):
        await routed(house, an_ask(options={"model": target, "cache": False}, task_id=f"spent-{number}"))


async def test_nothing_is_spent_and_no_model_is_asked(tmp_path: Path) -> None:
    upstream = Upstream()
    async with a_house(tmp_path, upstream) as house:
        for skill in list(TABLE)[1:]:
            heard = await listen(house, skill, an_ask("Tell me"), Heard())
            assert heard.text.strip(), skill.id
            assert heard.end.data, skill.id
            assert heard.end.receipt is None
            assert heard.envelope["cost_envelope"]["actual"] == "0"
            assert heard.envelope["policy_verdict"]["allowed"] is True
            assert heard.envelope["skill"] == {"id": skill.id, "because": "it was named"}
            assert "no model was asked" in heard.envelope["routing_explanation"]
    assert upstream.seen == []


async def test_quota_is_told_tightest_first_with_warnings_and_with_what_is_not_known(tmp_path: Path) -> None:
    upstream = Upstream([with_quota(45), with_quota(6)])
    async with a_house(tmp_path, upstream, settings=TWO_TARGETS + FREE) as house:
        await spend(house, "one/alpha", "two/beta")
        heard = await answered(house, "Show my quota")
        told = await tool_says(house, "check_quota")
    assert heard.text == (
        "2 quota windows, tightest first:\n"
        "- two/beta, requests: 12 % left (44 of 50 used), resets at 2026-11-21T12:00:20+00:00 "
        "(from header x-ratelimit-remaining-requests, 0 s ago)\n"
        "- one/alpha, requests: 90 % left (5 of 50 used), resets at 2026-11-21T12:00:20+00:00 "
        "(from header x-ratelimit-remaining-requests, 0 s ago)\n"
        "\n"
        "Warnings:\n"
        "- two/beta is low in requests: 12 % left (44 of 50 used), resets at 2026-11-21T12:00:20+00:00\n"
        "\n"
        "Not known:\n"
        "- gift: No answer of it told one within a day."
    )
    assert heard.end.data == {"check_quota": told}
    assert heard.envelope["skill"]["because"] == "the text asks for the quota that is left"


@pytest.mark.parametrize(
    "text", ["Which provider has the most quota left?", "quota ranking", "Rank the models by quota"]
)
async def test_a_ranking_begins_with_the_one_that_has_most_left(tmp_path: Path, text: str) -> None:
    async with a_house(tmp_path, Upstream([with_quota(45), with_quota(6)])) as house:
        await spend(house, "one/alpha", "two/beta")
        heard = await answered(house, text)
    first, ranking, *_ = heard.text.split("\n\n")
    assert first == "one/alpha has the most quota left: 90 % in its tightest window."
    assert [line.split(",")[0] for line in ranking.splitlines()] == ["1. one/alpha", "2. two/beta"]


async def test_without_a_known_quota_there_is_nothing_to_rank(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream()) as house:
        ranking = await answered(house, "Which provider has the most quota?")
        summary = await answered(house, "quota")
    assert ranking.text.startswith("No quota is known yet, so there is nothing to rank.\n\nNot known:\n- one: ")
    assert summary.text.startswith("No quota is known yet.\n\nNot known:\n- one: ")


async def test_what_is_used_up_is_a_warning(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([with_quota(0)])) as house:
        await spend(house, "one/alpha")
        heard = await answered(house, "quota")
    assert "- one/alpha is used up in requests: 0 % left (50 of 50 used)" in heard.text


async def test_one_account_can_be_asked_for(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([with_quota(45), with_quota(6)])) as house:
        await spend(house, "one/alpha", "two/beta")
        heard = await answered(house, "quota", options={"connection": "one"})
        with pytest.raises(InvalidRequest, match="`connection`"):
            await answered(house, "quota", options={"connection": "x" * 201})
    assert "one/alpha" in heard.text
    assert "two/beta" not in heard.text


async def test_more_windows_than_a_page_holds_are_all_counted(tmp_path: Path) -> None:
    models = [f"m{number}" for number in range(40)]
    listed = ", ".join(f'"{model}"' for model in models)
    settings = (
        TWO_TARGETS.replace('models = ["alpha"]', f"models = [{listed}]")
        .replace('default_model = "alpha"', 'default_model = "m0"')
        .replace("one/alpha", "one/m0")
    )
    replies = [with_quota(number + 1) for number in range(40)]
    async with a_house(tmp_path, Upstream(replies), settings=settings) as house:
        await spend(house, *(f"one/{model}" for model in models))
        summary = await answered(house, "quota")
        ranking = await answered(house, "quota ranking")
    assert summary.text.startswith("40 quota windows, tightest first:")
    assert "- and 25 more windows with more left" in summary.text
    assert ranking.text.startswith("one/m39 has the most quota left: 80 %")
    assert "and 25 more with less left" in ranking.text
    assert MOST_PAGES * 15 > 40


async def test_what_is_free_is_named_and_can_be_asked_for(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream(), settings=TWO_TARGETS + FREE) as house:
        heard = await answered(house, "Suggest a free combo for coding.")
        plain = await answered(house, "suggest some free models")
    assert "For coding, use the combo `nothing-to-pay`" in heard.text
    assert "1 model that costs nothing:\n- gift (custom-openai): gamma" in heard.text
    assert "Combos that cost nothing: `nothing-to-pay` (priority, 1 target)." in heard.text
    assert heard.text.endswith("Name one as `combo` or `model` in the metadata of your next message.")
    assert isinstance(heard.end.data, dict)
    assert set(heard.end.data) == {"best_combo_for_task", "list_models_catalog", "list_combos"}
    assert "For coding" not in plain.text


async def test_where_nothing_is_free_it_says_so_and_names_the_best(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream()) as house:
        heard = await answered(house, "suggest a free coding combo")
    assert heard.text.startswith("No combo for coding is free. The best is `both`: ")
    assert "No model that can be used now is known to be free." in heard.text


async def test_a_key_that_may_see_only_quota_is_told_what_it_lacks(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream(), settings=TWO_TARGETS + FREE) as house:
        heard = await answered(house, "Which combos are free?", caller=caller("read:quota"))
        hidden = caller(
            "read:*", view=View(exclude=frozenset(("omniroute_list_combos", "omniroute_list_models_catalog")))
        )
        narrowed = await answered(house, "Which combos are free?", caller=hidden)
    assert heard.text == "Which combos and models are free is told to keys with the scopes read:combos and read:models."
    assert narrowed.text == heard.text


async def test_costs_are_those_of_the_ledger(tmp_path: Path) -> None:
    upstream = Upstream([openai_stream("Hello", usage=(1000, 500))])
    async with a_house(tmp_path, upstream) as house:
        await spend(house, "one/alpha", "one/alpha", "two/beta")
        heard = await answered(house, "How much did I spend today by provider?")
        by_model = await answered(house, "cost report")
        told = await tool_says(house, "cost_report", period="day", group_by="provider")
    assert heard.text == (
        "You spent 0.024 USD today (since 2026-11-21T00:00:00+00:00): 3 requests, 3000 input and 1500 output tokens.\n"
        "\n"
        "By provider:\n"
        "- custom-openai: 0.024 USD, 3 requests\n"
        "\n"
        "Budgets:\n"
        "- environment: 5 of 5 USD left until 2026-11-22T00:00:00+00:00"
    )
    assert heard.end.data == {"cost_report": told}
    assert "By model:\n- beta: 0.02 USD, 1 request\n- alpha: 0.004 USD, 2 requests" in by_model.text


@pytest.mark.parametrize(
    ("text", "said", "cost"),
    [
        ("How much did I spend yesterday?", "yesterday (since 2026-11-21T00:00:00+00:00)", "0.002"),
        ("How much did I spend today?", "today (since 2026-11-22T00:00:00+00:00)", "0.02"),
        ("cost of this week", "this week (since 2026-11-16T00:00:00+00:00)", "0.022"),
        ("cost this month", "this month (since 2026-11-01T00:00:00+00:00)", "0.022"),
        ("cost of the last 6 hours", "in the last 6 hours (since 2026-11-22T06:00:00+00:00)", "0.02"),
        ("what did we spend in the past week?", "in the last week (since 2026-11-15T12:00:00+00:00)", "0.022"),
        ("How much did this session cost?", "in this session (since ", "0.022"),
    ],
)
async def test_the_time_that_is_meant_is_read_from_the_text(tmp_path: Path, text: str, said: str, cost: str) -> None:
    clock = FakeClock()
    async with a_house(tmp_path, Upstream([openai_stream("Hi", usage=(1000, 500))]), clock=clock) as house:
        await spend(house, "one/alpha")
        clock.advance(86_400)
        await routed(house, an_ask(options={"model": "two/beta"}, task_id="later"))
        heard = await answered(house, text)
    assert heard.text.startswith(f"You spent {cost} USD {said}"), heard.text


async def test_another_session_is_not_this_one(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Hi", usage=(1000, 500))])) as house:
        await spend(house, "one/alpha")
        heard = await answered(house, "How much did this session cost?", caller=replace(OWNER, session="other"))
    assert heard.text.startswith("You spent 0 USD in this session")


async def test_options_say_the_time_and_the_groups_too(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_stream("Hi", usage=(1000, 500))])) as house:
        await spend(house, "one/alpha")
        heard = await answered(house, "costs", options={"period": "month", "group_by": "connection"})
        with pytest.raises(InvalidRequest, match="`period`"):
            await answered(house, "costs", options={"period": "century"})
    assert heard.text.startswith("You spent 0.002 USD in the time asked for (since 2026-11-01T00:00:00+00:00)")
    assert "By connection:\n- one: 0.002 USD" in heard.text


async def test_what_is_estimated_or_has_no_price_is_said(tmp_path: Path) -> None:
    unpriced = TWO_TARGETS.split('[prices."two/beta"]', maxsplit=1)[0]
    upstream = Upstream([openai_stream("Hello", usage=None), openai_stream("Hi")])
    async with a_house(tmp_path, upstream, settings=unpriced) as house:
        await spend(house, "one/alpha", "two/beta")
        heard = await answered(house, "costs")
    assert "100 % of it is estimated, as the providers reported no token counts." in heard.text
    assert "Not in it: 1 attempt at a price nobody knows." in heard.text


async def test_a_health_report_names_troubles_first_and_says_what_to_do(tmp_path: Path) -> None:
    upstream = Upstream([openai_error(401, "bad key"), with_quota(6)])
    async with a_house(tmp_path, upstream) as house:
        await routed(house, an_ask(options={"combo": "both"}))
        house_says = await tool_says(house, "get_health", detail="detailed")
        heard = await answered(house, "Health report, please.")
    head, connections, budgets, rest = heard.text.split("\n\n")
    assert (
        head == "Some connections are in trouble, the others serve: 1 of 2 connections ready. Version 0.1.0, up 0 min."
    )
    first, second = connections.splitlines()
    assert first == f"- one (custom-openai): locked. {house_says['connections'][0]['note']}"
    assert "401: bad key" in first
    assert second == "- two (custom-openai): ready, 12 % of its rate limit left"
    assert budgets == "Budgets:\n- environment: 5 of 5 USD left (within)"
    assert rest == "The database takes writes. The cache keeps 0 answers; 0 were given again."


async def test_models_are_told_by_connection_with_the_cheapest(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream(), settings=TWO_TARGETS + FREE) as house:
        heard = await answered(house, "Which models do you have?")
        unseen = await answered(house, "Which models do you have?", caller=caller("read:models"))
    assert heard.text == (
        "3 models at 3 connections:\n"
        "\n"
        "- gift (custom-openai): 1 model, 1 free, ready: gamma\n"
        "- one (custom-openai): 1 model, ready: alpha\n"
        "- two (custom-openai): 1 model, ready: beta\n"
        "\n"
        "The cheapest that are not free, for a million tokens:\n"
        "- one/alpha: 1 USD in, 2 USD out\n"
        "- two/beta: 10 USD in, 20 USD out\n"
        "\n"
        "Name one as `model` in the metadata of a message, like `one/alpha`."
    )
    assert ", ready" not in unseen.text


@pytest.mark.parametrize("text", ["List the free models.", "Which models can see images?", "Which models are free?"])
async def test_only_the_models_that_were_asked_for_are_told(tmp_path: Path, text: str) -> None:
    async with a_house(tmp_path, Upstream(), settings=TWO_TARGETS + FREE) as house:
        heard = await answered(house, text)
    assert "- gift (custom-openai): 1 model, 1 free, ready: gamma" in heard.text
    assert "alpha" not in heard.text


async def test_where_no_model_fits_it_says_so(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream()) as house:
        heard = await answered(house, "Which models can see images?")
        named = await answered(house, "models", options={"provider": "one", "search": "omega"})
    assert heard.text == "No model known to have vision can be used here."
    assert named.text == "No model of one called like `omega` can be used here."


async def test_without_any_model_the_connections_are_told_with_what_they_lack(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream(), settings="") as house:
        models = await answered(house, "models")
        health = await answered(house, "health")
        free = await answered(house, "Suggest a free model")
        coding = await answered(house, "Suggest a free coding model")
    assert models.text.startswith("No model can be used here.")
    assert health.text.startswith("Nothing can be routed now: ")
    assert free.text.startswith("No model that can be used now is known to be free.")
    assert coding.text.startswith("No combo can serve a coding request now.")


async def test_a_model_of_a_locked_connection_is_told_with_its_state(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream([openai_error(401, "bad key"), openai_stream("Hi")])) as house:
        await routed(house, an_ask(options={"combo": "both"}))
        heard = await answered(house, "models")
    assert "- one (custom-openai): 1 model, locked: alpha" in heard.text


async def test_capabilities_say_what_a_key_lacks_for_each_skill(tmp_path: Path) -> None:
    async with a_house(tmp_path, Upstream()) as house:
        whole = await answered(house, "What can you do?")
        narrow = await answered(
            house, "What can you do?", caller=Caller(id="k", scopes=PRESETS["monitor"], session="s")
        )
    assert "lacks" not in whole.text
    for skill in TABLE:
        assert f"- {skill.id}: {skill.description}" in whole.text
    assert isinstance(narrow.end.data, dict)
    skills: Any = narrow.end.data["skills"]
    assert {each["id"]: each["missing_scopes"] for each in skills} == {
        "smart-routing": ["execute:completions"],
        "quota-management": [],
        "provider-discovery": ["read:models"],
        "cost-analysis": [],
        "health-report": [],
        "list-capabilities": [],
    }
    assert "Your key lacks execute:completions for it." in narrow.text


@pytest.mark.parametrize(
    ("text", "scope"),
    [("quota", "read:quota"), ("models", "read:models"), ("costs", "read:usage"), ("health", "read:health")],
)
async def test_without_the_tools_scope_a_skill_tells_nothing(tmp_path: Path, text: str, scope: str) -> None:
    async with a_house(tmp_path, Upstream()) as house:
        with pytest.raises(NotAllowed) as refused:
            await answered(house, text, caller=caller("execute:completions"))
    assert refused.value.facts["missing"] == [scope]
