"""The real `hyperkms` command and the stand-in for the exchange, in processes of their own."""

import subprocess
from itertools import pairwise
from pathlib import Path

from support.custody import settings_for
from support.service import START_S, command, environment
from support.started import can_be_forked, run_forked

KEY = "0123456789012345678901234567890123456789012345678901234567890123"
"""A published test key."""
ADDRESS = "0x14791697260e4c9a71f18484c9f997b308e59325"
"""Its address."""


def run(*words: str | bytes, cwd: Path, stdin: str = "", **settings: str) -> "subprocess.CompletedProcess[bytes]":
    """One command to its end; its standard input is a pipe."""
    return _run(words, cwd, stdin, {**_places(words, cwd), **settings}, START_S)


def run_with(*words: str, cwd: Path, **settings: str) -> "subprocess.CompletedProcess[bytes]":
    """The same with these settings alone, wherever the tests have their state and keys."""
    return _run(words, cwd, "", settings, START_S)


def run_at_length(*words: str, cwd: Path, **settings: str) -> "subprocess.CompletedProcess[bytes]":
    """The same for one that may take minutes on a busy machine."""
    return _run(words, cwd, "", {**_places(words, cwd), **settings}, 20 * START_S)


def _run(
    words: tuple[str | bytes, ...], cwd: Path, stdin: str, settings: dict[str, str], within_s: float
) -> "subprocess.CompletedProcess[bytes]":
    own = environment(**settings)
    if can_be_forked(own):
        return run_forked(words, own, cwd, stdin.encode(), within_s)
    name, *_ = command()
    return subprocess.run(
        [name, *words],
        env=own,
        cwd=cwd,
        input=stdin.encode(),
        capture_output=True,
        timeout=within_s,
        check=False,
    )


def _places(words: tuple[str | bytes, ...], cwd: Path) -> dict[str, str]:
    """Where the state and the keys are of the data directory that the words name."""
    if words[0] == "cosigner":
        return {}
    for flag, value in pairwise(words):
        if flag in ("--data", b"--data"):
            return settings_for(cwd / (value if isinstance(value, str) else value.decode()))
    return {}


def refusal(*words: str | bytes, cwd: Path, stdin: str = "", **settings: str) -> str:
    """The one line on standard error of a command that must be refused: exit status 1, nothing printed."""
    done = run(*words, cwd=cwd, stdin=stdin, **settings)
    told = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b""), (done.stdout, told)
    assert told.startswith("hyperkms: "), told
    assert told.count("\n") == 1, told
    assert told.endswith("]\n"), told
    return told


def key_file(path: Path, text: str = KEY, *, mode: int = 0o600) -> Path:
    """A file for `wallet import`."""
    path.write_text(text)
    path.chmod(mode)
    return path
