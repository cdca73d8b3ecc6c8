"""One notification on its way: its limits, whatever the other end does."""

import asyncio
from dataclasses import replace

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doors.a2a.push_rig import ISSUER, TASK, a_config
from fakes import Upstream, fake_ports
from omniroute_agent.doors.a2a.push.backoff import (
    FIRST_SECONDS,
    GIVE_UP_SECONDS,
    MOST_SECONDS,
    MOST_TRIES,
    Failure,
    seconds_until_next,
)
from omniroute_agent.doors.a2a.push.configs import PushConfig
from omniroute_agent.doors.a2a.push.policy import HookPolicy
from omniroute_agent.doors.a2a.push.sender import JWT_HEADER, MOST_ANSWER, Payload, Sender
from omniroute_agent.outside.addresses import AllowedOrigins
from virtual_time import run_virtual

URL = "https://hook.example.com/secret-path?key=hidden"
PAYLOAD = Payload(b'{"task":{}}', "application/a2a+json")


def a_sender(upstream: Upstream) -> Sender:
    policy = HookPolicy(allowed=AllowedOrigins(), taken=AllowedOrigins())
    return Sender(ports=fake_ports(upstream), policy=policy, sign=lambda _: "signed", issuer=ISSUER)


async def send(reply: httpx2.Response | Exception, config: PushConfig | None = None) -> tuple[Failure | None, Upstream]:
    upstream = Upstream([reply])
    return await a_sender(upstream).send(config or a_config(URL), TASK, PAYLOAD), upstream


def test_a_hook_that_never_answers_is_left_after_ten_seconds() -> None:
    async def never(_: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        raise AssertionError

    failure, took = run_virtual(a_sender(Upstream([never])).send(a_config(URL), TASK, PAYLOAD))
    assert failure == Failure("it did not answer within 10 seconds")
    assert took == 10.0


class Body(httpx2.AsyncByteStream):
    """Goes on for ever, piece by piece."""

    def __init__(self, piece: bytes, pause: float) -> None:
        self.given = 0
        self.closed = False
        self._piece = piece
        self._pause = pause

    async def __aiter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204
        while True:
            await asyncio.sleep(self._pause)
            self.given += len(self._piece)
            yield self._piece

    async def aclose(self) -> None:
        self.closed = True


def test_a_success_whose_answer_drips_on_is_a_success() -> None:
    body = Body(b"x", 1.0)
    (failure, _), took = run_virtual(send(httpx2.Response(202, stream=body)))
    assert failure is None
    assert took == 10.0
    assert body.closed


def test_a_long_answer_is_not_read_to_its_end() -> None:
    body = Body(b"x" * 10_000, 0.001)
    (failure, _), took = run_virtual(send(httpx2.Response(200, stream=body)))
    assert failure is None
    assert took < 1
    assert body.given < MOST_ANSWER + 20_000
    assert body.closed


async def test_an_error_does_not_repeat_the_address() -> None:
    failure, _ = await send(httpx2.ConnectError(f"cannot connect to {URL}"))
    assert failure == Failure("it could not be reached (ConnectError)")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_every_success_will_do(status: int) -> None:
    assert (await send(httpx2.Response(status)))[0] is None


@pytest.mark.parametrize("status", [301, 400, 401, 403, 429, 500, 503])
async def test_a_status_that_may_change_is_tried_again(status: int) -> None:
    assert (await send(httpx2.Response(status)))[0] == Failure(f"it answered with status {status}")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("120", 120.0), ("Sat, 21 Nov 2026 12:05:00 GMT", 300.0), ("soon", None), ("-5", 0.0), ("9" * 30, 86_400.0)],
)
async def test_a_wish_to_wait_is_understood(said: str, seconds: float | None) -> None:
    failure, _ = await send(httpx2.Response(503, headers={"retry-after": said}))
    assert failure is not None
    assert failure.retry_after == seconds


@pytest.mark.parametrize(
    ("scheme", "authorization"), [("", "Bearer signed"), ("Bearer", "Bearer signed"), ("bearer", "Bearer signed")]
)
async def test_a_bearer_without_credentials_is_our_own_signature(scheme: str, authorization: str) -> None:
    _, upstream = await send(httpx2.Response(200), a_config(URL, scheme=scheme))
    assert upstream.seen[0].headers["authorization"] == authorization


async def test_a_scheme_we_have_no_means_for_leaves_the_signature() -> None:
    _, upstream = await send(httpx2.Response(200), a_config(URL, scheme="Digest"))
    assert "authorization" not in upstream.seen[0].headers
    assert upstream.seen[0].headers[JWT_HEADER] == "signed"


@given(st.integers(1, MOST_TRIES - 1), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 80_000))
def test_a_wait_is_as_long_as_it_must_be_and_not_longer(tries: int, chance: float, hint: float | None) -> None:
    wait = seconds_until_next(Failure("x", retry_after=hint), tries=tries, failing_for=0, chance=chance)
    doubled = min(FIRST_SECONDS * 2 ** (tries - 1), MOST_SECONDS)
    assert wait is not None
    assert wait >= max(doubled / 2, hint or 0)
    assert wait <= max(doubled, hint or 0)


def test_it_ends_by_tries_by_time_and_by_what_is_said() -> None:
    failure = Failure("x")
    assert seconds_until_next(failure, tries=MOST_TRIES, failing_for=0, chance=0) is None
    assert seconds_until_next(failure, tries=1, failing_for=GIVE_UP_SECONDS, chance=0) is None
    assert seconds_until_next(replace(failure, retry_after=GIVE_UP_SECONDS), tries=1, failing_for=1, chance=0) is None
    assert seconds_until_next(replace(failure, final=True), tries=1, failing_for=0, chance=0) is None


def test_all_tries_lie_within_the_day() -> None:
    waits = [
        seconds_until_next(Failure("x"), tries=tries, failing_for=0, chance=0.999) or 0.0
        for tries in range(1, MOST_TRIES)
    ]
    assert sum(waits) < GIVE_UP_SECONDS
