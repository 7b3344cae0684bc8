"""`X-Forwarded-For` is believed of those proxies that are named, and of nobody else."""

import pytest

from hyperkms.access.proxies import Proxies
from hyperkms.errors import Malformed

DESK = Proxies.parse("10.0.0.7, fd00::/64,192.168.0.0/16, unix", "X")


@pytest.mark.parametrize("peer", ["10.0.0.7", "fd00::1", "192.168.3.4", "::ffff:10.0.0.7", None])
def test_a_named_proxy_is_trusted(peer: str | None) -> None:
    assert DESK.trusts(peer)


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.8", "fd01::1", "", "not an address"])
def test_nobody_else_is(peer: str) -> None:
    assert not DESK.trusts(peer)


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", None])
def test_by_default_nobody_is_trusted(peer: str | None) -> None:
    assert not Proxies.parse("", "X").trusts(peer)


CASES = {
    "one": (["203.0.113.9"], "203.0.113.9"),
    "what the client wrote itself stands before": (["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
    "a proxy behind a proxy": (["203.0.113.9, 10.0.0.7"], "203.0.113.9"),
    "several lines are one list": (["1.1.1.1", "203.0.113.9, 192.168.0.1"], "203.0.113.9"),
    "nonsense next to the proxy": (["203.0.113.9, nonsense"], None),
    "nonsense further away": (["nonsense, 10.0.0.7"], "10.0.0.7"),
    "none": ([], None),
    "IPv6": (["2001:db8::5"], "2001:db8::5"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_client_is_the_last_address_that_is_no_proxy(case: str) -> None:
    lines, client = CASES[case]
    assert DESK.client_of(lines) == client


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1/8", "10.0.0", "*"])
def test_a_list_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="HYPERKMS_TRUSTED_PROXIES"):
        Proxies.parse(text, "HYPERKMS_TRUSTED_PROXIES")
