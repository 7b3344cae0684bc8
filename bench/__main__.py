"""`make bench`: measures, prints a table, fails on no figure.

ARGS="http --connections 64 --seconds 3 --only sign" runs a part; without a part, all run.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import core, machine, signing
from bench.results import Report
from bench.rounds import Pace
from bench.signing import Places

PARTS = ("core", "http")
ROUTES = ("sign", "order", "sign-order", "batch", "public-key", "health")
_SHM = Path("/dev/shm")  # noqa: S108 (tmpfs is what is measured; the folder in it has a random name and mode 0700)


def main(words: Sequence[str]) -> int:
    """Run the parts that are asked for."""
    asked = _parser().parse_args(words)
    if sys.platform != "linux":
        print("make bench needs Linux: it pins processes to CPUs and reads /proc")
        return 2
    report = Report()
    began = time.monotonic()
    print(f"machine: {machine.description()}\n{machine.pinning()}")
    with _places() as places:
        _run(report, places, asked)
    print(f"\n{report.summary()}\n{time.monotonic() - began:.0f} s")
    if asked.json:
        report.write(asked.json, machine.description())
    return 0


def _run(report: Report, places: Places, asked: argparse.Namespace) -> None:
    pace = Pace(
        rounds=asked.rounds or (2 if asked.quick else 5), seconds=asked.seconds or (0.5 if asked.quick else 1.5)
    )
    for part in asked.parts or PARTS:
        if part == "core":
            core.measure(report, rounds=15 if asked.quick else 61)
        elif part == "http":
            signing.measure(report, places, only=asked.only or ROUTES, connections=asked.connections, pace=pace)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--only", nargs="+", choices=ROUTES, help="http: these routes")
    parser.add_argument("--connections", nargs="+", type=int, default=[1, 8, 64], help="http: 1 8 64")
    parser.add_argument("--seconds", type=float, help="a run; 1.5 unless told")
    parser.add_argument("--rounds", type=int, help="runs of each; 5 unless told")
    parser.add_argument("--quick", action="store_true", help="under 90 s: short runs, fewer rounds, smaller stores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser


@contextmanager
def _places() -> Iterator[Places]:
    disk = Path(__file__).parent.parent / "target" / "bench"
    disk.mkdir(parents=True, exist_ok=True)
    made = [Path(tempfile.mkdtemp(prefix="hyperkms-bench-", dir=parent)) for parent in (_SHM, disk)]
    try:
        yield Places(*made)
    finally:
        for folder in made:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
