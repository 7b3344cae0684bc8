"""Hosts on this machine: network namespaces at a switch, in which packets to and from one of them can vanish.

The switch is a namespace of its own, so that nothing here hears of a link that is cut: for our end all is sent, and
nothing comes back.
"""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

_NET = "198.18"
"""The addresses of RFC 2544, for tests of networks."""


@dataclass(frozen=True)
class Host:
    """A namespace, and its port at the switch."""

    name: str
    switch: str
    port: str
    address: str

    @property
    def within(self) -> tuple[str, ...]:
        """What runs a command there, in its own process."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """From now on no packet passes the switch, and no connection ends because of it."""
        _ip("-n", self.switch, "link", "set", self.port, "down")

    def heal(self) -> None:
        """Packets pass again."""
        _ip("-n", self.switch, "link", "set", self.port, "up")

    def bytes_sent(self) -> int:
        """To it, since it was made."""
        [told] = json.loads(_ip("-n", self.switch, "-s", "-j", "link", "show", self.port))
        return int(told["stats64"]["tx"]["bytes"])


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """So many; the test is skipped, with the reason, where none can be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("only a superuser with the command `ip` makes network namespaces")
    tag, third = secrets.token_hex(3), secrets.randbelow(256)
    switch, uplink = f"hk-{tag}", f"hk{tag}"
    made = [
        Host(f"hk-{tag}-{each}", switch, f"port{each}", f"{_NET}.{third}.{each + 1}") for each in range(1, count + 1)
    ]
    try:
        _make_switch(switch, uplink, f"{_NET}.{third}.1/24")
        for each in made:
            _make(each, uplink)
        yield made
    finally:
        for name in (*(each.name for each in made), switch):  # with its end each pair of links goes
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _make_switch(switch: str, uplink: str, address: str) -> None:
    for words in (
        ("netns", "add", switch),
        ("link", "add", uplink, "type", "veth", "peer", "name", "uplink", "netns", switch),
        ("-n", switch, "link", "add", "bridge", "type", "bridge"),
    ):
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no network of namespaces can be made here: {done.stderr.strip()}")
    _ip("-n", switch, "link", "set", "uplink", "master", "bridge")
    for each in ("uplink", "bridge"):
        _ip("-n", switch, "link", "set", each, "up")
    _ip("addr", "add", address, "dev", uplink)
    _ip("link", "set", uplink, "up")


def _make(host: Host, uplink: str) -> None:
    _ip("netns", "add", host.name)
    _ip("-n", host.switch, "link", "add", host.port, "type", "veth", "peer", "name", "eth0", "netns", host.name)
    _ip("-n", host.switch, "link", "set", host.port, "master", "bridge", "up")
    _ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", "eth0")
    for each in ("lo", "eth0"):
        _ip("-n", host.name, "link", "set", each, "up")
    [told] = json.loads(_ip("-n", host.name, "-j", "link", "show", "eth0"))
    # Else our kernel would ask who has the address, hear nothing, and know that nobody is there.
    _ip("neigh", "replace", host.address, "lladdr", told["address"], "dev", uplink, "nud", "permanent")


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout
