"""Words that both directions of the dialect share: how an answer ended, usage, items of reasoning."""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import FinishReason, Reasoning, Usage
from omniroute_agent.wire.members import Members, only_filled
from omniroute_agent.wire.proof import own_proof, proof_by, taken_back

ID: Final = "openai-responses"

INCOMPLETE_WORD: Final[Mapping[FinishReason, str]] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
}
_FINISH_OF: Final[Mapping[str, FinishReason]] = {
    "max_output_tokens": "length",
    # Only the provider's own agents count messages; the answer is as long as it may get.
    "max_messages": "length",
    "content_filter": "content_filter",
}


def finish_of(response: Members, *, called: bool, refused: bool) -> FinishReason:
    """How a response that came to its end ended; an unknown reason counts as cut by length."""
    details = response.inside_or_none("incomplete_details")
    status = response.text_or_none("status")
    if status == "incomplete" or (details is not None and status != "completed"):
        word = details.text_or_none("reason") if details is not None else None
        return _FINISH_OF.get(word or "", "length")
    if refused:
        return "refusal"
    return "tool_calls" if called else "stop"


def read_usage(node: Members | None) -> Usage | None:
    """None when a count is missing: unknown is not 0."""
    if node is None:
        return None
    given, produced = node.count_or_none("input_tokens"), node.count_or_none("output_tokens")
    if given is None or produced is None:
        return None
    read = written = reasoning = 0
    if (details := node.inside_or_none("input_tokens_details")) is not None:
        read = details.count_or_none("cached_tokens") or 0
        written = details.count_or_none("cache_write_tokens") or 0
    if (details := node.inside_or_none("output_tokens_details")) is not None:
        reasoning = details.count_or_none("reasoning_tokens") or 0
    return Usage(
        input_tokens=max(given, read + written),
        output_tokens=max(produced, reasoning),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
    )


def write_usage(usage: Usage) -> dict[str, JsonValue]:
    details: dict[str, JsonValue] = {"cached_tokens": usage.cache_read_tokens}
    if usage.cache_write_tokens:
        details["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": details,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


# ---- reasoning: encrypted content is bound to the id of its item, so the proof holds both


def proof_of_item(item_id: str | None, encrypted: str) -> tuple[str | None, str | None]:
    """Signature and sealed thinking of an item's encrypted content, which may be a proof that was passed on."""
    return taken_back(encrypted) or (proof_by(ID, f"{item_id or ''}:{encrypted}"), None)


def thought_in(node: Members) -> str:
    """The reasoning itself where a server shows it, else its summary."""
    shown = "".join(part.text_or_none("text") or "" for part in node.each("content"))
    summary = "\n\n".join(part.text_or_none("text") or "" for part in node.each("summary"))
    return shown or summary


def read_reasoning(node: Members) -> Reasoning:
    """An item of reasoning; its own members stay in the rest, to go back as they came."""
    item_id, summary, content = node.text_or_none("id"), node.take("summary"), node.take("content")
    encrypted = node.text_or_none("encrypted_content")
    node.take("status")
    kept = only_filled(id=item_id, summary=summary, content=content)
    text = thought_in(Members(kept, node.path, node.refuse))
    signature, redacted = proof_of_item(item_id, encrypted) if encrypted else (None, None)
    return Reasoning(text, signature, redacted, node.rest() | kept)


def item_of_reasoning(reasoning: Reasoning, *, own: bool) -> dict[str, JsonValue] | None:
    """The item that goes back to the provider: what it encrypted, or what a server of open models showed in full.

    None for other reasoning: a summary alone is refused, and other providers' proofs are not for this one.
    """
    proof = own_proof(ID, reasoning.signature)
    open_to_see = own and proof is None and bool(reasoning.rest.get("content"))
    if proof is None and not open_to_see:
        return None
    item: dict[str, JsonValue] = {"type": "reasoning", "summary": summary_of(reasoning.text)}
    if own:
        item |= reasoning.rest
    if proof is not None:
        item_id, _, encrypted = proof.partition(":")
        if item_id:
            item["id"] = item_id
        item["encrypted_content"] = encrypted
    return item


def summary_of(text: str) -> list[JsonValue]:
    return [{"type": "summary_text", "text": text}] if text else []
