"""The address rule: what may be connected to, decided from text alone."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute_agent.outside.addresses import AllowedOrigins, Origin, host_fault, is_own, is_public, origin_of

ATTACK_HOSTS = (
    # loopback, unspecified, private, shared, link-local, metadata
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 (an attack, not a binding)
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    # reserved, benchmark, relay, documentation, multicast, broadcast
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    # the same in other spellings
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "0",
    "127.0.0.0x1",
    "1.2.3.4.5",
    # IPv6
    "::",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "100::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "4000::1",
    # names
    "localhost",
    "LOCALHOST",
    "localhost.",
    "foo.localhost",
    "metadata.google.internal",
    "printer.local",
    "router.home.arpa",
    # what two parsers read differently
    "",
    ".",
    "example..com",
    "exam ple.com",
    "example.com%00.evil.com",
    "user@127.0.0.1",
    "example.com\\@127.0.0.1",
    "example.com#@127.0.0.1",
    "127.0.0.1:80",
    "[::1]",
    "ⓛocalhost",
    "127。0。0。1",
    "١٢٧.0.0.1",
    "-example.com",
)
GOOD_HOSTS = (
    "api.openai.com",
    "example.com.",
    "xn--bcher-kva.example.org",
    "8.8.8.8",
    "1.1.1.1",
    "2606:4700:4700::1111",
)


@pytest.mark.parametrize("host", ATTACK_HOSTS)
def test_a_host_that_is_not_plainly_public_is_refused_before_it_is_resolved(host: str) -> None:
    assert host_fault(host)


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_a_public_host_passes(host: str) -> None:
    assert host_fault(host) is None


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_passes_that_the_library_calls_not_global(address: ipaddress.IPv4Address) -> None:
    assert not is_public(str(address)) or (address.is_global and not address.is_multicast)


@given(st.ip_addresses(v=4), st.sampled_from(("::ffff:0:0", "::", "64:ff9b::", "::ffff:0:0:0")))
def test_an_ipv4_address_inside_an_ipv6_address_never_passes(hidden: ipaddress.IPv4Address, prefix: str) -> None:
    assert not is_public(str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) + int(hidden))))


@given(st.ip_addresses(v=4))
def test_a_6to4_address_never_passes(hidden: ipaddress.IPv4Address) -> None:
    assert not is_public(str(ipaddress.IPv6Address((0x2002 << 112) + (int(hidden) << 80))))


@given(st.text())
def test_any_text_gets_a_verdict(host: str) -> None:
    assert host_fault(host) is None or isinstance(host_fault(host), str)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "192.168.1.20", "10.1.2.3", "100.64.0.7", "fd12::1", "8.8.8.8"]
)
def test_an_allowed_origin_may_lead_to_the_owners_machines(address: str) -> None:
    assert is_own(address)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "::", "224.0.0.1", "168.63.129.16", "nonsense"])
def test_an_allowed_origin_may_not_lead_to_metadata_or_multicast(address: str) -> None:
    assert not is_own(address)


def test_an_origin_is_exact_in_scheme_host_and_port() -> None:
    origins = AllowedOrigins("http://127.0.0.1:11434/v1")
    assert origins.allows(Origin("http", "127.0.0.1", 11434))
    assert not origins.allows(Origin("https", "127.0.0.1", 11434))
    assert not origins.allows(Origin("http", "127.0.0.1", 11435))
    assert not origins.allows(Origin("http", "localhost", 11434))
    origins.withdraw("http://127.0.0.1:11434")
    assert not origins.allows(Origin("http", "127.0.0.1", 11434))


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("HTTP://LocalHost", Origin("http", "localhost", 80)),
        ("https://nas.lan/v1", Origin("https", "nas.lan", 443)),
        ("http://[0:0::1]:8080/", Origin("http", "::1", 8080)),
    ],
)
def test_an_origin_is_read_in_its_one_spelling(url: str, origin: Origin) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:80",
        "ftp://127.0.0.1",
        "http://",
        "http://a@b",
        "http://a:0",
        "http://a:99999",
        "http://a b",
        "http://*",
    ],
)
def test_what_is_no_origin_cannot_be_allowed(url: str) -> None:
    with pytest.raises(ValueError, match="looks like"):
        AllowedOrigins().allow(url)
