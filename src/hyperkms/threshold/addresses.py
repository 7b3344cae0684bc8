"""Where a cosigner listens: `unix:` and the path of a socket, or `host:port` over TLS 1.3."""

from pathlib import Path
from typing import TypeAlias

from hyperkms.errors import Malformed

UNIX = "unix:"
HostPort: TypeAlias = tuple[str, int]
_LAST_PORT = 65_535
_DUE = "an address is due, such as 10.0.0.7:7443 or [fd00::7]:7443"


def parse_host_port(text: str, where: str) -> HostPort:
    """Host and port; an IPv6 address stands in brackets. Malformed for anything else."""
    found = _split(text)
    if found is None:
        raise Malformed.at(where, _DUE)
    return found


def parse_address(text: str) -> Path | HostPort:
    """What a group description says of a member: a socket, or host and port."""
    if text.startswith(UNIX):
        return Path(text.removeprefix(UNIX))
    found = _split(text)
    if found is None:
        raise Malformed("malformed-group", f"address: {_DUE}")
    return found


def _split(text: str) -> HostPort | None:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > _LAST_PORT:
        return None
    return host.removeprefix("[").removesuffix("]"), int(port)
