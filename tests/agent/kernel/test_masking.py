"""A secret is gone from a text in whatever form it got there, and the rest of the text stays."""

import base64
import gc
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.kernel.masking import MASK, masked, masked_beginning
from omniroute_agent.kernel.secret import Secret, living_secrets

PLAIN = 'obviously fake/secret+value"42'
SECRET = Secret(PLAIN)


@pytest.mark.parametrize(
    "form",
    [
        PLAIN,
        json.dumps(PLAIN),
        json.dumps({"key": PLAIN}),
        quote(PLAIN),
        quote(PLAIN, safe=""),
        PLAIN.encode().hex(),
        PLAIN.encode().hex().upper(),
        base64.b64encode(PLAIN.encode()).decode(),
        base64.b64encode(f"user:{PLAIN}".encode()).decode(),
        base64.urlsafe_b64encode(f"Bearer {PLAIN}!".encode()).decode(),
        PLAIN[:16],
        f"{PLAIN[:14]}…",
    ],
)
def test_a_secret_is_masked_in_every_form(form: str) -> None:
    text = masked(f"before {form} after")
    assert MASK in text
    assert text.startswith("before ")
    assert text.endswith(" after")
    for seen in (PLAIN, PLAIN[:12], PLAIN.encode().hex(), base64.b64encode(PLAIN.encode()).decode()[4:-8]):
        assert seen not in text


@pytest.mark.parametrize(
    "text",
    [
        "the key sk-proj-abcDEF0123456789 was refused",
        "AIzaSyA0123456789abcdefghijklmnop",
        "Authorization: Bearer abcdefgh1234",
        "Authorization: Basic dXNlcjpwYXNzd29yZA==",
        '{"x-api-key": "aaaabbbbcccc"}',
        "https://example.com/v1?api_key=aaaabbbbcccc&x=1",
        "http://user:hunter22@proxy.example:3128",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "-----BEGIN PRIVATE KEY-----\nMIIEvAIBADANBg\n-----END PRIVATE KEY-----",
        "orak_0123456789abcdef0123456789abcdef",
    ],
)
def test_what_looks_like_a_secret_is_masked_though_nobody_holds_it(text: str) -> None:
    shown = masked(text, ())
    assert MASK in shown
    for part in ("abcDEF", "SyA012", "abcdefgh1234", "dXNl", "aaaabbbb", "hunter22", "c2lnbm", "MIIEv", "89abcdef"):
        assert part not in shown


@pytest.mark.parametrize(
    "text",
    [
        "retention could not run: The database storage.sqlite cannot be used: it is locked.",
        "The connection openai-work cools down (rate_limited) until 2026-11-21 12:00:00 UTC.",
        "key_cooldown_seconds is 30; basic information; bearer of news",
        "omniroute_route_request failed with ValueError (reference 0123456789)",
        "request 01KAJQ4ZJ6S7V3T8W2X5Y9ABCD was served by one/gpt-5-mini-2025-08-07",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert masked(text, ()) == text


def test_a_short_value_is_no_secret_worth_garbling_texts_for() -> None:
    assert masked("a true story", (Secret("true"),)) == "a true story"


@given(st.text(min_size=8, max_size=60), st.text(max_size=30), st.text(max_size=30))
def test_no_text_around_it_keeps_a_secret_in_sight(value: str, before: str, after: str) -> None:
    assert value not in masked(before + value + after, (Secret(value),)).replace(MASK, "\0") or value in before + after


def test_a_secret_that_nobody_holds_is_forgotten() -> None:
    held = Secret("held-for-a-moment-0815")
    same = Secret("held-for-a-moment-0815")
    assert held in living_secrets()
    del held
    gc.collect()
    assert same in living_secrets()
    del same
    gc.collect()
    assert all(secret.reveal() != "held-for-a-moment-0815" for secret in living_secrets())


@pytest.mark.parametrize(
    "unit",
    [
        *("sk-", "sk-a", "key_", "eyJ", "eyJaaaaaaaa-", "eyJaaaaaaaa.", "bearer ", "bearer aaaaaaaaa", "password"),
        *("password=", "api-key: ", "://a:", "://", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "A", "lorem ipsum "),
    ],
)
def test_masking_takes_time_in_proportion_to_the_text(unit: str) -> None:
    begun = time.process_time()
    masked(unit * (1_000_000 // len(unit)), ())
    # Seconds at most; where each place is looked at from all others it is half an hour.
    assert time.process_time() - begun < 60


def test_a_secret_in_an_endless_text_is_masked() -> None:
    long = "sk-" + "a1" * 5_000
    assert masked(f"{long} and {'sk-a' * 100} {'eyJ' + 'a' * 20_000}.{'b' * 20_000}.c", ()).count("a1") == 0


def test_the_beginning_of_a_long_text_is_masked_like_the_whole() -> None:
    text = f"{'x' * 90} {PLAIN} {'y' * 900_000}"
    assert masked_beginning(text, 100) == f"{masked(text)[:100]}…"
    assert masked_beginning(text[:150], 100) == f"{masked(text[:150])[:100]}…"
    assert masked_beginning(f"{'x' * 90} {PLAIN}", 100) == f"{'x' * 90} {MASK}"
    assert masked_beginning("short", 100) == "short"
    for form in (PLAIN, PLAIN.encode().hex(), quote(PLAIN)):
        for lead in range(4_000, 4_600, 7):
            shown = masked_beginning("ab " * 50 + f"{PLAIN} " * 100 + "-" * lead + form + "z" * 50_000, 200)
            assert PLAIN[:12] not in shown
            assert form[:12] not in shown
            assert len(shown) <= 201
