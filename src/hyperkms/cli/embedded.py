"""Cosigners as children of the service, in development: started, watched, started again, and ended with it."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from hyperkms.cli.cosigners import FOLDER, GROUP, cosigner_command, is_embedded
from hyperkms.cli.layout import SOCKET
from hyperkms.cli.telling import Tell
from hyperkms.config import Config, environment_of_cosigner
from hyperkms.operations.in_shares import PROTECTS
from hyperkms.threshold.group import read_group

PROTECTED = PROTECTS["embedded"]
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
STABLE_S = 10.0
START_S = 10.0
END_S = 10.0
_log = structlog.stdlib.get_logger("hyperkms.cosigners")


@contextmanager
def embedded(config: Config, tell: Tell) -> Iterator[None]:
    """Within this block the cosigners of the data directory run, if they are this service's to start.

    They were made by whoever opened the directory. They listen on entry; it goes on without one that ends instead,
    which is started again and again, and without one that does neither within START_S.
    """
    if not is_embedded(config):
        yield
        return
    folder = config.data / FOLDER
    group = read_group(folder / GROUP)
    children = [_Child(config, folder, member.index) for member in group.members]
    tell(
        f"hyperkms: MPC with {group.threshold} of {len(children)} cosigners that this service runs itself: "
        f"that {PROTECTED}"
    )
    _log.warning("embedded-cosigners", words=PROTECTED, threshold=group.threshold, cosigners=len(children))
    for child in children:
        child.start()
    try:
        until = time.monotonic() + START_S
        for child in children:
            child.tried.wait(max(0.0, until - time.monotonic()))
        yield
    finally:
        for child in children:
            child.stop()
        for child in children:
            child.join()


class _Child(threading.Thread):
    """Keeps one cosigner running. Its end of the channel is the cosigner's life: with this process both end."""

    def __init__(self, config: Config, folder: Path, index: int) -> None:
        super().__init__(name=f"cosigner-{index}", daemon=True)
        self.tried = threading.Event()
        """Set once it listens, or has ended without."""
        self._config = config
        self._folder = folder
        self._index = index
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Start it, read what it says until it ends, pause, again."""
        pause = FIRST_PAUSE_S
        while not self._stopping.is_set():
            stable = threading.Event()
            timer = threading.Timer(STABLE_S, stable.set)
            timer.daemon = True
            timer.start()
            try:
                self._once()
            except OSError as error:  # no process, no descriptor, no memory: the next turn tries again
                _log.warning("cosigner-not-launched", cosigner=self._index, why=error.strerror)
            self.tried.set()
            timer.cancel()
            pause = FIRST_PAUSE_S if stable.is_set() else min(LONGEST_PAUSE_S, pause * 3)
            self._stopping.wait(pause)

    def stop(self) -> None:
        """Let it end; it finishes what was begun."""
        self._stopping.set()
        with self._turn:
            if self._channel is not None:
                self._channel.close()
                self._channel = None

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, and kill it if it does not come."""
        super().join(END_S if timeout is None else timeout)
        process = self._process
        if self.is_alive() and process is not None:
            process.kill()
            super().join(END_S)

    def _once(self) -> None:
        process = self._launch()
        if process is None or process.stdout is None:
            return
        _log.info("cosigner-started", cosigner=self._index, pid=process.pid)
        with process.stdout as said:
            for line in said:
                self._say(line)
        status = process.wait()
        with self._turn:
            if self._channel is not None:
                self._channel.close()
                self._channel = None
        if not self._stopping.is_set():
            _log.warning("cosigner-ended", cosigner=self._index, pid=process.pid, status=status)

    def _launch(self) -> subprocess.Popen[bytes] | None:
        data = (self._folder / str(self._index)).absolute()
        ours, theirs = socket.socketpair()
        with theirs, self._turn:
            if self._stopping.is_set():
                ours.close()
                return None
            self._channel = ours
            self._process = subprocess.Popen(  # noqa: S603 (this very command, on our own directory)
                cosigner_command(
                    "serve",
                    "--data",
                    str(data),
                    "--group",
                    str((self._folder / GROUP).absolute()),
                    "--uds",
                    SOCKET,  # in its own folder: a whole path can be too long for a socket
                    "--parent-channel",
                    str(theirs.fileno()),
                ),
                env=environment_of_cosigner(self._config),
                cwd=data,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # Ctrl-C comes to it through its parent
            )
            return self._process

    def _say(self, line: bytes) -> None:
        """Hand on a line of its log; what is none is for a person, and is handed on as words."""
        said: object = None
        with suppress(ValueError):
            said = json.loads(line)
        if not isinstance(said, dict):
            words = line.decode(errors="replace").strip()[:500]
            _log.info("cosigner-says", cosigner=self._index, words=words)
            return
        if said.get("event") == "listening":
            self.tried.set()
        _log.info("cosigner-log", cosigner=self._index, line=said)
