"""Whether the time of a refusal tells what is wrong with a key: `python -m bench.authentication_timing`.

Unknown, wrong (of a prefix that exists) and revoked keys are refused in random order, and each two of these
classes are compared by Welch's t: on all times, and on those below the 95th percentile of all, since what
lies above is the machine's. Where |t| is 4.5 or more they can be told apart; the exit status is 1 then. In
process it is the check of a key alone, and each key is asked once: where the hash of one key falls in the
table gives that key a time of its own, whatever its class. Over HTTP it is whole requests on one
connection, so far fewer.
"""

import argparse
import gc
import http.client
import itertools
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from bench.machine import description, server_cpus
from bench.processes import Server, free_port, hyperkms, started
from hyperkms._core import SharedCounters
from hyperkms.access.administration import Clients, NewClient
from hyperkms.access.api_keys import PREFIX_LENGTH, ApiKeys, new_key, sha256
from hyperkms.access.client_records import ClientRecord, read_keys
from hyperkms.access.clients import Role
from hyperkms.custody.local_file import LocalFileRootKey
from hyperkms.custody.store_keys import new_store_key
from hyperkms.state.database import Database, open_database
from hyperkms.state.generation import CLIENT_CHANGES, Generation
from hyperkms.state.row_signatures import RowSignatures
from hyperkms.state.schema import client_keys
from hyperkms.state.schema import clients as clients_table

THRESHOLD = 4.5
CLIENTS = 500
CLIENTS_HTTP = 100
"""In force, and (over HTTP) as many revoked."""
_OPEN = "1000000/s"
_UNAUTHORIZED = 401

Keys = Mapping[str, Sequence[str]]
Times = Mapping[str, Sequence[int]]
"""Nanoseconds, by class."""


def main(words: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-process", type=int, default=100_000, help="checks a class; 100000 unless told")
    parser.add_argument("--http", type=int, default=5_000, help="requests a class; 5000 unless told")
    asked = parser.parse_args(words)
    print(f"machine: {description()}")
    with tempfile.TemporaryDirectory() as folder:
        told_apart = _report("in process", _in_process(Path(folder), asked.in_process))
    with tempfile.TemporaryDirectory() as folder:
        told_apart |= _report("over HTTP", _over_http(Path(folder), asked.http))
    return 1 if told_apart else 0


def _in_process(folder: Path, count: int) -> Times:
    database = open_database(folder / "state.db")
    changes = Generation(SharedCounters.open(folder / "shared"), CLIENT_CHANGES)
    new = new_store_key(LocalFileRootKey.create(folder / "root.key"))
    rows = RowSignatures(new.key)
    clients = Clients(database, changes, rows)
    noted: list[ClientRecord] = []

    def issue(name: str) -> str:
        new = NewClient(name=name, role=Role.BOT)
        return clients.create(new, by="bench", now=1, before_commit=noted.append).key

    good = [issue(f"good-{number}") for number in range(CLIENTS)]
    issue("revoked")
    clients.revoke("revoked", now=1, before_commit=noted.append)
    revoked = _revoked_keys(database, "revoked", count)
    keys = {"unknown": _fresh(count), "wrong": _wrong(good, count), "revoked": revoked}
    api_keys = ApiKeys(database, changes, partial(read_keys, rows), None, lambda: time.time_ns() // 1_000_000)
    api_keys.authenticate(good[0])  # loads them
    times = _interleaved(keys, api_keys.known)
    database.close()
    return times


def _over_http(folder: Path, count: int) -> Times:
    port = free_port()
    settings = {
        "HYPERKMS_ENV": "development",
        "HYPERKMS_LIMIT_FAILED_AUTHENTICATION": _OPEN,
        "HYPERKMS_LIMIT_ADMINISTER": _OPEN,
        "LOG_LEVEL": "error",
    }
    command = hyperkms("serve", "--data", str(folder / "data"), "--port", str(port))
    server = Server(command=command, port=port, ready="/ready", environment=settings)
    with (
        started(server, cpus=server_cpus(1), output=folder / "log"),
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection,
    ):
        administrator = (folder / "data" / "admin.key").read_text("ascii").strip()

        def ask(method: str, path: str, key: str, body: str | None = None) -> tuple[int, bytes]:
            connection.request(method, path, body, {"X-API-Key": key})
            answer = connection.getresponse()
            return answer.status, answer.read()

        def issue(name: str) -> str:
            key: str = json.loads(ask("POST", "/clients", administrator, json.dumps({"name": name}))[1])["apiKey"]
            return key

        def refuse(key: str) -> None:
            status, _ = ask("GET", "/wallets", key)
            if status != _UNAUTHORIZED:
                raise RuntimeError(f"{status} instead of a refusal")

        good = [issue(f"good-{number}") for number in range(CLIENTS_HTTP)]
        revoked = [issue(f"revoked-{number}") for number in range(CLIENTS_HTTP)]
        for number in range(CLIENTS_HTTP):
            ask("POST", f"/clients/revoked-{number}/revoke", administrator)
        again = list(itertools.islice(itertools.cycle(revoked), count))
        return _interleaved({"unknown": _fresh(count), "wrong": _wrong(good, count), "revoked": again}, refuse)


def _fresh(count: int) -> list[str]:
    return [new_key() for _ in range(count)]


def _wrong(good: Sequence[str], count: int) -> list[str]:
    prefixes = itertools.cycle(key[:PREFIX_LENGTH] for key in good)
    return [prefix + key[PREFIX_LENGTH:] for prefix, key in zip(prefixes, _fresh(count), strict=False)]


def _revoked_keys(database: Database, client: str, count: int) -> list[str]:
    """As many keys as a revoked client could have; one transaction instead of a rotation for each."""
    keys = list({key[:PREFIX_LENGTH]: key for key in _fresh(count)}.values())
    with database.write() as connection:
        owner = connection.execute(sa.select(clients_table.c.id).where(clients_table.c.name == client)).scalar_one()
        rows = [
            {
                "prefix": key[:PREFIX_LENGTH],
                "client": owner,
                "sha256": sha256(key),
                "created_at": 1,
                "revoked_at": 1,
            }
            for key in keys
        ]
        connection.execute(client_keys.insert(), rows)
    return keys


def _interleaved(keys: Keys, refuse: Callable[[str], object]) -> Times:
    # Copies made alike: where a text lies in memory, and how it came there, must not differ by class.
    asked = [(name, key) for name, those in keys.items() for key in those]
    random.shuffle(asked)
    asked = [(name, "".join(list(key))) for name, key in asked]
    times: dict[str, list[int]] = {name: [] for name in keys}
    now = time.perf_counter_ns
    for _, key in asked[:1000]:
        refuse(key)
    gc.collect()
    gc.disable()
    try:
        for name, key in asked:
            began = now()
            refuse(key)
            taken = now() - began  # before anything is looked up that differs by class
            times[name].append(taken)
    finally:
        gc.enable()
    return times


def _report(what: str, times: Times) -> bool:
    """Print; answers whether two classes can be told apart."""
    crop = statistics.quantiles(itertools.chain(*times.values()), n=20)[-1]
    below = {name: [value for value in values if value < crop] for name, values in times.items()}
    count = len(next(iter(times.values())))
    medians = ", ".join(f"{name} {statistics.median(values):.0f}" for name, values in times.items())
    print(f"\n{what}, {count} a class; median ns: {medians}")
    told_apart = False
    for one, other in itertools.combinations(times, 2):
        whole, cropped = _welch(times[one], times[other]), _welch(below[one], below[other])
        apart = max(abs(whole), abs(cropped)) >= THRESHOLD
        told_apart |= apart
        words = "can be told apart" if apart else "cannot be told apart"
        print(f"  {one:8} and {other:8} t = {whole:6.2f} (all), {cropped:6.2f} (below the 95th percentile): {words}")
    return told_apart


def _welch(one: Sequence[int], other: Sequence[int]) -> float:
    """Welch's t, for samples of unequal variance."""
    variance = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.fmean(one) - statistics.fmean(other)) / math.sqrt(variance)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
