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

from bench import aws, client, core, instances, machine, mpc, scale, signing, workers
from bench.results import Report
from bench.rounds import Pace
from bench.signing import Places

PARTS = ("core", "http", "mpc", "workers", "scale", "client", "aws", "instances")
ROUTES = ("sign", "order", "rules", "keyed", "sign-order", "batch", "public-key", "health")
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
    if warning := machine.busy():
        print(warning)
    with _places() as places:
        _run(report, places, asked)
    print(f"\n{report.summary()}\n{time.monotonic() - began:.0f} s")
    if asked.json:
        report.write(asked.json, machine.description())
    return 0


def _run(report: Report, places: Places, asked: argparse.Namespace) -> None:
    rounds, seconds = (2, 0.5) if asked.quick else (5, 1.5)
    pace = Pace(rounds=asked.rounds or rounds, seconds=asked.seconds or seconds)
    for part in asked.parts or PARTS:
        own = Places(*(folder / part for folder in (places.tmpfs, places.disk)))
        own.tmpfs.mkdir()
        own.disk.mkdir()
        _part(report, part, own, pace, asked)


def _part(report: Report, part: str, places: Places, pace: Pace, asked: argparse.Namespace) -> None:
    match part:
        case "core":
            core.measure(report, rounds=15 if asked.quick else 61)
        case "http":
            signing.measure(report, places, only=asked.only or ROUTES, connections=asked.connections, pace=pace)
        case "mpc":
            mpc.measure(report, places, wallets=2 if asked.quick else 4, pace=pace)
        case "workers":
            workers.measure(report, places.tmpfs, pace=pace)
        case "scale":
            medium, many = (1_000, 5_000) if asked.quick else (10_000, 100_000)
            scale.measure(report, places.tmpfs, medium=medium, many=many, pace=pace)
        case "aws":
            aws.measure(report, places.tmpfs, pace=pace)
        case "instances":
            instances.measure(report, places.tmpfs, pace=pace)
        case "client":
            client.measure(report, places.tmpfs, rounds=5 if asked.quick else 20)


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
