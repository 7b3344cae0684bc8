"""The kernel's word of another VM generation: heard from the kernel alone, and what was lost counts as said."""

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from hyperkms.state.vm_generation import Heard, VmGeneration, listen, receive_from
from hyperkms.threshold.cosigner.continuity import MOST_SET_MS, Boot, ClockSet, Continuity
from support.until import until

KERNEL, SOMEBODY = 0, 4711
WORDS = (
    b"change@/devices/platform/VMGENCTR:00",
    b"ACTION=change",
    b"DEVPATH=/devices/platform/VMGENCTR:00",
    b"SUBSYSTEM=platform",
    b"NEW_VMGENID=1",
    b"DRIVER=vmgenid",
    b"SEQNUM=1437",
)
NEW = b"\0".join(WORDS) + b"\0"
OTHERS = (
    NEW.replace(b"NEW_VMGENID=1", b"SYNTH_ARG_NEWVMGENID=1"),  # whoever may write to sysfs has this sent
    NEW.replace(b"NEW_VMGENID=1", b"NEW_VMGENID=10"),
    b"NEW_VMGENID=1\0ACTION=change\0",  # in the place of the event's name
    b"add@/devices/virtual/net/lo\0ACTION=add\0",
    b"",
    b"\xff" * 40,
)


def saying(*messages: Heard | OSError) -> Callable[[], Heard]:
    """These come, and then none."""
    left: Iterator[Heard | OSError] = iter(messages)

    def receive() -> Heard:
        one = next(left, BlockingIOError())
        if isinstance(one, OSError):
            raise one
        return one

    return receive


@pytest.mark.parametrize("before", range(3))
def test_the_kernels_word_counts_wherever_it_comes_and_once(before: int) -> None:
    others = [Heard(each, 0, KERNEL) for each in OTHERS]
    generation = VmGeneration(saying(*others[:before], Heard(NEW, 0, KERNEL), *others[before:]))
    assert "generation" in (generation.changed() or "")
    assert generation.changed() is None


@pytest.mark.parametrize("message", [*OTHERS, NEW])
def test_what_means_something_else_or_comes_from_somebody_else_is_nothing(message: bytes) -> None:
    port = SOMEBODY if message == NEW else KERNEL
    assert VmGeneration(saying(Heard(message, 0, port))).changed() is None


def test_what_was_lost_or_cut_or_does_not_end_counts_as_said() -> None:
    lost = OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
    assert "lost" in (VmGeneration(saying(lost)).changed() or "")
    assert VmGeneration(saying(Heard(OTHERS[3], socket.MSG_TRUNC, KERNEL))).changed() is not None
    assert "end" in (VmGeneration(lambda: Heard(OTHERS[3], 0, SOMEBODY)).changed() or "")


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="only Linux has uevents")
def test_a_process_that_may_send_is_heard_and_not_believed() -> None:
    with closing(listen()) as listening, closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15)) as sender:
        sender.bind((0, 0))
        try:
            sender.sendto(NEW, (listening.getsockname()[0], 0))
        except PermissionError:
            pytest.skip("only who has CAP_NET_ADMIN can send")
        heard: list[Heard] = []
        generation = VmGeneration(partial(_noting, heard, listening))
        until(lambda: generation.changed() is not None or any(one.message == NEW for one in heard))
        assert [one.port for one in heard if one.message == NEW] == [sender.getsockname()[0]]
        assert generation.changed() is None


def test_what_the_kernel_sends_for_somebody_else_is_heard_and_is_no_generation() -> None:
    """An event of another device that a superuser asks for; of a word of theirs it takes letters and digits alone."""
    event = Path("/sys/class/net/lo/uevent")
    if not os.access(event, os.W_OK):
        pytest.skip("only a superuser has the kernel send an event")
    with closing(listen()) as listening:
        event.write_text("change c8a3b7f0-5f0e-4b0e-9d4e-0a4a3c1d2e5f NEWVMGENID=1")
        heard: list[Heard] = []
        generation = VmGeneration(partial(_noting, heard, listening))
        until(lambda: generation.changed() is not None or any(b"VMGENID" in one.message for one in heard))
        [port] = {one.port for one in heard if b"VMGENID" in one.message}
        assert port == KERNEL
        assert generation.changed() is None


def _noting(heard: list[Heard], listening: socket.socket) -> Heard:
    one = receive_from(listening)
    heard.append(one)
    return one


class Clocks:
    """Two that a test turns."""

    wall_ms = 1_800_000_000_000
    steady_s = 1_000.0

    def run(self, seconds: float, *, set_by_ms: int = 0) -> None:
        self.steady_s += seconds
        self.wall_ms += round(seconds * 1000) + set_by_ms


@pytest.mark.parametrize("by_ms", [MOST_SET_MS + 1, -MOST_SET_MS - 1, 86_400_000])
def test_a_clock_that_is_set_counts_once_and_one_that_runs_or_is_corrected_never(by_ms: int) -> None:
    clocks = Clocks()
    clock = ClockSet(lambda: clocks.wall_ms, lambda: clocks.steady_s)
    for each in (0, 500, -500, MOST_SET_MS, -MOST_SET_MS):
        clocks.run(100_000, set_by_ms=each)
        assert clock.changed() is None
    clocks.run(1, set_by_ms=by_ms)
    assert f"{by_ms / 1000:+.1f}" in (clock.changed() or "")
    assert clock.changed() is None


def test_everything_is_let_go_of_once_for_each_time_that_a_sign_is_seen() -> None:
    names, let_go = ["one"], list[None]()
    continuity = Continuity(
        [VmGeneration(saying(Heard(NEW, 0, KERNEL))).changed, Boot(lambda: names[-1]).changed],
        lambda: let_go.append(None),
    )
    continuity.look()
    continuity.look()
    assert len(let_go) == 1
    names.append("another")
    continuity.look()
    continuity.look()
    assert len(let_go) == 2
