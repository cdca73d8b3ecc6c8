"""Headers and proxies as the file and the environment spell them."""

from pathlib import Path

import pytest

from omniroute_agent.kernel.proxy import DIRECTLY
from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.page import rows
from omniroute_agent.settings.problems import SettingsError
from omniroute_agent.settings.sources import load


def read(tmp_path: Path, text: str, **environment: str) -> Settings:
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    return load(config=tmp_path / "config.toml", environment=environment)


def test_headers_are_read_by_provider_and_model_and_never_shown(tmp_path: Path) -> None:
    settings = read(
        tmp_path, '[headers.openai]\n"X-Team" = "hidden"\n[headers."openai/gpt"]\n"X-Team" = "hidden too"\n'
    )
    assert {
        place: {name: text.reveal() for name, text in found.items()} for place, found in settings.headers.items()
    } == {
        "openai": {"X-Team": "hidden"},
        "openai/gpt": {"X-Team": "hidden too"},
    }
    shown = {row.key: (row.value, row.origin) for row in rows(settings)}
    assert shown['headers."openai/gpt"'] == ("X-Team: ***", str(tmp_path / "config.toml"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[headers.openai]\nAuthorization = "hidden"\n',
            ":1: headers.openai: the header 'Authorization' carries the key",
        ),
        ('[headers."openai/"]\nX = "hidden"\n', 'expected [headers."provider"]'),
        (
            '[[connections]]\nid = "a"\nprovider = "openai"\nheaders = { Host = "hidden" }\n',
            ":4: connections[0].headers",
        ),
        ('[proxy]\nurl = "ftp://hidden"\n', ':2: proxy.url: expected a proxy like "http://proxy.example:3128"'),
        ("[proxy]\nproviders = { openai = 3 }\n", ":2: proxy.providers: expected a table of addresses"),
        (
            '[[connections]]\nid = "a"\nprovider = "openai"\nexpires = "hidden"\n',
            ":4: connections[0].expires: expected a day",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused_by_line_and_not_repeated(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, text)
    assert told in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_proxies_are_shown_without_their_passwords(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        '[proxy]\nurl = "http://me:hidden@proxy.example:3128"\nproviders = { openai = "none" }\n'
        '[[connections]]\nid = "a"\nprovider = "openai"\nproxy = "socks5://me:hidden@x:1"\nexpires = 2027-01-31\n',
    )
    assert settings.proxy.providers == {"openai": DIRECTLY}
    shown = {row.key: row.value for row in rows(settings)}
    assert shown["proxy.url"] == "http://***@proxy.example:3128"
    assert shown["proxy.providers"] == "openai: none"
    assert shown["connections.a.proxy"] == "socks5://***@x:1"
    assert shown["connections.a.expires"].startswith("2027-01-31")


def test_proxies_come_from_the_environment_too(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        "",
        OMNIROUTE_PROXY_URL="socks5://127.0.0.1:1080",
        OMNIROUTE_PROXY_PROVIDERS="openai=http://a.example:1, groq=none",
    )
    assert settings.proxy.url is not None
    assert settings.proxy.url.reveal() == "socks5://127.0.0.1:1080"
    assert {name: proxy.reveal() for name, proxy in settings.proxy.providers.items()} == {
        "openai": "http://a.example:1",
        "groq": "",
    }
