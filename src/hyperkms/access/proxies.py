"""Which peers may say for whom they ask: `X-Forwarded-For` is believed of these alone."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hyperkms.errors import Malformed

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
UNIX = "unix"
"""Whoever connects through the Unix socket."""


@dataclass(frozen=True)
class Proxies:
    """The trusted proxies; none unless they are named, for whoever connects could write that header."""

    networks: tuple[Network, ...] = ()
    unix: bool = False

    @classmethod
    def parse(cls, text: str, setting: str) -> "Proxies":
        """Read addresses and networks, separated by commas; `unix` is a peer at the Unix socket."""
        words = [word.strip() for word in text.split(",") if word.strip()]
        try:
            networks = tuple(ipaddress.ip_network(word) for word in words if word != UNIX)
        except ValueError:
            due = "addresses or networks are due, such as 10.0.0.7,fd00::/64,unix"
            raise Malformed(
                "malformed-setting", f"{setting} is not of the documented form; {due}", {"setting": setting}
            ) from None
        return cls(networks, UNIX in words)

    def __str__(self) -> str:
        return ",".join([*map(str, self.networks), *([UNIX] if self.unix else [])])

    def trusts(self, peer: str | None) -> bool:
        """Whether this peer is one of them; None is the Unix socket."""
        if peer is None:
            return self.unix
        address = _address(peer)
        return address is not None and any(address in network for network in self.networks)

    def client_of(self, forwarded_for: Sequence[str]) -> str | None:
        """The last address of the header's lines that is no proxy's; None if there is none to believe.

        What stands before it was written by whoever asked.
        """
        client = None
        for entry in reversed(",".join(forwarded_for).split(",")):
            address = _address(entry.strip())
            if address is None:
                return client
            client = str(address)
            if not any(address in network for network in self.networks):
                return client
        return client


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
