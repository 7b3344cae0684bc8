"""The real `hyperkms-recover` program, as a person runs it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.service import START_S, environment


@dataclass(frozen=True)
class Recipient:
    """What `begin` and `recipient new` print."""

    text: str
    fingerprint: str


def program() -> str:
    """Where it is: `make test` builds it for the tests, `make recover` installs it."""
    found = os.environ.get("HYPERKMS_RECOVER") or str(Path(sys.executable).with_name("hyperkms-recover"))
    assert Path(found).exists(), f"there is no {found}: `make recover` builds it"
    return found


def recover(*words: str | Path, stdout: int = subprocess.PIPE) -> "subprocess.CompletedProcess[bytes]":
    """One command to its end; its standard output is a pipe unless told."""
    return subprocess.run(
        [program(), *words],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=START_S,
        check=False,
    )


def told(*words: str | Path) -> str:
    """What a command prints that must succeed, and that puts out no key."""
    done = recover(*words)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
    return done.stdout.decode()


def refused(*words: str | Path, stdout: int = subprocess.PIPE) -> str:
    """The code with which a command is refused: one line on standard error, and nothing on standard output."""
    done = recover(*words, stdout=stdout)
    line = done.stderr.decode()
    assert done.returncode in (1, 2), line
    assert not done.stdout, line
    assert line.startswith("hyperkms-recover: "), line
    assert line.endswith("]\n"), line
    assert line.count("\n") == 1, line
    return line.rpartition("[")[2].removesuffix("]\n")


def read_recipient(printed: str) -> Recipient:
    """The two lines of `begin` and `recipient new`."""
    first, second = printed.splitlines()
    return Recipient(first.removeprefix("recipient: "), second.removeprefix("fingerprint: "))


def piped(words: list[str | Path], into: list[str], *, cwd: Path) -> "subprocess.CompletedProcess[bytes]":
    """`hyperkms-recover ... | into`: what the second command did; both must end well."""
    with subprocess.Popen(
        [program(), *words], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as first:
        assert first.stdout is not None
        assert first.stderr is not None
        second = subprocess.run(
            into, env=environment(), cwd=cwd, stdin=first.stdout, capture_output=True, timeout=START_S, check=False
        )
        first.stdout.close()
        words_of_first = first.stderr.read().decode()
    assert (first.returncode, second.returncode) == (0, 0), (words_of_first, second.stderr.decode())
    assert "COUNTS AS EXPOSED" in words_of_first
    return second


def full_pipe() -> tuple[int, int]:
    """The ends of a pipe into which nothing more goes."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writing, True)
    return reading, writing
