"""No caller makes this program post to its owner's own machines: not by any address, redirect or name."""

from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
import pytest

from agent.outside.test_addresses import ATTACK_HOSTS
from agent.outside.test_guard import PUBLIC, Cable, canary, names
from doors.a2a.push_rig import ISSUER, OWNER, TASK, Door, a_config, a_door
from fakes import Upstream, fake_ports
from omniroute_agent.doors.a2a.push.policy import HookPolicy, audience
from omniroute_agent.doors.a2a.push.sender import Payload, Sender
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.outside.addresses import AllowedOrigins, Origin
from omniroute_agent.outside.guard import GuardedTransport

PAYLOAD = Payload(b"{}", "application/json")
OTHER_ATTACKS = (
    "",
    "hook.example.com",
    "//hook.example.com/",
    "/hook",
    "https:/hook.example.com",
    "https:hook.example.com",
    "https://",
    "https:///hook",
    "http://hook.example.com/",
    "ftp://hook.example.com/",
    "file:///etc/passwd",
    "gopher://hook.example.com:70/_x",
    "javascript:alert(1)",
    "data:text/plain,hi",
    "unix:///run/docker.sock",
    "https+unix://%2Frun%2Fdocker.sock/",
    "https://user@hook.example.com/",
    "https://user:pass@hook.example.com/",
    "https://hook.example.com@127.0.0.1/",
    "https://127.0.0.1\\@hook.example.com/",
    "https://hook.example.com\\.evil.com/",
    "https://hook.example.com#@127.0.0.1/",
    "https://hook.example.com/#fragment",
    "https://hook.example.com:0/",
    "https://hook.example.com:65536/",
    "https://hook.example.com:99999999999/",
    "https://hook.example.com:/",
    "https://hook.example.com:443:80/",
    "https://hook.example.com:8o/",
    " https://hook.example.com/",
    "https://hook.example.com/ ",
    "https://hook.example.com/a b",
    "https://hook.example.com/\r\nx-injected: 1",
    "https://hook.example.com/\x00",
    "https://hook.example.com/\tx",
    "https://hook.exam\u00adple.com/",
    "https://hook.example.com/ä",
    "https://[::ffff:8.8.8.8%25eth0]/",
    "https://[::1/",
    "https://::1]/",
)


def hooked(host: str) -> str:
    return f"https://[{host}]/hook" if ":" in host and "[" not in host and "@" not in host else f"https://{host}/hook"


ATTACKS = (*map(hooked, ATTACK_HOSTS), *OTHER_ATTACKS)


def a_sender(policy: HookPolicy, http: httpx2.AsyncClient | None = None, upstream: Upstream | None = None) -> Sender:
    ports = fake_ports(upstream)
    return Sender(
        ports=ports if http is None else replace(ports, http=http),
        policy=policy,
        sign=lambda _: "signed",
        issuer=ISSUER,
    )


NOTHING_ALLOWED = HookPolicy(allowed=AllowedOrigins(), taken=AllowedOrigins())


@dataclass(frozen=True)
class Careless(HookPolicy):
    """Lets everything pass, so that only the guard at the connection is left."""

    def admit(self, url: str) -> Origin:
        found = httpx2.URL(url)
        return Origin(found.scheme, found.host, found.port or 443)


def test_there_are_more_than_65_attacks() -> None:
    assert len(set(ATTACKS)) > 65


async def test_no_attack_becomes_a_hook(tmp_path: Path) -> None:
    async with a_door(tmp_path, tells=False) as door:
        await door.task()
        for url in ATTACKS:
            assert await _is_refused(door, url), url
        assert await door.rows.of_task(OWNER, TASK) == ()


async def _is_refused(door: Door, url: str) -> bool:
    with pytest.raises(InvalidRequest) as refused:
        await door.pushes.create(OWNER, TASK, a_config(url))
    with pytest.raises(InvalidRequest):
        door.pushes.admit(a_config(url))
    return refused.value.facts["field"] == "url" and bool(refused.value.hint)


@pytest.mark.parametrize("url", ATTACKS)
async def test_an_attack_that_got_into_the_store_is_not_sent_to(url: str) -> None:
    upstream = Upstream([httpx2.Response(200)])
    failure = await a_sender(NOTHING_ALLOWED, upstream=upstream).send(a_config(url), TASK, PAYLOAD)
    assert failure is not None
    assert failure.final
    assert upstream.seen == []


@pytest.mark.parametrize("host", ATTACK_HOSTS)
async def test_the_connection_is_refused_even_where_no_text_was_looked_at(host: str) -> None:
    cable = Cable()
    transport = GuardedTransport(AllowedOrigins(), resolve=names(["127.0.0.1"]), connector=cable)
    async with httpx2.AsyncClient(transport=transport, trust_env=False) as http:
        sender = a_sender(Careless(allowed=AllowedOrigins(), taken=AllowedOrigins()), http)
        try:
            failure = await sender.send(a_config(hooked(host)), TASK, PAYLOAD)
        except (httpx2.InvalidURL, UnicodeError):
            failure = None  # no client reads it as an address
        else:
            assert failure is not None
    assert cable.tried == []


async def test_a_name_that_changes_its_answer_leads_nowhere() -> None:
    verify = httpx2.create_ssl_context(trust_env=False)
    async with canary() as bird:
        for _ in range(100):
            cable = Cable()
            resolve = names([PUBLIC], ["127.0.0.1"])
            transport = GuardedTransport(AllowedOrigins(), resolve=resolve, connector=cable, verify=verify)
            async with httpx2.AsyncClient(transport=transport, trust_env=False) as http:
                sender = a_sender(NOTHING_ALLOWED, http)
                url = f"https://rebound.example:{bird.port}/"
                first = await sender.send(a_config(url), TASK, PAYLOAD)
                second = await sender.send(a_config(url), TASK, PAYLOAD)
            assert first is not None
            assert not first.final
            assert second is not None
            assert second.final
            assert cable.tried == [PUBLIC]
        assert bird.hits == 0


async def test_a_name_that_leads_home_is_given_up(tmp_path: Path) -> None:
    async with canary() as bird, a_door(tmp_path) as door:
        task = await door.task()
        # `localhost` by another name: what it leads to is only known when it is asked for.
        transport = GuardedTransport(AllowedOrigins(), resolve=names(["127.0.0.1"]))
        door.ports.http._transport = transport
        await door.pushes.create(task.owner, task.id, a_config(f"https://looks-public.example:{bird.port}/"))
        row = await door.settled(1)
        assert row.finished
        assert row.fault is not None
        assert "not public" in row.fault
        await transport.aclose()
    assert bird.hits == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://hook.example.com",
        "https://hook.example.com/a/b?c=d&e=%20",
        "https://HOOK.example.com:8443/x",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]/hook",
        "https://xn--bcher-kva.example.org/",
    ],
)
def test_a_public_https_address_may_be_a_hook(url: str) -> None:
    assert NOTHING_ALLOWED.admit(url).scheme == "https"


def test_an_origin_that_the_owner_allows_may_be_a_hook_and_no_other_port() -> None:
    policy = HookPolicy(allowed=AllowedOrigins("http://127.0.0.1:9000"), taken=AllowedOrigins())
    assert policy.admit("http://127.0.0.1:9000/any/path") == Origin("http", "127.0.0.1", 9000)
    for other in ("http://127.0.0.1:9001/", "https://127.0.0.1:9000/", "http://localhost:9000/"):
        with pytest.raises(InvalidRequest):
            policy.admit(other)


def test_what_the_guard_lets_pass_for_models_is_no_hook() -> None:
    models = AllowedOrigins("http://127.0.0.1:11434", "https://models.corp.example")
    policy = HookPolicy(allowed=AllowedOrigins(), taken=models)
    for url in ("http://127.0.0.1:11434/api/delete", "https://models.corp.example/admin"):
        with pytest.raises(InvalidRequest):
            policy.admit(url)


def test_a_token_is_made_out_to_the_origin() -> None:
    assert audience(NOTHING_ALLOWED.admit("https://Hook.Example.com/secret-path")) == "https://hook.example.com"
    assert audience(NOTHING_ALLOWED.admit("https://hook.example.com:8443/")) == "https://hook.example.com:8443"
    assert audience(Origin("https", "2606:4700:4700::1111", 443)) == "https://[2606:4700:4700::1111]"


async def test_a_refusal_does_not_repeat_what_may_be_secret() -> None:
    with pytest.raises(InvalidRequest) as refused:
        NOTHING_ALLOWED.admit("https://user:hunter2@hook.example.com/T0P-S3CRET")
    assert "hunter2" not in refused.value.sentence()
    assert "T0P" not in refused.value.sentence()
