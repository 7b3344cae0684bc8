"""One connection of the synchronous client, and the connections that are kept."""

import contextlib
import os
import select
import socket
import ssl
import time
import weakref
from collections import deque
from typing import Any

from hyperkms.client.endpoint import Endpoint
from hyperkms.client.errors import NoAnswer, NotConnected, UnexpectedAnswer
from hyperkms.client.response import Answer, ResponseReader
from hyperkms.client.wire import Call, Wire

_PIECE = 64 * 1024


class Connection:
    """A connected socket, for one request at a time."""

    __slots__ = ("_poll", "_read_s", "_socket")

    def __init__(self, connected: socket.socket, read_s: float) -> None:
        self._socket = connected
        self._read_s = read_s
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)

    def quiet(self) -> bool:
        """Whether it is open and has nothing to say, as it must be between two requests."""
        return not self._poll.poll(0)

    def exchange(self, wire: Wire, call: Call[Any]) -> Answer:
        """Send one request and read its answer; NoAnswer when the connection breaks or the time is up.

        After any error the connection is of no more use.
        """
        try:
            self._socket.sendall(wire.bytes_of(call))
            answer = self._read()
        except TimeoutError as error:
            words = f"the signing service did not answer within {self._read_s} s"
            raise NoAnswer(words, idempotency_key=call.key) from error
        except OSError as error:
            words = "the connection to the signing service broke before the answer"
            raise NoAnswer(words, idempotency_key=call.key) from error
        except UnexpectedAnswer as error:
            error.idempotency_key = call.key
            raise
        if answer is None:
            words = "the signing service closed the connection before the answer was whole"
            raise NoAnswer(words, idempotency_key=call.key)
        return answer

    def _read(self) -> Answer | None:
        """The answer, None if it is cut off. The socket's own time-out bounds a wait, the deadline all of them."""
        deadline = time.monotonic() + self._read_s
        reader = ResponseReader()
        while data := self._socket.recv(_PIECE):
            answer = reader.feed(data)
            if answer is not None:
                return answer
            if time.monotonic() > deadline:
                raise TimeoutError
        return reader.end()

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            self._socket.close()


def connect(endpoint: Endpoint, tls: ssl.SSLContext | None, *, connect_s: float, read_s: float) -> Connection:
    """A new connection; NotConnected if none comes about in time."""
    made: socket.socket | None = None
    try:
        if endpoint.unix_path is not None:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(connect_s)
            made.connect(endpoint.unix_path)
        else:
            made = socket.create_connection((endpoint.host, endpoint.port), connect_s)
            # An answer that waits for an acknowledgement takes 40 ms.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            made = tls.wrap_socket(made, server_hostname=endpoint.host)
        made.settimeout(read_s)
    except OSError as error:
        if made is not None:
            made.close()
        raise not_connected(endpoint, error) from error
    return Connection(made, read_s)


def not_connected(endpoint: Endpoint, error: OSError) -> NotConnected:
    """The error, with what the operating system said."""
    if isinstance(error, ssl.SSLCertVerificationError):
        words = f"its certificate is not trusted: {error.verify_message}"
    elif isinstance(error, TimeoutError):
        words = "it did not answer in time"
    else:
        words = error.strerror or type(error).__name__
    return NotConnected(f"the signing service at {endpoint.url} cannot be reached: {words}")


class KeptConnections:
    """Connections that wait for the next request; any thread may take one and put it back.

    The newest is taken first; one that the service has closed meanwhile is dropped when it is met.
    A child process never uses its parent's: two processes on one connection would read each other's answers.
    """

    def __init__(self, most: int) -> None:
        self._idle: deque[Connection] = deque()  # its appends and pops are atomic
        self._most = most
        _everyone.add(self)

    def take(self) -> Connection | None:
        """One that is open and quiet, if there is one."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.quiet():
                return connection
            connection.close()

    def give(self, connection: Connection) -> None:
        """Keep it, unless there are enough."""
        if len(self._idle) < self._most:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close those that wait."""
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return


_everyone: "weakref.WeakSet[KeptConnections]" = weakref.WeakSet()


def _close_all() -> None:
    for kept in list(_everyone):
        kept.close()


os.register_at_fork(after_in_child=_close_all)
