"""Processes that die at a named point, each forked from one that has imported the service once."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.custody import settings_for
from support.patience import START_S
from support.service import environment

_LONGEST_S = START_S


@dataclass(frozen=True)
class Died:
    """How a process ended: as `subprocess` counts, and what it wrote."""

    returncode: int
    stderr: str


class Forked:
    """A module of tests/support that calls `fork_for_each`; each piece of work is done in a fork of its process."""

    def __init__(self, module: str) -> None:
        self._words = [sys.executable, "-m", f"support.{module}"]
        self._process: subprocess.Popen[str] | None = None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """It is started here, and ends with the block."""
        tests = Path(__file__).parents[1]
        with subprocess.Popen(
            self._words, cwd=tests, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as self._process:
            yield

    def run(self, *words: str, **settings: str) -> Died:
        """The module's `main` of these words, of which the first is a data directory, with its settings and these."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([words, environment(**{**settings_for(Path(words[0])), **settings})]) + "\n")
        process.stdin.flush()
        timer = threading.Timer(_LONGEST_S, process.kill)
        timer.start()
        try:
            return Died(*json.loads(process.stdout.readline()))
        finally:
            timer.cancel()


def fork_for_each(main: Callable[..., None]) -> None:
    """What such a module does: a fork for each line of standard input, until it ends."""
    for line in sys.stdin:
        words, settings = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            for each in (sys.stdout, sys.stderr):  # the line below is all that our own standard output has
                os.dup2(writing, each.fileno())
            os.environ.clear()
            os.environ.update(settings)
            _exit_after(main, words)
        os.close(writing)
        with os.fdopen(reading) as told:
            stderr = told.read()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps([os.waitstatus_to_exitcode(status), stderr]) + "\n")
        sys.stdout.flush()


def _exit_after(main: Callable[..., None], words: list[str]) -> None:
    status = 1
    try:
        main(*words)
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        sys.stderr.flush()
        os._exit(status)
