"""Networks in CIDR form: where a client may ask from, and which peers are trusted proxies."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from hyperkms.errors import Malformed

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
UNIX = "unix"
"""Whoever connects through the Unix socket."""
_MOST = 100
_MAPPED_BITS = 96


@dataclass(frozen=True)
class Networks:
    """Addresses, and perhaps the Unix socket."""

    networks: tuple[Network, ...] = ()
    unix: bool = False

    @classmethod
    def read(cls, words: Iterable[str]) -> "Networks":
        """Addresses and networks, such as 10.0.0.7 and fd00::/64; `unix` is the Unix socket. ValueError otherwise."""
        listed = list(words)
        return cls(tuple(_network(word) for word in listed if word != UNIX), UNIX in listed)

    def words(self) -> list[str]:
        """As `read` takes them."""
        return [*map(str, self.networks), *([UNIX] if self.unix else [])]

    def has(self, peer: str | None) -> bool:
        """Whether this address is one of them; None is the Unix socket, and what is no address is in none."""
        if peer is None:
            return self.unix
        address = address_of(peer)
        return address is not None and any(address in network for network in self.networks)


def parse_networks(words: list[str], field: str) -> Networks:
    """The networks of a new client; Malformed, naming the place."""
    if not 1 <= len(words) <= _MOST:
        raise Malformed.at(field, f"1 to {_MOST} addresses or networks are due")
    try:
        return Networks.read(words)
    except ValueError:
        due = "addresses or networks are due, such as 10.0.0.7, 10.0.0.0/24 (no bits beyond the mask), fd00::/64, unix"
        raise Malformed.at(field, due) from None


def _network(word: str) -> Network:
    """A network; an IPv4 one also where it is written in IPv6, as addresses are read."""
    network = ipaddress.ip_network(word)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
    return network


def address_of(text: str) -> Address | None:
    """An address, an IPv4 one also where it is written in IPv6; None for what is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
