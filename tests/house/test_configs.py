from pathlib import Path
from typing import get_args

import pytest

from omniroute_agent.clients.change import is_ours
from omniroute_agent.clients.edit import read
from omniroute_agent.clients.snippets import snippets
from omniroute_agent.clients.table import CLIENTS, Client
from omniroute_agent.clients.values import get
from omniroute_agent.engine.combos import BUILT_IN
from omniroute_agent.engine.nesting import expand
from omniroute_agent.engine.strategies import STRATEGIES
from omniroute_agent.engine.strategies.validation import validate
from omniroute_agent.providers.table import PROVIDERS
from omniroute_agent.settings.entries import Strategy
from omniroute_agent.settings.sources import load

CONFIGS = Path(__file__).resolve().parent.parent.parent / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.name)
def test_an_example_of_settings_loads_and_hangs_together(path: Path) -> None:
    loaded = load(config=path, environment={})
    # That no key lies on this machine may be said, anything else may not.
    assert [warning.sentence() for warning in loaded.warnings if "connections." not in warning.key] == []
    assert {connection.provider for connection in loaded.connections} <= set(PROVIDERS)
    known = {connection.id for connection in loaded.connections} | {"local"}
    combos = {combo.name: combo for combo in loaded.combos}
    for combo in loaded.combos:
        plain = expand(combo.name, combo.targets, combos)
        assert plain.excluded == ()
        assert {target.partition("/")[0] for target in plain.targets} <= known
        assert validate(combo.strategy, combo.all_options, ()) == ()
    assert loaded.routing.default_combo in {*combos, BUILT_IN}


@pytest.mark.parametrize("client", CLIENTS.values(), ids=lambda client: client.id)
def test_a_client_example_starts_our_server(client: Client) -> None:
    text = (CONFIGS / "clients" / f"{client.id}.{client.form}").read_text(encoding="utf-8")
    assert dict(snippets())[f"{client.id}.{client.form}"] == text, "run `python .ci/pages.py`"
    server = get(read(text, client.form), (*client.table, "omniroute"))
    assert is_ours(server)
    given = server.get("cmd") or server["command"]
    command, *args = given if isinstance(given, list) else [given, *server["args"]]
    assert Path(command).is_absolute()
    assert Path(command).name == "omniroute-agent"
    assert args == ["mcp"]
    assert server.get("type", "stdio") in {"stdio", "local"}


def test_there_is_no_example_of_a_client_nobody_knows() -> None:
    assert {path.name for path in (CONFIGS / "clients").iterdir()} == {name for name, _ in snippets()}


def test_every_example_is_listed() -> None:
    page = (CONFIGS / "README.md").read_text(encoding="utf-8")
    for path in CONFIGS.rglob("*.*"):
        if path.name != "README.md":
            assert f"`{path.relative_to(CONFIGS).as_posix()}`" in page, path


def test_settings_and_rooms_use_the_same_words() -> None:
    """The settings may not import the rooms, so both spell this out."""
    assert set(get_args(Strategy)) == set(STRATEGIES)
