"""What nobody foresaw is told with its place, and without a secret."""

import pytest

from omniroute_agent.cli.failures import tell
from omniroute_agent.kernel.secret import Secret


def _refused(held: Secret) -> None:
    raise RuntimeError(f"the server refused {held.reveal()} and sk-proj-abcDEF0123456789")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_defect_shows_no_secret(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    held = Secret("obviously-fake-word-0815")
    with pytest.raises(RuntimeError) as failed:
        _refused(held)
    assert tell(failed.value, as_json=as_json) == 1
    said = capsys.readouterr().err
    assert "obviously-fake-word" not in said
    assert "abcDEF0123456789" not in said
    assert "in _refused" in said
    assert "RuntimeError: the server refused ***" in said
    assert "This is a defect of omniroute-agent: RuntimeError." in said
