import copy
import json
import logging
import pickle
import traceback
from dataclasses import dataclass

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from omniroute_agent.kernel.secret import Secret

PLAIN = "sk-not-a-real-key-0123456789"
SECRET = Secret(PLAIN)


@dataclass
class Holder:
    key: Secret


class Model(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    key: Secret


@pytest.mark.parametrize(
    "shown",
    [
        repr(SECRET),
        str(SECRET),
        f"{SECRET}",
        f"{SECRET!r:>40}",
        f"{SECRET:>40}",
        "%s %r" % (SECRET, SECRET),  # noqa: UP031 (one more way to print)
        "{0} {0!r}".format(SECRET),  # noqa: UP032 (one more way to print)
        repr([SECRET, {"key": SECRET}]),
        repr(Holder(SECRET)),
        repr(Model(key=SECRET)),
        str(Model(key=SECRET)),
        repr(Model(key=SECRET).model_dump()),
    ],
)
def test_a_secret_prints_nowhere(shown: str) -> None:
    assert PLAIN not in shown
    assert "***" in shown


def test_a_secret_does_not_become_json() -> None:
    with pytest.raises(TypeError):
        json.dumps({"key": SECRET})
    with pytest.raises(Exception, match="Secret") as raised:
        Model(key=SECRET).model_dump_json()
    assert PLAIN not in str(raised.value)


def test_a_secret_is_not_pickled_or_copied_by_accident() -> None:
    for way in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            way(SECRET)
    assert not hasattr(SECRET, "__dict__")


def test_a_secret_stays_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("key %s and %r", SECRET, SECRET)
    assert PLAIN not in caplog.text


def test_a_secret_stays_out_of_tracebacks_and_validation_errors() -> None:
    key = Secret(PLAIN)
    with pytest.raises(ValueError, match="bad key") as raised:
        _fail("bad key", key)
    found = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    text = "".join(found.format())
    assert "key = Secret(***)" in text
    assert PLAIN not in text
    with pytest.raises(ValidationError) as invalid:
        Model.model_validate({"key": [key]})
    assert PLAIN not in str(invalid.value)


def _fail(message: str, key: Secret) -> None:
    raise ValueError(message, key)


def test_only_reveal_shows_it_and_equal_secrets_are_equal() -> None:
    assert SECRET.reveal() == PLAIN
    assert Secret(PLAIN) == SECRET
    assert hash(Secret(PLAIN)) == hash(SECRET)
    assert Secret("other") != SECRET
    assert SECRET != PLAIN
    assert (bool(SECRET), bool(Secret(""))) == (True, False)
