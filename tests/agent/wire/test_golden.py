"""`<kind>-<case>.<from>-<to>.json`: what one dialect said, and what the other must be told.

The expected values were written from the providers' references. `quirks` stand in the file where they matter.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from omniroute_agent.wire.dialect import Dialect, Quirks
from omniroute_agent.wire.sse import ServerSentEvent
from omniroute_agent.wire.table import DIALECTS

GOLDEN = Path(__file__).parent / "golden"
FULL_NAMES = {
    "openai": "openai-chat",
    "responses": "openai-responses",
    "anthropic": "anthropic-messages",
    "gemini": "gemini",
    "ollama": "ollama",
}


def cases(kind: str) -> list[str]:
    return sorted(path.stem for path in GOLDEN.glob(f"{kind}-*.json"))


def open_case(name: str) -> tuple[dict[str, Any], Dialect, Dialect]:
    source, _, target = name.rpartition(".")[2].partition("-")
    case: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return case, DIALECTS[FULL_NAMES[source]], DIALECTS[FULL_NAMES[target]]


@pytest.mark.parametrize("name", cases("request"))
def test_a_request_says_the_same_in_the_other_dialect(name: str) -> None:
    case, source, target = open_case(name)
    quirks = Quirks(**case.get("quirks", {}))
    written = target.write_request(source.read_request(case["input"]), model=case["model"], quirks=quirks, stream=True)
    assert written == case["expected"]


@pytest.mark.parametrize("name", cases("answer"))
def test_an_answer_says_the_same_in_the_other_dialect(name: str) -> None:
    case, source, target = open_case(name)
    assert target.write_answer(source.read_answer(case["input"]), id="x", model="served", created=7) == case["expected"]


def data_of(events: Iterable[ServerSentEvent]) -> list[Any]:
    return [event.data if event.data == "[DONE]" else json.loads(event.data) for event in events]


@pytest.mark.parametrize("name", cases("stream"))
def test_a_stream_says_the_same_in_the_other_dialect(name: str) -> None:
    case, source, target = open_case(name)
    decoder = source.decoder(Quirks())
    encoder = target.encoder(id="x", model="served", created=7, include_usage=True)
    written = b""
    for data in case["input"]:
        sent = ServerSentEvent(data if isinstance(data, str) else json.dumps(data))
        for event in decoder.feed(sent):
            written += encoder.encode(event)
    decoder.close()
    written += encoder.finish()
    assert data_of(target.splitter().feed(written)) == case["expected"]
