"""Which peers may say for whom they ask: `X-Forwarded-For` is believed of these alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from hyperkms.access.networks import Networks, address_of
from hyperkms.errors import Malformed

NOBODY = Networks()


@dataclass(frozen=True)
class Proxies:
    """The trusted proxies; none unless they are named, for whoever connects could write that header."""

    among: Networks = NOBODY

    @classmethod
    def parse(cls, text: str, setting: str) -> "Proxies":
        """Read addresses and networks, separated by commas; `unix` is a peer at the Unix socket."""
        try:
            return cls(Networks.read(word.strip() for word in text.split(",") if word.strip()))
        except ValueError:
            due = "addresses or networks are due, such as 10.0.0.7,fd00::/64,unix"
            raise Malformed(
                "malformed-setting", f"{setting} is not of the documented form; {due}", {"setting": setting}
            ) from None

    def __str__(self) -> str:
        return ",".join(self.among.words())

    def trusts(self, peer: str | None) -> bool:
        """Whether this peer is one of them; None is the Unix socket."""
        return self.among.has(peer)

    def client_of(self, forwarded_for: Sequence[str]) -> str | None:
        """The last address of the header's lines that is no proxy's; None if there is none to believe.

        What stands before it was written by whoever asked.
        """
        client = None
        for entry in reversed(",".join(forwarded_for).split(",")):
            address = address_of(entry.strip())
            if address is None:
                return client
            client = str(address)
            if not self.trusts(client):
                return client
        return client
