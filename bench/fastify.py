"""What we are measured against: bare Fastify handlers, installed from npm where Node is."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.machine import server_cpus
from bench.processes import Running, Server, free_port, started

SOURCE = Path(__file__).parent / "node"
INSTALLED = Path(__file__).parent.parent / "target" / "bench" / "node"
_FILES = ("package.json", "package-lock.json", ".npmrc", "server.js")
_INSTALL_S = 300

LIBRARIES = {"crypto": "Fastify, node:crypto", "sodium": "Fastify, sodium-native"}
COMBINING = "combine"
"""Puts a key together out of two shares and signs with it, as the first system did."""


class NoNode(Exception):
    """Node is not here, or its packages cannot be installed: those rows are skipped."""


def install() -> None:
    """`npm ci` into target/, once a lock file; NoNode where that is not possible."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NoNode("Node and npm are not on this machine")
    lock = (SOURCE / "package-lock.json").read_bytes()
    stamp = INSTALLED / "installed"
    if not stamp.is_file() or stamp.read_bytes() != lock:
        INSTALLED.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        _copy()
        _npm_ci(npm)
        stamp.write_bytes(lock)
    _copy()


@contextmanager
def fastify(library: str, folder: Path) -> Iterator[Running]:
    """A handler that signs with `crypto` or `sodium`, or combines first, alone on the server's CPU."""
    port = free_port()
    command = ["node", str(INSTALLED / "server.js"), library, str(port)]
    server = Server(command=command, port=port, ready="/health", environment={"NODE_ENV": "production"})
    with started(server, cpus=server_cpus(), output=folder / f"fastify-{library}.log") as running:
        yield running


def _copy() -> None:
    for name in _FILES:
        shutil.copyfile(SOURCE / name, INSTALLED / name)


def _npm_ci(npm: str) -> None:
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    try:
        done = subprocess.run(  # noqa: S603 (npm, in a folder of ours)
            command, cwd=INSTALLED, capture_output=True, text=True, timeout=_INSTALL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoNode(f"npm ci failed: {error}") from error
    if done.returncode != 0:
        raise NoNode(f"npm ci failed: {done.stderr.strip()[-500:]}")
