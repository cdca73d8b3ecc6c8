"""What can serve a request is found out for hundreds of targets at once, and comes out as if each were asked alone."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fakes import START
from omniroute_agent.engine.breaker import PROBE_IN_FLIGHT
from omniroute_agent.engine.decision import Exclusion
from omniroute_agent.engine.eligibility import (
    ASSUMED_OUTPUT,
    DEFAULT_OUTPUT_CAP,
    LAST_RESORT_OUTPUT_CAP,
    MIN_OUTPUT,
    rooms_of,
    weigh,
)
from omniroute_agent.engine.extras import Surcharged
from omniroute_agent.engine.guards import CONSENT_GUARD
from omniroute_agent.engine.needs import Needs, unconfirmed, unmet
from omniroute_agent.engine.request import Request
from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.engine.strategies import Option
from omniroute_agent.kernel.chat import Usage
from omniroute_agent.kernel.health import BreakerState, ConnectionHealth, ModelLock
from omniroute_agent.providers.discovery import ENVIRONMENT_GUARD
from omniroute_agent.providers.prices import Free, OwnPrice, Stated
from targets import FlatPrice, candidate, needs, request, room, situation

NOW = START.timestamp()


def reason(of: Candidate, asked: Request, need: Needs, at: Situation) -> str | None:  # noqa: PLR0911 (one for each)
    """The word for why this one cannot serve, found out the long way; None: it can."""
    if of.connection.unavailable:
        return "unavailable"
    if unserved := unmet(need, of.facts):
        return unserved[0]
    # Whoever is just being tried out by one call stands behind the others; the plan sees to that.
    if (refusal := at.refusal(of)) and refusal.reason != PROBE_IN_FLIGHT:
        return refusal.reason
    rooms = [room for room in rooms_of(of, asked, at) if room.enforced]
    price = of.facts.price
    if price is None:
        held = [room.action for room in rooms if room.guard != CONSENT_GUARD]
        return None if not held else "needs_consent" if set(held) == {"ask"} else "price_unknown"
    bound, most = need.bound(of.model), longest(of, need, guarded=bool(rooms))
    if price.worst(bound, most or of.facts.max_output_tokens or DEFAULT_OUTPUT_CAP, START) == 0:
        return None
    if any(not room.admits(of.connection.tier) for room in rooms):
        return "degraded"
    least = need.max_tokens or min(MIN_OUTPUT, most or MIN_OUTPUT)
    tight = [room for room in rooms if price.worst(bound, least, START) > room.left]
    if not tight:
        return None
    return "needs_consent" if all(room.action == "ask" for room in tight) else "over_budget"


def longest(of: Candidate, need: Needs, *, guarded: bool) -> int | None:
    """The output cap before any guard shortens it."""
    known = of.facts.max_output_tokens
    if need.max_tokens is not None:
        return need.max_tokens
    if of.connection.last_resort:
        return min(known or LAST_RESORT_OUTPUT_CAP, LAST_RESORT_OUTPUT_CAP)
    needed = guarded or of.connection.provider.needs_max_tokens
    return min(known or DEFAULT_OUTPUT_CAP, DEFAULT_OUTPUT_CAP) if needed else None


prices = st.one_of(
    st.none(),
    st.just(Free()),
    st.builds(FlatPrice, input=st.integers(0, 50), output=st.integers(0, 200)),
    st.builds(Surcharged, st.builds(FlatPrice, input=st.integers(0, 50), output=st.integers(0, 200))),
    st.builds(
        lambda own: Stated(prices=own, source="test"),
        st.builds(
            OwnPrice,
            input=st.integers(0, 10**6),
            output=st.integers(0, 10**7),
            cache_write=st.none() | st.integers(0, 10**7),
        ),
    ),
)
abilities = st.sampled_from([True, True, True, None, False])
breakers: st.SearchStrategy[BreakerState] = st.sampled_from(("closed", "open", "half_open"))
moments = st.sampled_from([NOW - 5, NOW + 60])


@st.composite
def targets(draw: st.DrawFn) -> list[Candidate]:
    return [
        candidate(
            name,
            price=draw(prices),
            guard=draw(st.sampled_from([None, ENVIRONMENT_GUARD])),
            last_resort=draw(st.booleans()),
            unavailable=draw(st.sampled_from([None, None, None, "Gone."])),
            dialect=draw(st.sampled_from(["openai-chat", "anthropic-messages"])),
            context_tokens=draw(st.sampled_from([None, 1_000, 100_000])),
            max_output_tokens=draw(st.sampled_from([None, 10, 4_000])),
            vision=draw(abilities),
            tools=draw(abilities),
            json_schema=draw(abilities),
        )
        for name in draw(st.lists(st.sampled_from("abcdef"), unique=True))
    ]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    names = st.lists(st.sampled_from("abcdef"), unique=True, max_size=2)
    health = [
        ConnectionHealth(
            connection=name,
            breaker=draw(breakers),
            open_until=draw(moments),
            probe_until=draw(moments),
            lock=draw(st.sampled_from([None, "unauthorized"])),
            lock_until=draw(moments),
        )
        for name in draw(names)
    ]
    locks = [ModelLock(connection=n, model="m", reason="rate_limited", until=draw(moments)) for n in draw(names)]
    rooms = [
        replace(
            room(name, limit=draw(st.sampled_from([0, 5_000, 10**6, 10**12]))),
            action=draw(st.sampled_from(["block", "degrade", "alert", "ask"])),
        )
        for name in draw(st.lists(st.sampled_from([ENVIRONMENT_GUARD, "day", "week"]), unique=True))
    ]
    return situation(*health, locks=tuple(locks), rooms=tuple(rooms), typical_output=draw(st.sampled_from([None, 100])))


@given(
    candidates=targets(),
    at=situations(),
    budget=st.sampled_from([None, 3_000, 10**7]),
    agreed=st.sampled_from([None, 10**5]),
    max_tokens=st.sampled_from([None, None, 5, 600]),
    wanted=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    tokens=st.sampled_from([3, 1_500]),
)
def test_hundreds_at_once_are_weighed_as_each_alone_would_be(
    candidates: list[Candidate],
    at: Situation,
    budget: int | None,
    agreed: int | None,
    max_tokens: int | None,
    wanted: tuple[bool, bool, bool],
    tokens: int,
) -> None:
    vision, tools, json_schema = wanted
    asked = replace(request(budget=budget, max_tokens=max_tokens), agreed=agreed)
    need = needs(vision=vision, tools=tools, json_schema=json_schema, input_tokens=tokens, max_tokens=max_tokens)
    options, excluded = weigh(candidates, asked, need, at)
    found = {e.target: e.reason for e in excluded}
    assert found == {c.name: word for c in candidates if (word := reason(c, asked, need, at))}
    assert [o.place for o in options] == [p for p, c in enumerate(candidates) if c.name not in found]
    for option in options:
        check_price(option, asked, need, at)


def check_price(option: Option, asked: Request, need: Needs, at: Situation) -> None:
    of = option.candidate
    price, bound, cap = of.facts.price, need.bound(of.model), option.max_tokens
    rooms = [room for room in rooms_of(of, asked, at) if room.enforced]
    assert option.unknown == unconfirmed(need, of.facts)
    most = longest(of, need, guarded=bool(rooms) and price is not None)
    if price is None:
        assert (option.expected_cost, option.worst_cost, cap) == (None, None, most)
        return
    written = min(at.typical_output or ASSUMED_OUTPUT, cap or 10**9)
    assert option.expected_cost == price.cost(Usage(input_tokens=need.input_tokens, output_tokens=written), START)
    reserved = price.worst(bound, cap or of.facts.max_output_tokens or DEFAULT_OUTPUT_CAP, START)
    assert option.worst_cost == reserved
    assert all(reserved <= room.left for room in rooms)
    if cap != most:
        # Shortened, and by no token too much.
        assert cap is not None
        assert most is not None
        assert cap < most
        assert any(price.worst(bound, cap + 1, START) > room.left for room in rooms)


def test_exclusions_stand_in_the_order_of_the_targets() -> None:
    _, excluded = weigh(
        [candidate("b", vision=False), candidate("a", vision=False)], request(), needs(vision=True), situation()
    )
    assert excluded == [Exclusion(f"{name}/m", "no_vision", "It cannot read images.") for name in "ba"]
