import pytest

from omniroute_agent.kernel.proxy import DIRECTLY, has_password, proxy_of, shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("https://proxy.example/", "https://proxy.example"),
        ("socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080"),
        ("socks5h://[::1]:1080", "socks5h://[::1]:1080"),
        ("http://me:obviously-fake@proxy.example:3128", "http://***@proxy.example:3128"),
    ],
)
def test_a_proxy_is_shown_without_its_password(text: str, told: str) -> None:
    proxy = proxy_of(text)
    assert shown(proxy) == told
    assert has_password(proxy) == ("***" in told)
    assert "obviously-fake" not in repr(proxy)


def test_none_means_directly() -> None:
    assert proxy_of("None") == DIRECTLY
    assert shown(DIRECTLY) == "none"
    assert not has_password(DIRECTLY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "proxy.example:3128",
        "ftp://x",
        "http://",
        "http://x:99999",
        "http://x/path",
        "http://x?q",
        "http://a b",
        "http://x\n",
    ],
)
def test_what_is_no_proxy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a proxy like"):
        proxy_of(text)


def test_a_refused_proxy_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="expected a proxy like") as told:
        proxy_of("ftp://me:obviously-fake@proxy.example")
    assert "obviously-fake" not in str(told.value)
