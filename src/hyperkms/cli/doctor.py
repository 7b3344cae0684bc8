"""`hyperkms doctor`: what protects the keys here, and what does not."""

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

import click

from hyperkms import _core
from hyperkms.cli.assemble import DATABASE, assemble
from hyperkms.cli.settings import JSON, settings, with_settings
from hyperkms.config import Config
from hyperkms.errors import HyperkmsError
from hyperkms.mode import Mode

_FSYNCS = 20


class Verdict(Enum):
    """How a finding is meant."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    verdict: str
    words: str


@click.command()
@with_settings
@JSON
def doctor(data: Path | None, env_file: Path | None, as_json: bool) -> None:  # noqa: FBT001 (click passes a flag)
    """Look at memory protection, files, disk and settings; exit status 1 if something is bad."""
    config = settings(data, env_file)
    findings = [*_memory(config), *_files(config), *_disk(config), *_mode(config)]
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.verdict:5} {finding.what}: {finding.words}")
    sys.exit(1 if any(finding.verdict == Verdict.BAD.value for finding in findings) else 0)


def _memory(config: Config) -> Iterator[Finding]:
    try:
        protection = _core.start_memory(config.memory_lock)
    except HyperkmsError as error:
        yield _finding("memory", Verdict.BAD, error.message)
        return
    words = {
        "memfd_secret": "keys in use lie in memfd_secret pages, which not even root can read",
        "mlock": "keys in use lie in locked pages; root can read them (the kernel has no memfd_secret)",
        "none": "pages with keys may be swapped: raise RLIMIT_MEMLOCK to at least 512 KiB",
    }
    yield _finding("memory", Verdict.BAD if protection.lock == "none" else Verdict.GOOD, words[protection.lock])
    if not protection.private:
        yield _finding("memory", Verdict.NOTE, "this system cannot keep pages out of dumps; core files are off")
    core_limit = resource.getrlimit(resource.RLIMIT_CORE)[0]
    yield _finding(
        "core files",
        Verdict.GOOD if core_limit == 0 else Verdict.BAD,
        "off" if core_limit == 0 else f"limit {core_limit}",
    )


def _files(config: Config) -> Iterator[Finding]:
    if not (config.data / DATABASE).exists():
        yield _finding("data directory", Verdict.NOTE, f"{config.data} does not exist; `hyperkms serve` makes it")
        return
    open_ones = [path for path in (config.data, *config.data.rglob("*")) if path.lstat().st_mode & 0o077]
    for path in open_ones:
        words = f"{path} has mode {path.lstat().st_mode & 0o777:04o}: chmod go= {path}"
        yield _finding("permissions", Verdict.BAD, words)
    if not open_ones:
        yield _finding("permissions", Verdict.GOOD, f"nothing in {config.data} is open to other users")
    yield _opens(config)


def _opens(config: Config) -> Finding:
    """Whether a service would start on the directory: root key, database, mode and nonce file as they must be."""
    try:
        assemble(config, create=False, tell=lambda _: None).close()
    except HyperkmsError as error:
        return _finding("data directory", Verdict.BAD, str(error))
    return _finding("data directory", Verdict.GOOD, f"{config.data} opens as {config.mode.value}")


def _disk(config: Config) -> Iterator[Finding]:
    folder = config.data if config.data.is_dir() else Path(tempfile.gettempdir())
    try:
        milliseconds = _fsync_milliseconds(folder)
    except OSError as error:
        yield _finding("disk", Verdict.BAD, f"{folder}: {error.strerror}")
        return
    yield _finding("disk", Verdict.GOOD, f"an fsync in {folder} takes {milliseconds:.2f} ms (median of {_FSYNCS})")


def _fsync_milliseconds(folder: Path) -> float:
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_FSYNCS):
            file.write(b"x" * 512)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def _mode(config: Config) -> Iterator[Finding]:
    verdict = Verdict.NOTE if config.mode is Mode.DEVELOPMENT else Verdict.GOOD
    yield _finding("mode", verdict, config.mode.value)
    if config.root_key.startswith("file:"):
        words = "the root key is a local file: who can read the data directory can open every key"
        yield _finding("root key", Verdict.NOTE, words)
    if config.replay_vectors:
        yield _finding(
            "replay", Verdict.NOTE, "nonce window, expiry and number checks are off (HYPERKMS_REPLAY_VECTORS)"
        )


def _finding(what: str, verdict: Verdict, words: str) -> Finding:
    return Finding(what, verdict.value, words)
