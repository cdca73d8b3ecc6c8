"""A plan: eligibility first, then the strategy, with a reason for every place and every exclusion."""

from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.engine.combos import Combo
from omniroute_agent.engine.decision import Plan
from omniroute_agent.engine.eligibility import DEFAULT_OUTPUT_CAP, LAST_RESORT_OUTPUT_CAP
from omniroute_agent.engine.needs import Needs
from omniroute_agent.engine.plan import make_plan
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.kernel.health import ConnectionHealth, ModelLock
from targets import FlatPrice, candidate, needs, request, room, situation

COMBO = Combo(name="c", targets=("a/m", "b/m"))
CHEAPEST = COMBO.model_copy(update={"strategy": "cost-optimized"})


def plan(
    *candidates: Candidate,
    combo: Combo | None = COMBO,
    asked: Request | None = None,
    need: Needs | None = None,
    moment: Situation | None = None,
) -> Plan:
    return make_plan(
        asked or request(),
        need or needs(),
        asked="combo/c",
        combo=combo,
        candidates=candidates,
        unknown_targets=(),
        situation=moment or situation(),
    ).plan


def order(made: Plan) -> list[str]:
    return [choice.target for choice in made.choices]


def reasons(made: Plan) -> dict[str, str]:
    return {exclusion.target: exclusion.reason for exclusion in made.excluded}


def test_priority_keeps_the_owners_order() -> None:
    made = plan(candidate("b", price=FlatPrice(9, 9)), candidate("a"))
    assert order(made) == ["b/m", "a/m"]
    assert made.choices[0].because == "place 1 in the order given"


def test_cost_optimized_orders_by_the_cost_of_this_very_call() -> None:
    # a is cheap to read and dear to write, b the other way round: the length of the prompt decides.
    a, b = candidate("a", price=FlatPrice(1, 100)), candidate("b", price=FlatPrice(50, 1))
    short, long = needs(input_tokens=10), needs(input_tokens=10_000)
    assert order(plan(a, b, combo=CHEAPEST, need=short)) == ["b/m", "a/m"]
    assert order(plan(a, b, combo=CHEAPEST, need=long)) == ["a/m", "b/m"]


def test_cost_optimized_keeps_the_owners_order_among_equals_and_puts_unknown_prices_last() -> None:
    made = plan(candidate("x", price=None), candidate("b"), candidate("a"), combo=CHEAPEST)
    assert order(made) == ["b/m", "a/m", "x/m"]
    assert made.choices[2].expected_cost is None
    assert made.worst_cost is None


def test_the_tiny_local_model_is_last_and_never_wins_on_price() -> None:
    made = plan(
        candidate("local", price=FlatPrice(), last_resort=True), candidate("a", price=FlatPrice(9, 9)), combo=CHEAPEST
    )
    assert order(made) == ["a/m", "local/m"]
    assert made.choices[1].because == "the small local model is the last resort"


def test_the_tiny_local_model_does_not_ramble() -> None:
    made = plan(candidate("local", price=FlatPrice(), last_resort=True))
    assert made.choices[0].max_tokens == LAST_RESORT_OUTPUT_CAP


def test_a_target_that_cannot_see_is_left_out_before_any_strategy() -> None:
    made = plan(candidate("a", vision=False), candidate("b"), need=needs(vision=True))
    assert order(made) == ["b/m"]
    assert reasons(made) == {"a/m": "no_vision"}


def test_tools_schema_context_and_output_are_looked_at_too() -> None:
    assert reasons(plan(candidate(tools=False), need=needs(tools=True))) == {"a/m": "no_tools"}
    assert reasons(plan(candidate(json_schema=False), need=needs(json_schema=True))) == {"a/m": "no_json_schema"}
    assert reasons(plan(candidate(context_tokens=500))) == {"a/m": "context_too_small"}
    assert reasons(plan(candidate(max_output_tokens=50), need=needs(max_tokens=51))) == {"a/m": "output_too_long"}


def test_a_capability_nobody_knows_is_tried_and_said() -> None:
    made = plan(candidate(vision=None, context_tokens=None), need=needs(vision=True))
    assert made.choices[0].unknown == ("vision", "context_tokens")


def test_sick_targets_are_left_out_with_the_time_they_may_come_back() -> None:
    now = situation().now
    open_breaker = ConnectionHealth(connection="a", breaker="open", failures=5, open_until=now + 60)
    lock = ModelLock(connection="b", model="m", reason="rate_limited", until=now + 5)
    made = plan(candidate("a"), candidate("b"), candidate("c"), moment=situation(open_breaker, locks=(lock,)))
    assert order(made) == ["c/m"]
    assert reasons(made) == {"a/m": "breaker_open", "b/m": "rate_limited"}
    assert made.excluded[0].until == "2026-11-21 12:01:00 UTC"


def test_a_target_that_is_just_being_tried_out_stands_behind_the_others() -> None:
    now = situation().now
    out = ConnectionHealth(connection="a", breaker="half_open", failures=5, probe_until=now + 60)
    made = plan(candidate("a"), candidate("b"), moment=situation(out))
    assert [choice.target for choice in made.choices] == ["b/m", "a/m"]
    assert "one call is out to see" in made.choices[1].because
    assert made.excluded == ()


def test_an_unavailable_connection_says_what_to_do() -> None:
    made = plan(candidate(unavailable="Run `omniroute-agent models pull smollm2-135m`."))
    assert made.excluded[0].detail == "Run `omniroute-agent models pull smollm2-135m`."


def test_an_unknown_price_is_refused_under_a_guard_and_allowed_without_one() -> None:
    moment = situation(rooms=(room(limit=5_000_000_000),))
    assert reasons(plan(candidate(price=None, guard="environment"), moment=moment)) == {"a/m": "price_unknown"}
    assert reasons(plan(candidate(price=None), asked=request(budget=1_000))) == {"a/m": "price_unknown"}
    assert order(plan(candidate(price=None), moment=moment)) == ["a/m"]


def test_without_max_tokens_the_cap_is_what_the_budget_allows() -> None:
    # 2,000 bytes of input at 1 nano-dollar, output at 2: 3,000 buys 500 output tokens at worst.
    made = plan(candidate(), asked=request(budget=3_000))
    assert made.choices[0].max_tokens == 500
    assert made.choices[0].worst_cost == 3_000
    assert "No max_tokens was given; each choice says the cap it will send." in made.notes


def test_a_request_that_could_cost_more_than_its_budget_is_not_sent() -> None:
    made = plan(candidate(), asked=request(budget=3_000, max_tokens=501), need=needs(max_tokens=501))
    assert reasons(made) == {"a/m": "over_budget"}
    assert reasons(plan(candidate(), asked=request(budget=2_010))) == {"a/m": "over_budget"}


def test_the_tightest_guard_decides() -> None:
    moment = situation(rooms=(room(limit=2_600, spent=100, reserved=100),))
    made = plan(candidate(guard="environment"), asked=request(budget=1_000_000), moment=moment)
    assert made.choices[0].max_tokens == 200


def test_an_output_cap_is_sent_only_where_it_is_needed() -> None:
    assert plan(candidate()).choices[0].max_tokens is None
    assert plan(candidate(dialect="anthropic-messages")).choices[0].max_tokens == 4_000
    unknown = candidate(dialect="anthropic-messages", max_output_tokens=None)
    assert plan(unknown).choices[0].max_tokens == DEFAULT_OUTPUT_CAP


def test_a_disabled_combo_serves_nothing_and_says_so() -> None:
    made = plan(candidate(), combo=COMBO.model_copy(update={"enabled": False}))
    assert reasons(made) == {"a/m": "combo_disabled"}


def test_expected_costs_say_what_they_rest_on() -> None:
    measured = plan(candidate())
    assert measured.choices[0].expected_cost == 1_000 * 1 + 100 * 2
    assert "the mean of recent answers" in measured.notes[0]
    assumed = plan(candidate(), moment=situation(typical_output=None))
    assert "no history" in assumed.notes[0]


@given(
    budget=st.integers(0, 10_000_000),
    input_price=st.integers(0, 1_000),
    output_price=st.integers(0, 5_000),
    tokens=st.integers(1, 50_000),
    max_tokens=st.none() | st.integers(1, 20_000),
)
def test_no_choice_may_ever_cost_more_than_the_budget(
    budget: int, input_price: int, output_price: int, tokens: int, max_tokens: int | None
) -> None:
    made = plan(
        candidate(price=FlatPrice(input_price, output_price), max_output_tokens=None),
        asked=request(budget=budget, max_tokens=max_tokens),
        need=needs(input_tokens=tokens, max_tokens=max_tokens),
    )
    for choice in made.choices:
        assert choice.worst_cost is not None
        assert choice.worst_cost <= budget
        assert max_tokens is None or choice.max_tokens == max_tokens
