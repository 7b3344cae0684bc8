"""A peer that is gone without a word: its packets vanish, and only time says so."""

import socket
import sys

UNACKNOWLEDGED_S = 5.0
"""After so long a coordinator gives a connection up, and tries a new one every few seconds. The kernel would send again
at ever longer intervals: once the link is healed, that could take as long as it was cut."""
FORGOTTEN_S = 30.0
"""After so long a cosigner does."""


def end_if_unacknowledged(connected: socket.socket, seconds: float) -> None:
    """Have a TCP connection end once the other machine has acknowledged nothing of what was sent for so long.

    A process that is stopped, on a machine that runs, ends nothing: its machine acknowledges.
    """
    if connected.family != socket.AF_UNIX and sys.platform == "linux":
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))


def probe_when_idle(connected: socket.socket) -> None:
    """Have a TCP connection on which nothing is sent ask every now and then whether the other machine is there."""
    if connected.family == socket.AF_UNIX:
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        for option, value in ((socket.TCP_KEEPIDLE, 20), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 4)):
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
