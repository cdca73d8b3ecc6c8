"""What a chat asks of a model: the capabilities it needs and how large it is."""

from dataclasses import dataclass

from omniroute_agent.kernel.chat import Chat
from omniroute_agent.providers.model import ModelFacts
from omniroute_agent.providers.tokens import IMAGE_TOKENS, image_bound, image_count, text_bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    vision: bool
    tools: bool
    json_schema: bool
    input_tokens: int
    """Counted or estimated; `input_source` says which."""
    input_source: str
    input_bound: int
    """No provider can count more than this, images apart."""
    max_tokens: int | None
    """The caller's own output cap."""
    images: int = 0

    def bound(self, model: str) -> int:
        """The most input tokens this model's provider can count."""
        return self.input_bound + self.images * image_bound(model) if self.images else self.input_bound


def needs_of(chat: Chat, *, input_tokens: int, input_source: str) -> Needs:
    images = image_count(chat)
    return Needs(
        vision=images > 0,
        tools=bool(chat.tools),
        json_schema=chat.response_format is not None and chat.response_format.schema is not None,
        input_tokens=input_tokens,
        input_source=input_source,
        input_bound=max(text_bound(chat), input_tokens - images * IMAGE_TOKENS),
        max_tokens=chat.max_tokens,
        images=images,
    )


def unmet(needs: Needs, facts: ModelFacts) -> tuple[str, str] | None:
    """The first need this model is known not to meet, as (machine word, sentence); None when nothing speaks against it.

    A capability nobody knows does not exclude: see `unconfirmed`.
    """
    if needs.vision and facts.vision is False:
        return "no_vision", "It cannot read images."
    if needs.tools and facts.tools is False:
        return "no_tools", "It cannot call tools."
    if needs.json_schema and facts.json_schema is False:
        return "no_json_schema", "It cannot follow a JSON schema."
    if facts.context_tokens is not None and needs.input_tokens >= facts.context_tokens:
        return (
            "context_too_small",
            f"About {needs.input_tokens} input tokens do not fit its window of {facts.context_tokens}.",
        )
    if (
        facts.max_output_tokens is not None
        and needs.max_tokens is not None
        and needs.max_tokens > facts.max_output_tokens
    ):
        return (
            "output_too_long",
            f"It writes at most {facts.max_output_tokens} tokens; {needs.max_tokens} were asked for.",
        )
    return None


def unconfirmed(needs: Needs, facts: ModelFacts) -> tuple[str, ...]:
    """Needs that nobody could confirm or deny for this model."""
    if facts.context_tokens is not None and not (needs.vision or needs.tools or needs.json_schema):
        return ()
    checks = (
        (needs.vision, facts.vision, "vision"),
        (needs.tools, facts.tools, "tools"),
        (needs.json_schema, facts.json_schema, "json_schema"),
        (True, facts.context_tokens, "context_tokens"),
    )
    return tuple(name for needed, known, name in checks if needed and known is None)
