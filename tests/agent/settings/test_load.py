from pathlib import Path

import pytest

from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.page import rows
from omniroute_agent.settings.problems import Problem, SettingsError
from omniroute_agent.settings.sources import connection_key, load


def write(directory: Path, text: str) -> Path:
    path = directory / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def read(directory: Path, text: str, **environment: str) -> Settings:
    return load(config=write(directory, text), environment=environment)


def problems(directory: Path, text: str, **environment: str) -> tuple[Problem, ...]:
    with pytest.raises(SettingsError) as raised:
        read(directory, text, **environment)
    return raised.value.problems


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def test_nothing_configured_is_complete_and_safe(tmp_path: Path) -> None:
    settings = load(environment={})
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 20128)
    assert settings.budget.environment_usd_per_day == 5_000_000_000
    assert settings.tools.packages == ("omniroute_tools",)
    assert not settings.config_found
    assert settings.directory.is_relative_to(tmp_path)
    assert settings.directory.is_absolute()
    assert settings.warnings == ()
    assert str(settings.origin("server.port")) == "default"


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    path = write(tmp_path, "[server]\nport = 1\n[limits]\nconnect_seconds = 1\ntotal_seconds = 1.5\n")
    settings = load(
        config=path,
        overrides={"server.port": 3, "local.threads": None},
        environment={"OMNIROUTE_SERVER_PORT": "2", "OMNIROUTE_LIMITS_CONNECT_SECONDS": "2"},
    )
    assert settings.server.port == 3
    assert settings.limits.connect_seconds == 2
    assert settings.limits.total_seconds == 1.5
    assert settings.limits.first_token_seconds == 60
    assert [str(settings.origin(key)) for key in ("server.port", "limits.connect_seconds", "limits.total_seconds")] == [
        "--port",
        "OMNIROUTE_LIMITS_CONNECT_SECONDS",
        f"{path}:5",
    ]


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert read(tmp_path, "[server]\nport = 7\n", OMNIROUTE_SERVER_PORT="").server.port == 7


def test_every_problem_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
[server]
port = 70000
prot = 1

[limits]
connect_seconds = "soon"

[[connections]]
id = "a"
provider = "openai"
bse_url = "https://example.com"

[[connections]]
id = "a"
provider = "openai"
key_env = "A"
key_file = "a"

[[combos]]
name = "fast"
strategy = "fastest"
targets = ["openai"]

[server_limits]
"""
    found = problems(tmp_path, text, OMNIROUTE_LOCAL_THREADS="many")
    assert [(problem.key, problem.line) for problem in found] == [
        ("local.threads", None),
        ("server.port", 2),
        ("server.prot", 3),
        ("limits.connect_seconds", 6),
        ("connections[0].bse_url", 11),
        ("connections", 14),
        ("connections", 17),
        ("combos[0].strategy", 21),
        ("combos[0].targets", 22),
        ("server_limits", 24),
    ]
    by_key = {problem.key: problem for problem in found}
    assert by_key["server.prot"].nearest[0] == "server.port"
    assert by_key["connections[0].bse_url"].nearest == ("connections[0].base_url",)
    assert by_key["local.threads"].where == "OMNIROUTE_LOCAL_THREADS"
    assert by_key["local.threads"].message == "expected a whole number"
    assert "cost-optimized" in by_key["combos[0].strategy"].message
    assert str(tmp_path / "config.toml") + ":3: server.prot: there is no such setting." in "\n".join(
        problem.sentence() for problem in found
    )


def test_a_key_without_its_section_is_led_home(tmp_path: Path) -> None:
    assert problems(tmp_path, "port = 1\n")[0].nearest == ("server.port",)


def test_a_file_that_is_not_toml_says_on_which_line(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "[server]\nport = = 1\n")
    assert "line 2" in problem.message


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf[server]\r\nport = 8\r\n")
    assert load(config=path, environment={}).server.port == 8


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = 1\n" * 200_000])
def test_a_file_that_cannot_be_settings_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError):
        load(config=path, environment={})


def test_a_named_file_must_exist_and_an_unnamed_one_need_not(tmp_path: Path) -> None:
    for given in ({"config": tmp_path / "no.toml"}, {"environment": {"OMNIROUTE_CONFIG": str(tmp_path / "no.toml")}}):
        with pytest.raises(SettingsError, match="there is no file"):
            load(**{"environment": {}, **given})  # type: ignore[arg-type]  # two shapes of one call
    with pytest.raises(SettingsError, match="cannot be read"):
        load(config=tmp_path, environment={})


def test_a_misspelled_variable_of_ours_is_refused_and_a_foreign_one_only_mentioned(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "", OMNIROUTE_SERVER_PROT="1")
    assert problem.nearest[0] == "OMNIROUTE_SERVER_PORT"
    settings = read(tmp_path, "", OMNIROUTE_API_KEY="sk-not-real")
    assert [warning.key for warning in settings.warnings] == ["OMNIROUTE_API_KEY"]
    assert "sk-not-real" not in settings.warnings[0].sentence()


@pytest.mark.parametrize(
    ("written", "nano"),
    [('"5"', 5_000_000_000), ("5", 5_000_000_000), ("0.1", 100_000_000), ('"0.000000001"', 1), ('"none"', None)],
)
def test_money_is_read_exactly(tmp_path: Path, written: str, nano: int | None) -> None:
    settings = read(tmp_path, f"[budget]\nenvironment_usd_per_day = {written}\n")
    assert settings.budget.environment_usd_per_day == nano


@pytest.mark.parametrize("written", ['"-1"', "nan", "inf", "true", '"five"', "[5]"])
def test_odd_money_is_refused(tmp_path: Path, written: str) -> None:
    (problem,) = problems(tmp_path, f"[budget]\nenvironment_usd_per_day = {written}\n")
    assert "USD" in problem.message


@pytest.mark.parametrize("written", ["true", "nan", "inf", "0", "-1", '""'])
def test_a_time_limit_is_a_positive_number(tmp_path: Path, written: str) -> None:
    (problem,) = problems(tmp_path, f"[limits]\ntotal_seconds = {written}\n")
    assert "greater than 0" in problem.message


def test_prices_are_nano_dollars_per_million_tokens(tmp_path: Path) -> None:
    settings = read(tmp_path, '[prices."openai/gpt-x"]\ninput = 0.15\noutput = "0.6"\ncache_read = 0\n')
    price = settings.prices["openai/gpt-x"]
    assert (price.input, price.output, price.cache_read, price.cache_write) == (150_000_000, 600_000_000, 0, None)
    assert "prices" in problems(tmp_path, "[prices.gpt]\ninput = 1\noutput = 1\n")[0].message


def test_lists_and_switches_come_from_variables_too(tmp_path: Path) -> None:
    settings = read(tmp_path, "", OMNIROUTE_TOOLS_PACKAGES="omniroute_tools, my.tools", OMNIROUTE_LOCAL_ENABLED="off")
    assert settings.tools.packages == ("omniroute_tools", "my.tools")
    assert settings.local.enabled is False
    assert "true or false" in problems(tmp_path, "", OMNIROUTE_LOCAL_ENABLED="maybe")[0].message


def test_relative_paths_in_the_file_start_at_the_file(tmp_path: Path) -> None:
    text = '[storage]\ndirectory = "data"\n[[connections]]\nid = "a"\nprovider = "openai"\nkey_file = "keys/a"\n'
    settings = read(tmp_path, text)
    assert settings.directory == tmp_path / "data"
    assert settings.connections[0].key_file == tmp_path / "keys" / "a"


def test_the_data_directory_follows_the_same_precedence(tmp_path: Path) -> None:
    path = write(tmp_path, '[storage]\ndirectory = "file"\n')
    environment = {"OMNIROUTE_DATA_DIR": str(tmp_path / "env")}
    assert load(config=path, environment=environment).directory == tmp_path / "env"
    settings = load(config=path, data_dir=tmp_path / "flag", environment=environment)
    assert settings.directory == tmp_path / "flag"
    assert str(settings.origin("storage.directory")) == "--data-dir"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2"])  # noqa: S104 (refused)
def test_without_encryption_only_loopback_is_listened_on(tmp_path: Path, host: str) -> None:
    (problem,) = problems(tmp_path, f'[server]\nhosts = ["gateway.example"]\nhost = "{host}"\n')
    assert "`tls_cert`" in problem.message
    assert "`trusted_proxies`" in problem.message


@pytest.mark.parametrize(
    "lines", ['tls_cert = "cert.pem"\ntls_key = "/keys/key.pem"', 'trusted_proxies = ["10.0.0.5", "fd00::/64"]']
)
def test_with_encryption_others_may_be_listened_to(tmp_path: Path, lines: str) -> None:
    path = write(tmp_path, f'[server]\nhost = "::"\nhosts = ["Gateway.Example"]\n{lines}\n')
    server = load(config=path, environment={}).server
    assert (server.hosts, server.looks_outward) == (("gateway.example",), True)
    assert server.tls_cert in {None, tmp_path / "cert.pem"}


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('[server]\nhost = "example.com"', "an address of this machine"),
        ('[server]\nhost = "0.0.0.0"\ntls_cert = "a"\ntls_key = "b"', "`hosts`"),
        ('[server]\ntls_cert = "a"', "both"),
        ('[server]\nhosts = ["gateway.example:443"]', "without port"),
        ('[server]\nhosts = ["*"]', "without port"),
        ('[server]\ncors_origins = ["*"]', 'no "*"'),
        ('[server]\ncors_origins = ["https://app.example/"]', "origins"),
        ('[server]\ncors_origins = ["null"]', "origins"),
        ('[server]\ntrusted_proxies = ["0.0.0.0/0"]', "10.0.0.0/24"),
        ('[server]\ntrusted_proxies = ["proxy.example"]', "10.0.0.0/24"),
        ("[server]\nmax_body_mib = 17", "at most 16"),
        ('[auth]\nissuer = "https://issuer.example"', "`audience`"),
        ('[auth]\naudience = "https://gateway.example/mcp"', "`issuer`"),
        (
            '[auth]\nissuer = "https://i.example"\naudience = "a"\njwks_url = "https://i.example/k"\njwks_file = "k"',
            "one of",
        ),
        ('[auth]\nissuer = "https://i.example"\naudience = "a"\njwks_url = "http://i.example/k"', "https"),
    ],
)
def test_what_would_open_the_door_too_far_is_refused(tmp_path: Path, lines: str, complaint: str) -> None:
    (problem,) = problems(tmp_path, f"{lines}\n")
    assert complaint in problem.message


def test_the_last_slash_of_an_issuer_counts(tmp_path: Path) -> None:
    lines = 'issuer = "https://i.example/"\naudience = "a"\njwks_file = "keys.json"\n'
    auth = load(config=write(tmp_path, f"[auth]\n{lines}"), environment={}).auth
    assert (auth.issuer, auth.jwks_file) == ("https://i.example/", tmp_path / "keys.json")


@pytest.mark.parametrize(
    "url", ["ftp://example.com", "example.com", "https://me:secret@example.com", "https://example.com?key=1", "http://"]
)
def test_an_odd_address_is_refused_without_being_repeated(tmp_path: Path, url: str) -> None:
    text = f'[[connections]]\nid = "a"\nprovider = "openai"\nbase_url = "{url}"\n'
    (problem,) = problems(tmp_path, text)
    assert "secret" not in problem.sentence()


def test_a_literal_key_works_warns_and_never_shows(tmp_path: Path) -> None:
    text = """\
[[connections]]
id = "a"
provider = "openai"
key = "sk-not-real"
headers = { "X-Org" = "hidden-org" }
"""
    settings = read(tmp_path, text)
    assert [(warning.key, warning.line) for warning in settings.warnings] == [("connections.a.key", 4)]
    found = connection_key(settings.connections[0])
    assert found.secret is not None
    assert found.secret.reveal() == "sk-not-real"
    shown = f"{settings!r} {settings} {list(rows(settings))} {settings.warnings}"
    assert "sk-not-real" not in shown
    assert "hidden-org" not in shown
    assert [(row.key, row.value) for row in rows(settings)][-3:] == [
        ("connections.a.provider", "openai"),
        ("connections.a.key", "***"),
        ("connections.a.headers", "X-Org: ***"),
    ]


@pytest.mark.parametrize(
    ("url", "warned"),
    [("http://192.168.1.9:8000/v1", True), ("http://localhost:8000", False), ("https://192.168.1.9/v1", False)],
)
def test_a_key_that_would_travel_unencrypted_is_mentioned(tmp_path: Path, url: str, warned: bool) -> None:
    text = f'[[connections]]\nid = "a"\nprovider = "vllm"\nkey_env = "A"\nbase_url = "{url}"\n'
    warnings = read(tmp_path, text, A="sk-not-real").warnings
    assert [warning.line for warning in warnings] == ([5] if warned else [])


def test_a_bad_file_with_a_key_in_it_never_shows_the_key(tmp_path: Path) -> None:
    text = '[server]\nport = "x"\n[[connections]]\nid = "a"\nprovider = "openai"\nkey = ["sk-not-real"]\n'
    with pytest.raises(SettingsError) as raised:
        read(tmp_path, text)
    assert raised.value.__context__ is None
    assert "sk-not-real" not in f"{raised.value} {raised.value.problems!r}"


def test_wrong_shapes_are_explained(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "server = 3\n")
    assert problem.message == "expected a table"
    (problem,) = problems(tmp_path, "connections = 3\n")
    assert "list of tables" in problem.message
    (first, second) = problems(tmp_path, "[[connections]]\nid = 'a/b'\n")
    assert "64 letters" in first.message or "64 letters" in second.message
    assert "required" in first.message or "required" in second.message


def test_an_override_for_an_unknown_setting_is_a_bug() -> None:
    with pytest.raises(KeyError):
        load(overrides={"server.prot": 1}, environment={})
