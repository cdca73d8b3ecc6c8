"""Addresses with a part of the account in them: filled by the environment or the owner, and said when they are not."""

import pytest

from fakes import Upstream, fake_ports
from omniroute_agent.kernel.errors import NoRoute
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.providers.addresses import filled, own_address
from omniroute_agent.providers.discovery import Connections, ConnectionSpec, blank_variables
from omniroute_agent.providers.model import Connection
from omniroute_agent.providers.table import PROVIDERS


async def found(*specs: ConnectionSpec, **environment: str) -> list[Connection]:
    connections = Connections(
        ports=fake_ports(Upstream()),
        environment={name: Secret(value) for name, value in environment.items()},
        specs=specs,
        look_on_this_machine=False,
    )
    return list(await connections.all())


async def test_a_key_and_its_region_in_the_environment_are_enough() -> None:
    (bedrock,) = await found(AWS_BEARER_TOKEN_BEDROCK="obviously-fake", AWS_REGION="eu-central-1")

    assert bedrock.unavailable is None
    assert (await bedrock.reach()).base_url == "https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1"


async def test_a_key_without_its_region_says_what_to_give() -> None:
    (bedrock,) = await found(AWS_BEARER_TOKEN_BEDROCK="obviously-fake")

    assert bedrock.unavailable == (
        "The address of Amazon Bedrock lacks `region` (the AWS region, like us-east-1): set AWS_REGION, give base_url "
        "in your settings, or run `connections add bedrock --set region=…`."
    )
    with pytest.raises(NoRoute, match="lacks `region`"):
        await bedrock.reach()


async def test_a_variable_that_is_no_part_of_an_address_is_refused() -> None:
    (bedrock,) = await found(AWS_BEARER_TOKEN_BEDROCK="obviously-fake", AWS_REGION="evil.example/x?")

    assert bedrock.unavailable is not None
    assert "`region` may have letters" in bedrock.unavailable
    assert "evil" not in bedrock.unavailable


async def test_a_connection_may_give_the_whole_address_or_have_it_filled() -> None:
    key = Secret("obviously-fake")
    given, filled_, keyless, blank = await found(
        ConnectionSpec(id="a", provider="azure", key=key, base_url="https://acme.openai.azure.com/openai/v1/"),
        ConnectionSpec(id="b", provider="cloudflare", key=key),
        ConnectionSpec(id="c", provider="azure", base_url="https://acme.openai.azure.com/openai/v1"),
        ConnectionSpec(id="d", provider="snowflake", key=key, source="stored"),
        CLOUDFLARE_ACCOUNT_ID="023e105f4ecef8ad9ca31a8372d0c353",
    )

    assert (await given.reach()).base_url == "https://acme.openai.azure.com/openai/v1"
    assert (await filled_.reach()).base_url == (
        "https://api.cloudflare.com/client/v4/accounts/023e105f4ecef8ad9ca31a8372d0c353/ai/v1"
    )
    # An address that the provider has for everybody needs a key, also when it was filled by hand.
    assert keyless.unavailable is not None
    assert "has no key" in keyless.unavailable
    assert blank.unavailable is not None
    assert "`connections add d --replace --set account=…`" in blank.unavailable


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "Azure OpenAI needs `resource` \\(the name of your Azure OpenAI resource\\)"),
        ({"ressource": "acme"}, "has no `ressource` in its address; what it has: resource"),
        ({"resource": "acme.example/"}, "`resource` may have letters"),
        ({"resource": "-acme"}, "`resource` may have letters"),
        ({"resource": "a b"}, "`resource` may have letters"),
    ],
)
def test_what_does_not_fill_an_address_is_said(values: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        filled(PROVIDERS["azure"], values)


@pytest.mark.parametrize(
    ("provider", "written", "taken"),
    [
        ("ollama", "http://192.168.1.5:11434/v1/", "http://192.168.1.5:11434"),
        ("ollama", "http://192.168.1.5:11434", "http://192.168.1.5:11434"),
        ("gemini", "https://g.example/v1beta/openai", "https://g.example/v1beta"),
        ("openai", "https://o.example/v1/", "https://o.example/v1"),
    ],
)
def test_the_address_of_another_door_leads_to_the_providers_own(provider: str, written: str, taken: str) -> None:
    assert own_address(PROVIDERS[provider], written) == taken


def test_no_variable_is_both_a_key_and_a_part_of_an_address() -> None:
    assert not set(blank_variables()) & {name for row in PROVIDERS.values() for name in row.env}
