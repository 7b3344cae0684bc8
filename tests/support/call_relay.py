"""Sockets between a coordinator and its cosigners, over which every call is handed on, or held (`held_calls`)."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from hyperkms.threshold.wire import Answer, Call, OpenCeremony, OpenSigning
from support.held_calls import Calls, Hold
from support.patience import START_S

_HEAD = 4


@contextmanager
def between(ways: Mapping[int, tuple[Path, Path]]) -> Iterator[Calls]:
    """For each cosigner: where a coordinator finds it, and the socket where it is."""
    calls = Calls()
    with ExitStack() as ends:
        for index, (near, far) in ways.items():
            ends.enter_context(_listening(calls, index, near, far))
        yield calls


@contextmanager
def _listening(calls: Calls, index: int, near: Path, far: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(near))
        listener.listen()
        thread = threading.Thread(target=_accept, args=(calls, index, listener, far), daemon=True)
        thread.start()
        yield
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(START_S)


def _accept(calls: Calls, index: int, listener: socket.socket, far: Path) -> None:
    while True:
        try:
            accepted, _ = listener.accept()
        except OSError:
            return
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.connect(str(far))
        except OSError:  # the cosigner is not there, and so is nobody here
            accepted.close()
            line.close()
            continue
        _Connection(calls, index, accepted, line).start()


class _Connection:
    """One connection of a coordinator, and its own to the cosigner."""

    def __init__(self, calls: Calls, index: int, near: socket.socket, far: socket.socket) -> None:
        self._calls = calls
        self._index = index
        self._near = near
        self._far = far
        self._held: dict[int, Hold] = {}
        self._openings: dict[int, OpenCeremony | OpenSigning] = {}
        self._sending = threading.Lock()

    def start(self) -> None:
        self._calls.connected(1)
        there = threading.Thread(target=self._until_the_end, args=(self._asks,), daemon=True)
        there.start()
        threading.Thread(target=self._both, args=(there,), daemon=True).start()

    def _both(self, there: threading.Thread) -> None:
        self._until_the_end(self._answers)
        there.join()
        self._calls.connected(-1)
        self._near.close()
        self._far.close()

    def _until_the_end(self, work: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            work()
        for end in (self._near, self._far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _asks(self) -> None:
        while body := _frame(self._near):
            call = msgspec.msgpack.decode(body, type=Call)
            if isinstance(call.ask, OpenCeremony | OpenSigning):
                self._openings[call.number] = call.ask
            send = partial(self._send, self._far, body)
            hold = self._calls.asked(self._index, call.ask)
            if hold is None:
                send()
            elif hold.lets_through(self._index):
                self._held[call.number] = hold
                send()
            else:
                self._calls.put_aside(hold, send)

    def _answers(self) -> None:
        while body := _frame(self._far):
            answer = msgspec.msgpack.decode(body, type=Answer)
            opening = self._openings.pop(answer.number, None)
            if opening is not None:
                self._calls.opened(self._index, opening, answer)
            send = partial(self._send, self._near, body)
            hold = self._held.pop(answer.number, None)
            if hold is None:
                send()
            else:
                self._calls.answered(self._index, hold, send)

    def _send(self, end: socket.socket, body: bytes) -> None:
        with self._sending, contextlib.suppress(OSError):  # whoever is gone is noticed by who reads
            end.sendall(len(body).to_bytes(_HEAD, "big") + body)


def _frame(end: socket.socket) -> bytes:
    """The next one; empty at the end of the connection."""
    head = _exactly(end, _HEAD)
    return _exactly(end, int.from_bytes(head, "big")) if head else b""


def _exactly(end: socket.socket, count: int) -> bytes:
    read = b""
    while len(read) < count:
        more = end.recv(count - len(read))
        if not more:
            return b""
        read += more
    return read
