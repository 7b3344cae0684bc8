"""Where a cosigner listens: `unix:` and the path of a socket, or `host:port` over TLS 1.3."""

from pathlib import Path
from typing import TypeAlias

from hyperkms.errors import Malformed

UNIX = "unix:"
HostPort: TypeAlias = tuple[str, int]
_LAST_PORT = 65_535


def parse_host_port(text: str, where: str, code: str = "malformed") -> HostPort:
    """Host and port; an IPv6 address stands in brackets. Malformed for anything else."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > _LAST_PORT:
        raise Malformed.at(where, "an address is due, such as 10.0.0.7:7443 or [fd00::7]:7443", code)
    return host.removeprefix("[").removesuffix("]"), int(port)


def parse_address(text: str) -> Path | HostPort:
    """What a group description says of a member."""
    if text.startswith(UNIX):
        return Path(text.removeprefix(UNIX))
    return parse_host_port(text, "address", "malformed-group")
