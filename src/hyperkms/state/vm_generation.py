"""What the kernel says of this virtual machine: that it goes on from a snapshot, as others may with the same memory.

Linux says it once the hypervisor has given the machine another generation id, by a uevent with NEW_VMGENID=1 from its
driver vmgenid (drivers/virt/vmgenid.c, in recent kernels). Anybody may listen. The kernel's messages come from port
0, and no process can send from there.
"""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

_KERNEL = 0
_UEVENTS = 15  # NETLINK_KOBJECT_UEVENT
_GROUP = 1  # what the kernel sends; 2 is what udev sends on
_MOST = 16 * 1024
"""Bytes of a message; the kernel's have at most 2 KiB of words."""
_MOST_AT_ONCE = 10_000
_NEW = b"NEW_VMGENID=1"
_DRIVERS = (Path("/sys/bus/platform/drivers/vmgenid"), Path("/sys/bus/acpi/drivers/vmgenid"))


class Heard(NamedTuple):
    """A message, and who has sent it."""

    message: bytes
    flags: int
    port: int


Receive: TypeAlias = Callable[[], Heard]
"""The next message; BlockingIOError if there is none now."""


class VmGeneration:
    """Whether the kernel has said that the machine goes on from a snapshot."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    def changed(self) -> str | None:
        """Why what was in memory may be in another machine's as well; None if nothing says so. Waits for nothing.

        What was lost on the way, or cannot be read to its end, counts as said.
        """
        is_new = False
        for _ in range(_MOST_AT_ONCE):
            try:
                is_new = _is_new(self._receive()) or is_new
            except BlockingIOError:
                return "the kernel says that the virtual machine has another generation" if is_new else None
            except OSError as error:
                return f"what the kernel says of the virtual machine was lost ({error.strerror})"
        return "the kernel's messages of the virtual machine do not come to an end"


def listen() -> socket.socket:
    """A socket on which the kernel's uevents come; OSError where the system has none, or does not let us."""
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    made = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, _UEVENTS)
    try:
        made.bind((0, _GROUP))
    except BaseException:
        made.close()
        raise
    return made


def receive_from(listening: socket.socket) -> Heard:
    """The next message of such a socket."""
    message, _, flags, (port, _) = listening.recvmsg(_MOST)
    return Heard(message, flags, port)


def has_driver() -> bool:
    """Whether a driver of this kernel has found a generation id in this machine."""
    return any(each.is_symlink() for driver in _DRIVERS if driver.is_dir() for each in driver.iterdir())


def _is_new(heard: Heard) -> bool:
    """`change@DEVPATH`, then words of the form NAME=VALUE, each with a zero byte at its end."""
    if heard.port != _KERNEL:
        return False
    return bool(heard.flags & socket.MSG_TRUNC) or _NEW in heard.message.split(b"\0")[1:]
