"""Reasoning that one provider proved never reaches another, and comes back to its own through any caller."""

import base64
import dataclasses
import json
from typing import Any

import pytest

from omniroute_agent.kernel.chat import Chat, ChatAnswer, Message, Reasoning, Text, ToolCall, ToolResult
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.proof import own_proof, passed_on, proof_by, taken_back
from omniroute_agent.wire.table import DIALECTS

SIGNED = {
    "anthropic-messages": Reasoning("Hm", "c2ln"),
    "openai-responses": Reasoning("Hm", "openai-responses:rs_1:gAAAAB"),
    "gemini": Reasoning("Hm", "gemini:Z2VtaW5p"),
}
SEALED = Reasoning("", redacted="eA==")
MODELS = {"gemini": "gemini-3.1-pro", "anthropic-messages": "claude-sonnet-4-5"}


def written(dialect: str, chat: Chat) -> str:
    body = DIALECTS[dialect].write_request(
        dataclasses.replace(chat, max_tokens=9000), model=MODELS.get(dialect, "m"), quirks=Quirks(), stream=True
    )
    return json.dumps(body)


def history(reasoning: Reasoning) -> Chat:
    call = Message("assistant", (reasoning, ToolCall("c", "f", "{}")))
    return Chat(model="m", messages=(Message("user", (Text("?"),)), call, Message("user", (ToolResult("c", ()),))))


@pytest.mark.parametrize("target", sorted(DIALECTS))
@pytest.mark.parametrize("giver", sorted(SIGNED))
def test_a_proof_goes_to_its_own_provider_only(giver: str, target: str) -> None:
    raw = {"anthropic-messages": "c2ln", "openai-responses": "gAAAAB", "gemini": "Z2VtaW5p"}[giver]
    assert (raw in written(target, history(SIGNED[giver]))) == (target == giver)


@pytest.mark.parametrize("target", sorted(DIALECTS))
def test_sealed_thinking_goes_to_its_own_provider_only(target: str) -> None:
    assert ("eA==" in written(target, history(SEALED))) == (target == "anthropic-messages")


def answered(dialect: str, reasoning: Reasoning) -> Any:
    """What a caller of the dialect holds after the answer: what it sends back as history."""
    body: Any = DIALECTS[dialect].write_answer(_answer(reasoning), id="x", model="m", created=7)
    match dialect:
        case "anthropic-messages":
            return {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": body["content"]}]}
        case "openai-responses":
            return {"input": [{"role": "user", "content": "?"}, *body["output"]]}
        case _:
            return {"contents": [{"parts": [{"text": "?"}]}, body["candidates"][0]["content"]]}


def _answer(reasoning: Reasoning) -> ChatAnswer:
    return ChatAnswer(parts=(reasoning, ToolCall("c", "f", "{}")), finish="tool_calls")


@pytest.mark.parametrize("caller", ["anthropic-messages", "openai-responses", "gemini"])
@pytest.mark.parametrize("giver", [*sorted(SIGNED), "sealed"])
def test_a_proof_comes_back_through_callers_of_other_dialects(giver: str, caller: str) -> None:
    reasoning = SIGNED.get(giver, SEALED)
    own = "anthropic-messages" if giver == "sealed" else giver
    chat = DIALECTS[caller].read_request({"model": "m", "max_tokens": 5, **answered(caller, reasoning)})
    raw = {"anthropic-messages": "c2ln", "openai-responses": "gAAAAB", "gemini": "Z2VtaW5p"}.get(giver, "eA==")
    assert raw in written(own, chat)


def test_an_id_that_encrypted_content_is_bound_to_goes_along() -> None:
    chat = DIALECTS["anthropic-messages"].read_request(
        {"model": "m", "max_tokens": 5, **answered("anthropic-messages", SIGNED["openai-responses"])}
    )
    assert '"id": "rs_1"' in written("openai-responses", chat)


def test_foreign_proofs_are_base64_where_the_field_is_bytes() -> None:
    signatures = [part.get("thoughtSignature") for part in answered("gemini", SEALED)["contents"][1]["parts"]]
    assert base64.b64decode(signatures[0], validate=True) == b"anthropic-sealed:eA=="


def test_whose_proof_it_is_stands_in_it() -> None:
    assert own_proof("gemini", proof_by("gemini", "a:b")) == "a:b"
    assert own_proof("gemini", "c2ln") is None
    assert own_proof("anthropic-messages", "c2ln") == "c2ln"
    assert own_proof("anthropic-messages", None) is None
    assert passed_on("c2ln", None) == "anthropic-messages:c2ln"
    assert passed_on(None, None) is None
    assert taken_back("anthropic-messages:c2ln") == ("c2ln", None)
    assert taken_back("anthropic-sealed:eA==") == (None, "eA==")
    assert taken_back("gAAAAB") is None
