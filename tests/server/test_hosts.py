"""Which names the server answers to, and which pages may speak to it."""

from __future__ import annotations

import pytest

from backend.errors import BadInput
from pages.server.hosts import Hosts, hosts_of, is_loopback, is_wildcard

USUAL = ("127.0.0.1", "localhost")


def local() -> Hosts:
    return hosts_of("127.0.0.1", USUAL, ())


def shared(*listed: str) -> Hosts:
    return hosts_of("0.0.0.0", USUAL, listed)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8501", "localhost", "LOCALHOST:8501", "localhost.:8501", "[::1]:8501", "127.0.0.1:1"]
)
def test_the_names_of_this_computer_are_answered(host: str) -> None:
    assert local().allow(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.5:8501"),
        *(
            "evil@127.0.0.1",
            "127.0.0.1/x",
            "127.0.0.1:x",
            "127.0.0.1:99999",
            "[::1",
            "127.0.0.1#",
            "a" * 5000,
        ),
        *("127.0.0.1 evil", "0.0.0.0", "2130706433", "[::ffff:127.0.0.1]"),
    ],
)
def test_all_else_is_not(host: str) -> None:
    assert not local().allow(host)


def test_a_server_on_the_network_answers_to_numbers_and_to_the_names_it_was_told() -> None:
    assert shared().allow("10.0.0.7:8501")  # a number cannot be pointed elsewhere as a name can
    assert shared().allow("[fd00::7]:8501")
    assert not shared().allow("studio.example.org")
    listed = shared("studio.example.org", "*.cluster.example", "https://ood.example:8443")
    for host in ("studio.example.org:8501", "STUDIO.example.org", "node7.cluster.example", "ood.example"):
        assert listed.allow(host)
    for host in ("xstudio.example.org", "cluster.example", "evilcluster.example"):
        assert not listed.allow(host)


@pytest.mark.parametrize(
    ("origin", "scheme", "host"),
    [
        ("http://127.0.0.1:8501", "http", "127.0.0.1:8501"),
        ("http://localhost", "http", "localhost:80"),
        ("https://localhost", "https", "localhost"),
        ("HTTP://LOCALHOST:8501", "http", "localhost:8501"),
    ],
)
def test_the_page_itself_may_speak_to_us(origin: str, scheme: str, host: str) -> None:
    assert local().allow_origin(origin, scheme, host)


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "null",
            "",
            "http://",
            "file://",
            "http://127.0.0.1",
            "http://127.0.0.1:8502",
            "http://localhost:8501",
        ),
        *("https://127.0.0.1:8501", "http://evil.example", "http://evil.example:8501", "//127.0.0.1:8501"),
        *("http://127.0.0.1:8501@evil.example", "http://127.0.0.1:8501.evil.example", "ws://127.0.0.1:8501"),
    ],
)
def test_no_other_page_may_not_even_of_this_computer(origin: str) -> None:
    assert not local().allow_origin(origin, "http", "127.0.0.1:8501")
    assert not shared("studio.example.org").allow_origin(origin, "http", "127.0.0.1:8501")


@pytest.mark.parametrize(
    ("listed", "origin", "host"),
    [
        ("ood.example", "https://ood.example", "node7:8501"),  # the proxy names us by our own name
        ("ood.example", "https://ood.example", "ood.example"),  # it ends https
        ("ood.example:8443", "https://ood.example:8443", "node7:8501"),
        ("https://ood.example:8443", "https://ood.example:8443", "node7:8501"),
        ("ood.example", "https://ood.example:8443", "ood.example:8443"),
        ("*.example", "https://ood.example", "ood.example"),
    ],
)
def test_the_public_address_of_a_proxy_may_where_it_is_named(listed: str, origin: str, host: str) -> None:
    assert shared(listed).allow_origin(origin, "http", host)
    assert not shared().allow_origin(origin, "http", host)


@pytest.mark.parametrize(
    ("listed", "origin"),
    [
        ("ood.example", "https://ood.example:9999"),
        ("https://ood.example", "http://ood.example"),
        ("ood.example", "https://ood.example.evil"),
        ("*", "https://evil.example"),
    ],
)
def test_and_nothing_beside_it(listed: str, origin: str) -> None:
    assert not shared(listed).allow_origin(origin, "http", "node7:8501")


@pytest.mark.parametrize("entry", ["a b", "ftp://x", "https://", "x/y", "x:99999", "a" * 400])
def test_an_entry_that_is_no_address_is_a_sentence(entry: str) -> None:
    with pytest.raises(BadInput, match="SCVI_STUDIO_ALLOWED_HOSTS"):
        shared(entry)


def test_what_reaches_beyond_this_computer() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.0.1", "::1", "[::1]", "localhost", "LOCALHOST")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "", "node7", "localhost.evil.example")))
    assert all(map(is_wildcard, ("0.0.0.0", "::", "")))
    assert not is_wildcard("10.0.0.1")
