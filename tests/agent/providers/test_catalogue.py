"""The catalogue: which models there are, what a name means, and what is said of them."""

import httpx2

from fakes import START, Upstream, fake_ports
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.providers.catalogue import Catalogue
from omniroute_agent.providers.discovery import Connections, ConnectionSpec, key_variables
from omniroute_agent.providers.facts import FactBook
from omniroute_agent.providers.price_book import PriceBook
from omniroute_agent.providers.prices import OwnPrice
from omniroute_agent.providers.table import PROVIDERS

OWN = ConnectionSpec(
    id="lab",
    provider="custom-openai",
    base_url="https://lab.example/v1",
    models=("alpha", "gpt-4o-mini", "tagged:latest"),
)


def a_catalogue(*keys: str, specs: tuple[ConnectionSpec, ...] = (), upstream: Upstream | None = None) -> Catalogue:
    connections = Connections(
        ports=fake_ports(upstream or Upstream()),
        environment={name: Secret("obviously-fake") for name in keys},
        specs=specs,
        look_on_this_machine=upstream is not None,
    )
    prices = PriceBook(now=lambda: START, own={"lab/alpha": OwnPrice(input=0, output=0)})
    return Catalogue(connections, FactBook(prices), prices)


async def targets(catalogue: Catalogue, name: str) -> list[str]:
    return [f"{connection.id}/{model}" for connection, model in await catalogue.resolve(name)]


async def test_a_name_with_its_connection_means_that_connection() -> None:
    catalogue = a_catalogue("OPENAI_API_KEY", specs=(OWN,))

    assert await targets(catalogue, "lab/alpha") == ["lab/alpha"]
    assert await targets(catalogue, "openai/gpt-4o-mini") == ["openai/gpt-4o-mini"]


async def test_a_connection_without_a_list_takes_any_name() -> None:
    assert await targets(a_catalogue("OPENAI_API_KEY"), "openai/brand-new") == ["openai/brand-new"]


async def test_a_connection_with_a_list_takes_only_what_is_on_it() -> None:
    assert await targets(a_catalogue(specs=(OWN,)), "lab/beta") == []


async def test_a_name_with_its_provider_means_all_its_connections() -> None:
    specs = tuple(ConnectionSpec(id=name, provider="openai", key=Secret("k")) for name in ("work", "home"))

    assert await targets(a_catalogue(specs=specs), "openai/gpt-4o-mini") == ["work/gpt-4o-mini", "home/gpt-4o-mini"]


async def test_a_bare_model_means_every_connection_known_to_serve_it() -> None:
    catalogue = a_catalogue("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENROUTER_API_KEY", specs=(OWN,))

    assert await targets(catalogue, "gpt-4o-mini") == ["lab/gpt-4o-mini", "openai/gpt-4o-mini"]


async def test_a_vendor_name_is_found_at_the_host_that_uses_it() -> None:
    catalogue = a_catalogue("OPENROUTER_API_KEY", "GROQ_API_KEY")

    assert await targets(catalogue, "openai/gpt-oss-120b") == [
        "openrouter/openai/gpt-oss-120b",
        "groq/openai/gpt-oss-120b",
    ]
    assert await targets(catalogue, "openrouter/openai/gpt-oss-120b") == ["openrouter/openai/gpt-oss-120b"]


async def test_a_model_that_the_price_data_lists_but_the_api_does_not_serve_is_not_found_there() -> None:
    assert await targets(a_catalogue("GEMINI_API_KEY"), "claude-haiku-4-5") == []
    assert await targets(a_catalogue("OPENAI_API_KEY"), "gpt-oss-120b") == []


async def test_a_host_with_long_names_gets_the_long_name() -> None:
    catalogue = a_catalogue("FIREWORKS_API_KEY")

    assert await targets(catalogue, "gpt-oss-120b") == ["fireworks/accounts/fireworks/models/gpt-oss-120b"]


async def test_a_name_without_its_tag_is_completed_as_ollama_does() -> None:
    assert await targets(a_catalogue(specs=(OWN,)), "tagged") == ["lab/tagged:latest"]
    assert await targets(a_catalogue(specs=(OWN,)), "lab/tagged") == ["lab/tagged:latest"]


async def test_unknown_names_mean_nothing_and_break_nothing() -> None:
    catalogue = a_catalogue("OPENAI_API_KEY", specs=(OWN,))

    for name in ("", "/", "gpt-99", "nobody/gpt-99", "lab/", "x" * 10_000, "\n", "combo/cheap"):
        assert await targets(catalogue, name) == [], name


async def test_the_list_has_own_lists_and_price_data_with_the_default_first() -> None:
    entries = await a_catalogue("OPENAI_API_KEY", specs=(OWN,)).list()
    openai = [entry.model for entry in entries if entry.connection == "openai"]

    assert [entry.target for entry in entries[:3]] == ["lab/alpha", "lab/gpt-4o-mini", "lab/tagged:latest"]
    assert openai[0] == "gpt-6-luna"
    assert openai[1:] == sorted(openai[1:])
    assert "gpt-4.1-mini" in openai
    assert not {"text-embedding-3-small", "whisper-1", "gpt-oss-120b"} & set(openai)


async def test_the_list_can_be_narrowed() -> None:
    catalogue = a_catalogue("OPENAI_API_KEY", "GROQ_API_KEY", "OPENROUTER_API_KEY", specs=(OWN,))

    assert {entry.provider for entry in await catalogue.list(provider="groq")} == {"groq"}
    assert [entry.target for entry in await catalogue.list(provider="lab", text="ALPHA")] == ["lab/alpha"]
    seeing = await catalogue.list(provider="openai", capability="vision")
    assert seeing
    assert all(entry.facts.vision for entry in seeing)
    free = await catalogue.list(free=True)
    assert "lab/alpha" in [entry.target for entry in free]
    assert any(entry.model.endswith(":free") for entry in free)
    assert all(entry.facts.price is not None for entry in await catalogue.list(provider="openai", free=False))


async def test_an_unknown_price_is_neither_free_nor_paid() -> None:
    catalogue = a_catalogue(specs=(OWN,))

    for free in (True, False):
        assert "lab/gpt-4o-mini" not in [entry.target for entry in await catalogue.list(free=free)]


async def test_what_cannot_be_used_now_is_listed_with_the_reason() -> None:
    spec = ConnectionSpec(id="empty", provider="openai", models=("gpt-4o",))
    (entry,) = await a_catalogue(specs=(spec,)).list()

    assert not entry.available
    assert entry.why_not is not None
    assert "no key" in entry.why_not


async def test_models_of_a_found_server_are_in_the_list_and_free() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.port != 11434:
            raise httpx2.ConnectError("refused")
        listed = {"version": "1", "models": [{"name": "qwen3:4b"}]}
        return httpx2.Response(200, json=listed)

    catalogue = a_catalogue(upstream=Upstream([answer]))
    (entry,) = await catalogue.list()

    assert (entry.target, entry.free, entry.available) == ("ollama/qwen3:4b", True, True)
    assert await targets(catalogue, "qwen3:4b") == ["ollama/qwen3:4b"]


async def test_every_listed_name_leads_back_to_its_own_entry() -> None:
    catalogue = a_catalogue(*key_variables())

    for entry in await catalogue.list():
        assert await targets(catalogue, entry.target) == [entry.target]
        if PROVIDERS[entry.provider].prices:
            assert "genai-prices" in entry.facts.source, entry.target


async def test_names_are_offered_bare_and_with_their_connection() -> None:
    names = await a_catalogue("OPENAI_API_KEY", specs=(OWN,)).names()

    assert {"alpha", "lab/alpha", "gpt-6-luna", "openai/gpt-6-luna"} <= set(names)
    assert len(names) == len(set(names))
