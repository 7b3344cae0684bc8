"""Ports for servers that cannot be told to take any: outside the range from which the kernel gives them away."""

import random
import socket
from itertools import islice
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _COUNT = 15_000, 15_000


def free_ports(count: int) -> list[int]:
    """Ports that nobody has, all different; no connection, and no server that takes any port, is given one of them."""
    found = list(islice(filter(_is_free, random.SystemRandom().sample(_outside(), _COUNT)), count))
    assert len(found) == count, "no port is free"
    return found


def _outside() -> range:
    lowest = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 49_152
    return range(_LOWEST, _LOWEST + _COUNT) if lowest >= _LOWEST + _COUNT else range(65_535 - _COUNT, 65_535)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
