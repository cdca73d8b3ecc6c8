"""What is logged holds no secret, whether it came in the message, an argument, an extra or a traceback."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from omniroute_agent.kernel.secret import Secret
from omniroute_agent.outside.logs import Format, begin_logs

PLANTED = Secret("planted-log-secret-0123456789")
PLAIN = "planted-log-secret-0123456789"


@contextmanager
def logged(form: Format, level: str = "warning") -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, before = list(root.handlers), root.level
    stream = io.StringIO()
    try:
        begin_logs(form, level, stream)
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(before)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_planted_secret_never_reaches_the_log(form: Format) -> None:
    log = logging.getLogger("omniroute_agent.test")
    with logged(form) as stream:
        log.warning("the key %s was refused", PLAIN)
        log.warning("as a header: %r", {"authorization": f"Bearer {PLAIN}"})
        log.warning("an extra", extra={"address": f"https://example.com/?key={PLAIN}"})
        try:
            int(f"bad key {PLAIN}")
        except ValueError:
            log.exception("it broke")
    said = stream.getvalue()
    assert PLAIN not in said
    assert PLAIN[:12] not in said
    assert said.count("***") >= 4
    assert "ValueError" in said


def test_json_is_one_object_a_line() -> None:
    with logged("json") as stream:
        logging.getLogger("omniroute_agent.test").warning("two\nlines", extra={"request_id": "01K", "tries": 2})
        try:
            int("why")
        except ValueError:
            logging.getLogger("omniroute_agent.test").exception("then")
    told: list[dict[str, Any]] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(each["level"], each["message"]) for each in told] == [("warning", "two\nlines"), ("error", "then")]
    assert told[0]["request_id"] == "01K"
    assert told[0]["tries"] == 2
    assert "invalid literal" in told[1]["traceback"]
    assert told[0]["at"].endswith("+00:00")


def test_the_level_holds_and_a_second_begin_takes_the_place_of_the_first() -> None:
    log = logging.getLogger("omniroute_agent.test")
    with logged("text") as first:
        log.info("quiet")
        second = io.StringIO()
        begin_logs("text", "info", second)
        log.info("loud")
    assert first.getvalue() == ""
    assert second.getvalue() == "INFO omniroute_agent.test: loud\n"
