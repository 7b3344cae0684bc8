"""Making a connection to a cosigner: a Unix socket, or TLS 1.3 to the holder of the certificate that is described."""

import asyncio
import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hyperkms.errors import Malformed
from hyperkms.threshold.certificates import client_context, require_accepted
from hyperkms.threshold.coordinator.problems import called
from hyperkms.threshold.group import Member
from hyperkms.threshold.silence import UNACKNOWLEDGED_S, end_if_unacknowledged

UNIX = "unix:"
MOST_SOCKET = 100
"""Bytes of the path of a Unix socket: Linux takes 107, macOS 103."""
LONGEST_PAUSE_S = 5.0
LONGEST_PAUSE_HERE_S = 0.5
"""To a socket on this machine, which costs nothing to try."""


class Streams(NamedTuple):
    """The two directions of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """A path of a socket that is short enough for one: on Linux by way of its folder's descriptor, if it has to be."""
    if len(os.fsencode(path)) <= MOST_SOCKET or sys.platform != "linux":
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class Way:
    """How one cosigner is reached. `folder` has this coordinator's certificate, and relative sockets start there."""

    def __init__(self, member: Member, folder: Path) -> None:
        self._member = member
        self._folder = folder
        self.longest_pause_s = LONGEST_PAUSE_HERE_S if member.address.startswith(UNIX) else LONGEST_PAUSE_S
        """Between two attempts to connect."""
        self._tls: ssl.SSLContext | None = None
        if member.certificate is not None and not member.address.startswith(UNIX):
            self._tls = client_context(folder, member.certificate)

    async def connect(self) -> Streams:
        """A new connection; OSError if there is none to be had, Refused if another host answers."""
        member = self._member
        if member.address.startswith(UNIX):
            with _reachable(self._folder / member.address.removeprefix(UNIX)) as path:
                return Streams(*await asyncio.open_unix_connection(path))
        host, _, port = member.address.rpartition(":")
        if self._tls is None or member.certificate is None or not port.isdigit():
            words = f"{called(member)}: {member.address} is no unix: socket, and no host:port with a certificate"
            raise Malformed("malformed-group", words)
        streams = Streams(*await asyncio.open_connection(host.strip("[]"), int(port), ssl=self._tls))
        end_if_unacknowledged(streams.writer.get_extra_info("socket"), UNACKNOWLEDGED_S)
        try:
            require_accepted(streams.writer.get_extra_info("ssl_object"), (member.certificate,))
        except BaseException:
            streams.writer.close()
            raise
        return streams
