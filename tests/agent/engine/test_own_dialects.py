"""Gemini and Ollama are asked in their own dialects, through the whole house: text, tools, bill and errors."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fakes import Reply, Upstream
from houses import a_house, ask
from omniroute_agent.engine.request import Request
from omniroute_agent.kernel.chat import ToolCall, ToolSpec
from omniroute_agent.kernel.errors import UpstreamFailed
from streams import candidate, ndjson, openai, said

GEMINI = """
[[connections]]
id = "gemini"
provider = "gemini"
key = "obviously-fake"
"""

OLLAMA = """
[[connections]]
id = "ollama"
provider = "ollama"
models = ["qwen3:4b"]
"""

CLOUD = """
[[connections]]
id = "cloud"
provider = "ollama-cloud"
key = "obviously-fake"
models = ["gpt-oss:120b"]

[prices."ollama-cloud/gpt-oss:120b"]
input = "1"
output = "2"
"""

FLASH = "gemini/gemini-3.5-flash-lite"


def streamed(content: bytes, media: str) -> Reply:
    return httpx2.Response(200, headers={"content-type": media}, content=content)


def gemini_says(*parts: dict[str, Any]) -> Reply:
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}
    return streamed(
        openai(candidate(*parts, modelVersion="gemini-3.5-flash-lite"), candidate(finish="STOP", usageMetadata=usage)),
        "text/event-stream",
    )


def ollama_says(text: str) -> Reply:
    end = {**said(done="stop"), "prompt_eval_count": 7, "eval_count": 3}
    return streamed(ndjson(said(content=text), end), "application/x-ndjson")


async def test_gemini_answers_in_its_own_dialect_and_is_billed(tmp_path: Path) -> None:
    upstream = Upstream([gemini_says({"text": "Hel"}, {"text": "lo"})])
    async with a_house(tmp_path, upstream, settings=GEMINI) as house:
        done = await house.parts.turn.take(ask(house, "Hi", model=FLASH, combo=None, max_tokens=50))

    (request,) = upstream.seen
    assert str(request.url) == (
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.5-flash-lite:streamGenerateContent?alt=sse"
    )
    assert request.headers["x-goog-api-key"] == "obviously-fake"
    assert "authorization" not in request.headers
    (body,) = upstream.bodies
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]
    assert body["generationConfig"]["maxOutputTokens"] == 50
    assert done.answer.text == "Hello"
    assert done.receipt.served_by == FLASH
    shown = done.receipt.model_dump(mode="json")
    assert (shown["usage"]["input_tokens"], shown["usage"]["output_tokens"]) == (1000, 100)
    assert float(shown["cost"]) > 0


async def test_gemini_calls_tools(tmp_path: Path) -> None:
    upstream = Upstream([gemini_says({"functionCall": {"name": "add", "args": {"a": 1}}})])
    tool = ToolSpec(
        name="add", description="Adds.", schema={"type": "object", "properties": {"a": {"type": "integer"}}}
    )
    async with a_house(tmp_path, upstream, settings=GEMINI) as house:
        done = await house.parts.turn.take(with_tool(ask(house, model=FLASH, combo=None), tool))

    assert [(call.name, call.arguments) for call in done.answer.parts if isinstance(call, ToolCall)] == [
        ("add", '{"a":1}')
    ]
    (body,) = upstream.bodies
    assert [f["name"] for f in body["tools"][0]["functionDeclarations"]] == ["add"]


async def test_a_refused_gemini_key_is_told_in_words(tmp_path: Path) -> None:
    refused = httpx2.Response(
        400,
        json={"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}},
    )
    async with a_house(tmp_path, Upstream([refused]), settings=GEMINI) as house:
        with pytest.raises(UpstreamFailed, match="API key not valid"):
            await house.parts.turn.take(ask(house, model=FLASH, combo=None))


@pytest.mark.parametrize(
    ("settings", "target", "url", "key"),
    [
        (OLLAMA, "ollama/qwen3:4b", "http://127.0.0.1:11434/api/chat", None),
        (CLOUD, "cloud/gpt-oss:120b", "https://ollama.com/api/chat", "Bearer obviously-fake"),
    ],
    ids=["here", "cloud"],
)
async def test_ollama_answers_in_its_own_dialect(
    tmp_path: Path, settings: str, target: str, url: str, key: str | None
) -> None:
    upstream = Upstream([ollama_says("Hello")])
    async with a_house(tmp_path, upstream, settings=settings) as house:
        done = await house.parts.turn.take(ask(house, "Hi", model=target, combo=None, max_tokens=50))

    (request,) = upstream.seen
    assert str(request.url) == url
    assert request.headers.get("authorization") == key
    (body,) = upstream.bodies
    assert body["model"] == target.partition("/")[2]
    assert body["messages"] == [{"role": "user", "content": "Hi"}]
    assert body["options"]["num_predict"] == 50
    assert done.answer.text == "Hello"
    assert done.receipt.served_by == target
    usage = done.receipt.model_dump(mode="json")["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (7, 3)


async def test_an_ollama_stream_that_is_cut_is_an_error_and_never_an_answer(tmp_path: Path) -> None:
    cut = streamed(ndjson(said(content="Hel")), "application/x-ndjson")
    async with a_house(tmp_path, Upstream([cut]), settings=OLLAMA) as house:
        with pytest.raises(UpstreamFailed):
            await house.parts.turn.take(ask(house, model="ollama/qwen3:4b", combo=None))


def with_tool(request: Request, tool: ToolSpec) -> Request:
    return replace(request, chat=replace(request.chat, tools=(tool,), max_tokens=100))
