"""`connections` and `doctor` with providers that do not speak OpenAI's dialect, and with addresses that have blanks."""

from pathlib import Path

import pytest

from agent.cli.conftest import Run, RunBeside
from loopback import Reply, loopback
from programs import told
from streams import candidate, ndjson, openai, said

NOTHING = "[discovery]\nloopback = false\nenvironment = false\n[local]\nenabled = false\n[secrets]\nkeyring = false\n"
PRICES = '[prices."{0}/m"]\ninput = "1"\noutput = "2"\n'

GEMINI = Reply(
    [
        openai(
            candidate({"text": "OK"}),
            candidate(finish="STOP", usageMetadata={"promptTokenCount": 10, "candidatesTokenCount": 1}),
        )
    ]
)
OLLAMA = Reply(
    [ndjson(said(content="OK"), {**said(done="stop"), "prompt_eval_count": 10, "eval_count": 1})],
    content_type="application/x-ndjson",
)


@pytest.mark.parametrize(
    ("provider", "reply", "asked", "listed", "header"),
    [
        ("gemini", GEMINI, "/v1/models/m:streamGenerateContent?alt=sse", "/v1/models", "x-goog-api-key"),
        ("ollama", OLLAMA, "/api/chat", "/api/tags", "authorization"),
        ("ollama-cloud", OLLAMA, "/api/chat", "/api/tags", "authorization"),
    ],
)
async def test_it_is_added_tried_and_examined(
    run_beside: RunBeside, provider: str, reply: Reply, asked: str, listed: str, header: str
) -> None:
    settings = NOTHING + PRICES.format(provider)
    async with loopback(reply) as upstream:
        added = await run_beside(
            *("connections", "add", "lab", "--provider", provider, "--base-url", upstream.url, "--models", "m"),
            "--key-stdin",
            settings=settings,
            stdin=b"obviously-fake\n",
        )
        tried = await run_beside("connections", "test", "lab", "--json", settings=settings)
        examined = await run_beside("doctor", "--json", settings=settings)

    assert (added.code, tried.code, examined.code) == (0, 0, 0)
    assert (tried.json["text"], tried.json["usage"]["input_tokens"], tried.json["cost"]) == ("OK", 10, "0.000012")
    assert [chat.path for chat in upstream.chats] == [asked]
    assert [request.path for request in upstream.seen if request.method == "GET"] == [listed]
    assert all(request.headers[header].endswith("obviously-fake") for request in upstream.seen)
    assert next(f["says"] for f in examined.json["findings"] if f["says"].startswith("lab: ")).endswith("answers")


def test_parts_of_an_address_are_set_and_changed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "obviously-fake")
    first = run("connections", "add", "azure", "--set", "resource=acme", "--key-env", "MY_KEY", "--json")
    moved = run("connections", "add", "azure", "--replace", "--set", "resource=other", "--json")

    assert first.json["connection"]["base_url"] == "https://acme.openai.azure.com/openai/v1"
    assert moved.json["connection"]["base_url"] == "https://other.openai.azure.com/openai/v1"
    assert moved.json["connection"]["has_key"] is True


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("azure", "--set", "resource"), "--set resource has no value: write NAME=VALUE."),
        (("azure", "--set", "region=x"), "has no `region` in its address; what it has: resource"),
        (("azure", "--set", "resource=a/b"), "`resource` may have letters, digits"),
        (("openai", "--set", "resource=a"), "has no `resource` in its address; what it has: none"),
        (("azure", "--set", "resource=a", "--base-url", "https://a.example"), "leave it away with --base-url"),
    ],
)
def test_what_cannot_be_set_is_said(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    monkeypatch.setenv("MY_KEY", "obviously-fake")
    ended = run("connections", "add", *words, "--key-env", "MY_KEY")

    assert ended.code != 0
    assert says in ended.err


def test_an_address_that_nobody_filled_says_what_to_give(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "obviously-fake")
    run("connections", "add", "azure", "--key-env", "MY_KEY")
    (listed,) = run("connections", "ls", "--json").json["connections"]
    tried = run("connections", "test", "azure")

    assert listed["state"] == "unavailable"
    assert tried.code != 0
    assert "`connections add azure --replace --set resource=…`" in tried.err


async def test_two_accounts_of_one_provider_keep_their_own_keys_and_headers(tmp_path: Path) -> None:
    settings = NOTHING + PRICES.format("gemini")
    async with loopback(GEMINI) as upstream:
        for name in ("home", "work"):
            added = await told(
                tmp_path,
                *("connections", "add", name, "--provider", "gemini", "--base-url", upstream.url, "--models", "m"),
                *("--header", f"X-Team={name}", "--key-stdin"),
                settings=settings,
                stdin=f"obviously-fake-{name}\n".encode(),
            )
            assert added.code == 0, added.err
            assert (await told(tmp_path, "connections", "test", name, settings=settings)).code == 0

    seen = [(chat.headers["x-goog-api-key"], chat.headers["x-team"]) for chat in upstream.chats]
    assert seen == [("obviously-fake-home", "home"), ("obviously-fake-work", "work")]


@pytest.mark.parametrize("name", ["Authorization", "x-goog-api-key", "X-Api-Key", "Host", "Cookie"])
def test_a_header_that_carries_a_key_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MY_KEY", "obviously-fake")
    ended = run("connections", "add", "openai", "--key-env", "MY_KEY", "--header", f"{name}=x")

    assert ended.code != 0
    assert name in ended.err


def test_a_service_accounts_file_is_taken_as_a_key(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "sa.json"
    file.write_text('{\n  "client_email": "a@b.example",\n  "private_key": "obviously\\nfake"\n}\n', "utf-8")
    added = run("connections", "add", "vertex", "--set", "project=acme", "--key-file", str(file), "--json")

    assert added.json["connection"]["has_key"] is True
    assert added.json["connection"]["base_url"].endswith("/projects/acme/locations/global/publishers/google")
