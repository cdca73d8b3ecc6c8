"""The agent card as strangers find it, under every name and in every version."""

import json
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.compat.v0_3.types import AgentCard as CardOf03
from a2a.types import AgentCard
from google.protobuf.json_format import MessageToDict, ParseDict

from doors.a2a.cards import HERE, SKILLS, new_book, new_signer, served
from doors.a2a.rig import as_caller, at_the_door
from doors.asgi import Answer, knock
from doors.house_rig import NARROW_KEY
from omniroute_agent.doors.a2a.card_routes import CARD_PATH, CARD_PATHS, OLD_CARD_PATH
from omniroute_agent.doors.a2a.words import EXTENSION
from omniroute_agent.doors.access import Access
from omniroute_agent.doors.gate import Gate
from omniroute_agent.doors.hosts import LOOPBACK
from omniroute_agent.kernel.caller import Caller

PROXIED = Access(hosts=LOOPBACK | {"gateway.example"}, proxies=(ip_network("10.0.0.0/8"),))


async def get(app: Gate, path: str = CARD_PATH, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await knock(app, path, method="GET", headers=named)


def addresses(card: dict[str, Any]) -> set[str]:
    found = {interface["url"] for interface in card["supportedInterfaces"]}
    if "url" in card:
        found |= {card["url"], *(interface["url"] for interface in card["additionalInterfaces"])}
    return found


@pytest.mark.parametrize("path", sorted(CARD_PATHS))
async def test_nobody_needs_a_key_for_what_stands_at_the_well_known_places(path: str) -> None:
    found = await get(served(new_book()), path)
    assert found.status == 200
    assert found.headers["content-type"] == "application/json"


async def test_one_card_serves_clients_of_both_versions() -> None:
    card = (await get(served(new_book()))).json
    modern = parse_agent_card(json.loads(json.dumps(card)))
    assert [(each.protocol_binding, each.protocol_version) for each in modern.supported_interfaces] == [
        ("JSONRPC", "1.0"),
        ("JSONRPC", "0.3"),
        ("HTTP+JSON", "1.0"),
    ]
    assert [skill.id for skill in modern.skills] == [skill.id for skill in SKILLS]
    assert modern.capabilities.extended_agent_card
    assert modern.security_schemes["bearer"].http_auth_security_scheme.scheme == "Bearer"
    old = CardOf03.model_validate(card)
    assert (old.url, old.preferred_transport, old.protocol_version) == (f"{HERE}/a2a", "JSONRPC", "0.3.0")
    assert old.security == [{"bearer": []}]
    assert old.supports_authenticated_extended_card is True


@pytest.mark.parametrize("version", ["1.0", "0.3", "", "next"])
async def test_everybody_gets_the_card_for_both_versions(version: str) -> None:
    """A client for JavaScript takes a card of 1.0 alone apart so that its check of the signature fails."""
    found = await get(served(new_book()), A2A_Version=version)
    assert found.json["protocolVersion"] == "0.3.0"


async def test_a_strict_card_has_the_fields_of_1_0_for_everybody() -> None:
    found = await get(served(new_book(strict=True)))
    assert MessageToDict(ParseDict(found.json, AgentCard())) == found.json


async def test_the_first_clients_find_the_fields_they_were_written_for() -> None:
    card = (await get(served(new_book(strict=True)), OLD_CARD_PATH)).json
    assert card["url"] == f"{HERE}/a2a"
    assert card["authentication"] == {"schemes": ["bearer"], "apiKeyHeader": "Authorization"}
    assert card["capabilities"]["streaming"] is True


async def test_every_skill_says_what_it_costs_at_most_and_unknown_is_no_zero() -> None:
    card = (await get(served(new_book()))).json
    (extension,) = card["capabilities"]["extensions"]
    assert extension["uri"] == EXTENSION
    assert "required" not in extension  # absent is false: no orchestrator survives the other
    assert {name: terms["ceiling_usd"] for name, terms in extension["params"]["skills"].items()} == {
        "smart-routing": "unknown",
        "quota-management": "0",
        "list-capabilities": "0",
    }
    assert card["skills"][0]["description"].endswith("at most the request's `budget`.")


async def test_the_address_on_the_card_is_the_one_it_was_asked_for_at() -> None:
    app = served(new_book())
    for host in ("127.0.0.1:20128", "localhost:9", "[::1]:20128"):
        assert addresses((await get(app, Host=host)).json) == {f"http://{host}/a2a"}


async def test_behind_a_trusted_proxy_the_card_tells_the_proxys_address() -> None:
    told = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "gateway.example"}
    app = served(new_book(), PROXIED)
    found = await knock(app, CARD_PATH, method="GET", headers=told, client="10.0.0.7")
    assert addresses(found.json) == {"https://gateway.example/a2a"}
    found = await knock(app, CARD_PATH, method="GET", headers=told, client="127.0.0.1")
    assert addresses(found.json) == {f"{HERE}/a2a"}  # that one is no proxy of ours


async def test_a_public_address_of_the_settings_wins() -> None:
    app = served(new_book(public_url="https://agents.example/omni/"))
    assert addresses((await get(app)).json) == {"https://agents.example/omni/a2a"}


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0:20128", "127.0.0.1:20128"), ("[::]", "[::1]")])
async def test_no_card_names_an_address_that_stands_for_every_address(host: str, shown: str) -> None:
    app = served(new_book(), Access(hosts=frozenset(("0.0.0.0", "::"))))  # noqa: S104 (a name in a header)
    assert addresses((await get(app, Host=host)).json) == {f"http://{shown}/a2a"}


async def test_a_host_that_is_not_ours_gets_no_card_with_its_name_on_it() -> None:
    assert (await get(served(new_book()), Host="evil.example")).status == 421


async def test_who_has_the_card_already_gets_no_second_one() -> None:
    app = served(new_book())
    first = await get(app)
    assert first.headers["cache-control"] == "public, max-age=300"
    tag = first.headers["etag"]
    for said in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = await get(app, If_None_Match=said)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert (await get(app, If_Modified_Since=first.headers["last-modified"])).status == 304
    assert (await get(app, If_None_Match='"other"', If_Modified_Since=first.headers["last-modified"])).status == 200


async def test_every_form_and_address_of_the_card_has_its_own_tag() -> None:
    app = served(new_book())
    asked = [
        await get(app),
        await get(served(new_book(strict=True))),
        await get(app, OLD_CARD_PATH),
        await get(app, Host="localhost"),
    ]
    assert len({found.headers["etag"] for found in asked}) == len(asked)


async def test_two_processes_with_one_key_tell_the_same_tag() -> None:
    signer = new_signer()
    one, two = [await get(served(new_book(signer))) for _ in range(2)]
    assert one.headers["etag"] == two.headers["etag"]
    assert (await get(served(new_book()))).headers["etag"] != one.headers["etag"]


async def test_head_tells_the_same_without_the_card() -> None:
    app = served(new_book())
    whole, head = await get(app), await knock(app, CARD_PATH, method="HEAD")
    assert (head.status, head.body, head.headers) == (200, b"", whole.headers)
    assert head.headers["content-length"] == str(len(whole.body))


@pytest.mark.parametrize("path", sorted(CARD_PATHS))
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_told_what_is_allowed(path: str, method: str) -> None:
    found = await knock(served(new_book()), path, method=method)
    assert (found.status, found.headers["allow"]) == (405, "GET, HEAD")


async def test_any_number_of_ports_in_the_host_header_keeps_only_a_few_cards() -> None:
    book = new_book()
    app = served(book)
    for port in range(1, 200):
        assert (await get(app, Host=f"127.0.0.1:{port}")).status == 200
    assert len(book._shelves) == 16


async def test_without_keys_the_card_promises_neither_a_scheme_nor_an_extended_card() -> None:
    card = (await get(served(new_book(keys=False)), OLD_CARD_PATH)).json
    assert not {"security", "securitySchemes", "securityRequirements", "supportsAuthenticatedExtendedCard"} & set(card)
    assert "extendedAgentCard" not in card["capabilities"]
    assert card["authentication"]["schemes"] == []


async def test_the_extended_card_lists_what_its_reader_may_use_and_what_is_left_to_spend() -> None:
    asked: list[str] = []

    async def limits(caller: Caller) -> list[dict[str, Any]]:
        asked.append(caller.id)
        return [{"guard": "daily", "left_usd": "0.5"}]

    book = new_book(limits=limits)
    reader = Caller(id="key-1", scopes=frozenset(("read:quota",)), session="s")
    card: Any = await book.extended(reader, HERE)
    assert [skill["id"] for skill in card["skills"]] == ["quota-management", "list-capabilities"]
    params = card["capabilities"]["extensions"][0]["params"]
    assert params["you"] == {
        "caller": "key-1",
        "scopes": ["read:quota"],
        "limits": [{"guard": "daily", "left_usd": "0.5"}],
    }
    assert asked == ["key-1"]
    assert MessageToDict(ParseDict(card, AgentCard())) == card
    assert CardOf03.model_validate(book.merged(card)).url == f"{HERE}/a2a"
    assert "you" not in json.dumps(book.card(HERE)["capabilities"])


async def test_over_both_versions_a_key_learns_what_it_may_do_and_what_is_left(tmp_path: Path) -> None:
    async with at_the_door(tmp_path) as door:
        own = await door.ask("GetExtendedAgentCard")
        old = await door.ask("agent/getAuthenticatedExtendedCard")
        async with as_caller(door.rig, NARROW_KEY) as http:
            narrow = await replace(door, http=http).ask("GetExtendedAgentCard")
    assert MessageToDict(ParseDict(own, AgentCard())) == own
    assert CardOf03.model_validate(old).skills[0].id == "smart-routing"
    told = [card["capabilities"]["extensions"][0]["params"]["you"] for card in (own, narrow)]
    assert [you["caller"] for you in told] == ["owner", "key-2"]
    assert {"guard": "environment", "action": "block", "limit_usd": "5", "left_usd": "5"}.items() <= told[0]["limits"][
        0
    ].items()
    assert "smart-routing" not in [skill["id"] for skill in narrow["skills"]]
    assert "list-capabilities" in [skill["id"] for skill in narrow["skills"]]
