"""Where a client may ask from: addresses, networks, the Unix socket."""

import pytest

from hyperkms.access.networks import Networks, address_of, parse_networks
from hyperkms.errors import Malformed

DESK = ["10.0.0.7", "192.168.0.0/16", "fd00::/64", "unix"]


@pytest.mark.parametrize(
    "peer", ["10.0.0.7", "192.168.255.255", "fd00::ffff", "::ffff:10.0.0.7", "::ffff:c0a8:1", None]
)
def test_who_is_in_one_of_them_may(peer: str | None) -> None:
    assert Networks.read(DESK).has(peer)


@pytest.mark.parametrize(
    "peer",
    [
        "10.0.0.8",
        "192.169.0.0",
        "fd00:0:0:1::1",
        "::ffff:10.0.0.8",
        "::10.0.0.7",
        "",
        "unix",
        "localhost",
        "010.0.0.7",
        "10.0.0.7/32",
    ],
)
def test_nobody_else_may(peer: str) -> None:
    assert not Networks.read(DESK).has(peer)


def test_an_ipv4_network_written_in_ipv6_is_the_same_one() -> None:
    """It was read as a network in which no address ever was."""
    mapped = Networks.read(["::ffff:10.0.0.0/104", "::ffff:192.0.2.1"])
    assert mapped == Networks.read(["10.0.0.0/8", "192.0.2.1"])
    assert mapped.has("10.9.9.9")
    assert mapped.has("::ffff:192.0.2.1")
    assert not mapped.has("11.0.0.0")
    assert Networks.read(["::/0"]).has("::1")
    assert not Networks.read(["::fffe:0:0/95"]).has("10.0.0.7")


def test_the_socket_is_none_of_the_addresses() -> None:
    assert not Networks.read(["0.0.0.0/0", "::/0"]).has(None)
    assert Networks.read(["unix"]).has(None)
    assert not Networks.read(["unix"]).has("127.0.0.1")
    assert not Networks().has(None)


def test_they_are_shown_as_they_are_read() -> None:
    words = ["10.0.0.7/32", "192.168.0.0/16", "fd00::/64", "unix"]
    assert Networks.read(DESK).words() == words
    assert Networks.read(words) == Networks.read(DESK)
    assert Networks.read(["10.0.0.7"]).words() == ["10.0.0.7/32"]


@pytest.mark.parametrize("words", [["10.0.0.1/24"], ["host"], [""], ["10.0.0.7", "x"], ["10.0.0.0/33"], ["Unix"]])
def test_what_is_no_network_is_refused_at_its_place(words: list[str]) -> None:
    with pytest.raises(Malformed) as refused:
        parse_networks(words, "networks")
    assert refused.value.details["field"] == "networks"


def test_a_hundred_at_most_and_one_at_least() -> None:
    assert len(parse_networks([f"10.0.0.{number}" for number in range(100)], "x").networks) == 100
    for words in ([], [f"10.0.0.{number}" for number in range(101)]):
        with pytest.raises(Malformed, match="1 to 100"):
            parse_networks(words, "x")


def test_an_address_is_one_in_either_form() -> None:
    assert str(address_of("::ffff:10.0.0.7")) == "10.0.0.7"
    assert str(address_of("fd00::1")) == "fd00::1"
    assert address_of("nobody") is None
