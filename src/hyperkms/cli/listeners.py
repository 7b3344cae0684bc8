"""The sockets that a service listens at: one or several on one TCP port, and one Unix socket."""

import contextlib
import fcntl
import os
import socket
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from hyperkms.config import Config
from hyperkms.errors import Unavailable
from hyperkms.http.backlog import BACKLOG

METRICS_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Listeners:
    """Those of one worker."""

    tcp: socket.socket | None
    unix: socket.socket | None
    metrics: socket.socket | None
    alone: bool = field(default=False, kw_only=True)
    """Whether the TCP socket is this worker's own: nobody else takes connections from its queue."""

    def all(self) -> tuple[socket.socket | None, ...]:
        """In the order above."""
        return (self.tcp, self.unix, self.metrics)

    def turned_away(self) -> "Listeners":
        """The same without those who wait in the worker's own queue, if it has one.

        They are cut off, and whoever connects is taken by another worker, until this one listens again. The port
        stays ours meanwhile, also if no worker is left.
        """
        if self.tcp is None or not self.alone:
            return self
        host, port = self.tcp.getsockname()[:2]
        again = replace(self, tcp=_bound(host, port, shared=True))
        self.tcp.close()
        return again


@dataclass(frozen=True)
class Opened:
    """What is open, and where."""

    url: str
    metrics_url: str | None
    of_workers: Sequence[Listeners]


@contextmanager
def opened(config: Config) -> Iterator[Opened]:
    """What each worker listens at; Unavailable if it is taken.

    Every worker has a queue of its own on the port where the system spreads connections over several
    (Linux); else they share one. The Unix socket's queue they share. Whoever opened them keeps them open,
    so that no connection is lost while a worker is away.
    """
    with ExitStack() as ends:
        unix = None if config.uds is None else ends.enter_context(unix_socket(config.uds))
        ports = [] if config.port is None else _tcp(config.host, config.port, config.workers, ends)
        bound = replace(config, port=ports[0].getsockname()[1]) if ports else config
        metrics = None if config.metrics_port is None else ends.enter_context(_for_metrics(config.metrics_port))
        alone = len(ports) > 1
        yield Opened(
            url=bound.url,
            metrics_url=f"http://{METRICS_HOST}:{metrics.getsockname()[1]}/metrics" if metrics else None,
            of_workers=[
                Listeners(ports[turn % len(ports)] if ports else None, unix, metrics, alone=alone)
                for turn in range(config.workers)
            ],
        )


def tcp_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on this address alone."""
    try:
        return _bound(host, port, shared=False)
    except OSError as error:
        words = f"cannot listen on {host} port {port}: {error.strerror}; choose another with --listen"
        raise Unavailable("address-unavailable", words) from error


def _for_metrics(port: int) -> socket.socket:
    """All workers share it: whichever answers tells the sum over all."""
    try:
        return _bound(METRICS_HOST, port, shared=False)
    except OSError as error:
        words = f"cannot listen on {METRICS_HOST} port {port}: {error.strerror}; choose another with --metrics-port"
        raise Unavailable("address-unavailable", words) from error


def _tcp(host: str, port: int, count: int, ends: ExitStack) -> list[socket.socket]:
    """As many sockets on the port as the system spreads connections over."""
    try:
        # Alone on the port at first: one that shares it would also share it with another service.
        first = _bound(host, port, shared=False)
        port = first.getsockname()[1]
        if count == 1 or not sys.platform.startswith("linux"):
            return [_listening(first, ends)]
        first.close()
        made = [_bound(host, port, shared=True) for _ in range(count)]
        return [_listening(each, ends) for each in made]
    except OSError as error:
        words = f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port"
        raise Unavailable("address-unavailable", f"{words} (make run ARGS='--port 3001')") from error


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, the loop sets TCP_NODELAY; without it each answer waits 40 ms for an ACK.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((host, port))
        if not shared:
            made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _listening(made: socket.socket, ends: ExitStack) -> socket.socket:
    ends.enter_context(made)
    made.listen(BACKLOG)
    return made


@contextmanager
def unix_socket(path: Path) -> Iterator[socket.socket]:
    """A Unix socket that this user alone may connect to; its file goes when the service ends.

    The lock says whether the service that made the file still lives, whatever became of its process.
    """
    with ExitStack() as ends:
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            ends.enter_context(_locked(path.with_name(path.name + ".lock")))
            _make_room(path)
            made = ends.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            made.bind(str(path))
            path.chmod(0o600)
            made.listen(BACKLOG)
        except OSError as error:
            words = (
                "another service listens there" if isinstance(error, BlockingIOError) else error.strerror or str(error)
            )
            raise _unavailable(path, words) from error
        identity = _identity(path)
        try:
            yield made
        finally:
            if _identity(path) == identity:
                path.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(error.errno, "another service listens there") from error
        yield
    finally:
        os.close(descriptor)


def _make_room(path: Path) -> None:
    """Remove the socket of a service that is gone; what else stands there is left."""
    if _identity(path) is None:
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise _unavailable(path, "there is a file of that name, and it is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking, contextlib.suppress(ConnectionRefusedError):
        asking.connect(str(path))
        raise _unavailable(path, "another service listens there")
    path.unlink()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _unavailable(path: Path, words: str) -> Unavailable:
    return Unavailable("address-unavailable", f"cannot listen at {path}: {words}; choose another with --uds")
