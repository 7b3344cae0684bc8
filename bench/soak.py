"""`make soak`: hours of mixed load with faults in it; fails where memory, descriptors or threads go on growing.

ARGS="--hours 4 --rate 200" are what it does unless told. Prints a line a minute, and at the end how fast each has
grown after the warm-up: at most 1 % an hour, of what it was on average.
"""

import argparse
import http.client
import json
import random
import secrets
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import machine
from bench.service import ED25519, SECP256K1, Service, make_wallets, sandbox, service

MOST_GROWTH = 1.0
"""Percent an hour."""
WARM_UP = 0.2
"""Of the time: caches fill, and the allocator takes what it keeps."""
FAULTS = 0.01
"""Of the requests: cut off, wrong, or of nobody."""
WORKERS = 2
CALLERS = 8
MOST_SHOWN = 20
SAMPLE_S = 5.0
TOLD_S = 60.0
_ROOM = {"HYPERKMS_LIMIT_ROTATE": "1000000/s", "HYPERKMS_LIMIT_FAILED_AUTHENTICATION": "1000000/s"}
_ORDER = {
    "type": "order",
    "orders": [{"a": 0, "b": True, "p": "60000", "s": "0.01", "r": False, "t": {"limit": {"tif": "Gtc"}}}],
    "grouping": "na",
}


@dataclass(frozen=True)
class Sample:
    """What all processes of the service have together."""

    at: float
    """Seconds since the load began."""
    figures: Mapping[str, int]


def growth(samples: Sequence[Sample], name: str) -> float:
    """Percent of the mean by which a figure grows in an hour, by least squares."""
    values = [sample.figures[name] for sample in samples]
    slope, _ = statistics.linear_regression([sample.at for sample in samples], values)
    return 100 * 3600 * slope / statistics.fmean(values)


@dataclass
class Soak:
    """The load, and what became of it."""

    target: Service
    rate: float
    """Requests a second, of all callers."""
    asked: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Answers that were not what the request must be answered with."""
    _ending: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> Sequence[threading.Thread]:
        """Begin."""
        threads = [threading.Thread(target=self._call, args=(number,)) for number in range(CALLERS)]
        for thread in threads:
            thread.start()
        return threads

    def end(self, threads: Iterable[threading.Thread]) -> None:
        """Every request is answered on return."""
        self._ending.set()
        for thread in threads:
            thread.join()

    def _call(self, number: int) -> None:
        chosen = random.Random(number)  # noqa: S311 (the same load each time)
        caller = _Caller(self.target, number, chosen)
        due = time.monotonic()
        while not self._ending.is_set():
            due += chosen.expovariate(self.rate / CALLERS)
            self._ending.wait(max(0.0, due - time.monotonic()))
            what, wrong = caller.next()
            with self._lock:
                self.asked[what] += 1
                if wrong is not None and len(self.wrong) < MOST_SHOWN:
                    self.wrong.append(wrong)
        caller.close()


class _Caller:
    """One of the clients, on a connection that it keeps."""

    def __init__(self, target: Service, number: int, chosen: random.Random) -> None:
        self._target, self._number, self._chosen = target, number, chosen
        self._connection = self._connected()
        self._made = 0
        self._usual: Mapping[str, tuple[float, Callable[[], str | None]]] = {
            "message": (35, self._message),
            "order": (35, self._order),
            "keyed order": (10, self._keyed),
            "batch": (5, self._batch),
            "public key": (5, self._public_key),
            "list": (1, self._list),
            # Each leaves a row for ever, and a kilobyte of what is known of it: a desk makes a few an hour.
            "wallet's life": (0.01, self._life),
            "client's life": (0.01, self._client),
            "explained": (3, self._explained),
            "metrics": (1, self._metrics),
        }
        self._faults: Sequence[tuple[str, Callable[[], str | None]]] = [
            ("no JSON", self._no_json),
            ("unknown wallet", self._unknown),
            ("wrong key", self._wrong_key),
            ("cut off before its end", self._cut_off),
            ("answer not waited for", self._hung_up),
        ]
        self._never_asked = [*((name, ask) for name, (_, ask) in self._usual.items()), *self._faults]

    def next(self) -> tuple[str, str | None]:
        """What was asked, and what was wrong with the answer: everything once, and then by chance."""
        if self._never_asked:
            name, ask = self._never_asked.pop()
        elif self._chosen.random() < FAULTS:
            name, ask = self._chosen.choice(self._faults)
        else:
            [name] = self._chosen.choices(list(self._usual), [weight for weight, _ in self._usual.values()])
            ask = self._usual[name][1]
        try:
            return name, ask()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._connection = self._connected()
            return name, f"{name}: {type(error).__name__}: {error}"

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _connected(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._target.running.port, timeout=60)

    def _ask(
        self, method: str, path: str, body: object = None, *, expected: int = 200, **headers: str
    ) -> tuple[Any, str | None]:
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        sent = {"X-API-Key": self._target.key} | {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, content, sent)
        answer = self._connection.getresponse()
        told = answer.read()
        wrong = None if answer.status == expected else f"{method} {path}: {answer.status} {told[:300]!r}"
        return (None if path == "/metrics" else json.loads(told)), wrong

    def _post(self, path: str, body: object, **more: Any) -> str | None:
        return self._ask("POST", path, body, **more)[1]

    def _message(self) -> str | None:
        return self._post("/wallets/sign", {"walletId": self._chosen.choice(ED25519), "message": "m" * 64})

    def _order_of(self) -> dict[str, object]:
        return {"walletId": self._chosen.choice(SECP256K1), "action": _ORDER}

    def _order(self) -> str | None:
        return self._post("/hyperliquid/sign", self._order_of())

    def _keyed(self) -> str | None:
        key = secrets.token_hex(8)
        body = self._order_of()
        first, wrong = self._ask("POST", "/hyperliquid/sign", body, Idempotency_Key=key)
        again, wrong_again = self._ask("POST", "/hyperliquid/sign", body, Idempotency_Key=key)
        differ = None if first == again else f"one key, two answers: {first} {again}"
        return wrong or wrong_again or differ

    def _batch(self) -> str | None:
        return self._post("/hyperliquid/sign-batch", {"requests": [self._order_of() for _ in range(20)]})

    def _public_key(self) -> str | None:
        return self._ask("GET", f"/wallets/{self._chosen.choice(ED25519)}/public-key")[1]

    def _list(self) -> str | None:
        return self._ask("GET", "/wallets")[1]

    def _explained(self) -> str | None:
        return self._post("/hyperliquid/explain", self._order_of())

    def _metrics(self) -> str | None:
        return self._ask("GET", "/metrics")[1]

    def _life(self) -> str | None:
        self._made += 1
        wallet = f"soak-{self._number}-{self._made}"
        return (
            self._post("/wallets/generate", {"walletId": wallet})
            or self._post("/wallets/sign", {"walletId": wallet, "message": "m"})
            or self._post("/wallets/rotate", {"walletId": wallet})
            or self._post(f"/wallets/{wallet}/retire", {"destroy": True})
        )

    def _client(self) -> str | None:
        self._made += 1
        name = f"soak-{self._number}-{self._made}"
        return self._post("/clients", {"name": name, "wallets": ["message-00"], "allow": ["sign-bytes"]}) or self._post(
            f"/clients/{name}/revoke", {}
        )

    # ---- faults -------------------------------------------------------------------------------------------

    def _no_json(self) -> str | None:
        return self._post("/wallets/sign", b'{"walletId": "message-00", "message": ', expected=400)

    def _unknown(self) -> str | None:
        return self._post("/wallets/sign", {"walletId": "nobodys", "message": "m"}, expected=404)

    def _wrong_key(self) -> str | None:
        return self._post(
            "/wallets/sign", {"walletId": "message-00", "message": "m"}, expected=401, X_API_Key="hk_wrong"
        )

    def _cut_off(self) -> str | None:
        self._raw(b'POST /wallets/sign HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{"walletId"')
        return None

    def _hung_up(self) -> str | None:
        body = json.dumps(self._order_of()).encode()
        head = f"POST /hyperliquid/sign HTTP/1.1\r\nHost: h\r\nX-API-Key: {self._target.key}\r\n"
        self._raw(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return None

    def _raw(self, content: bytes) -> None:
        with closing(socket.create_connection(("127.0.0.1", self._target.running.port), timeout=60)) as raw:
            raw.sendall(content)


def sample(pid: int, began: float) -> Sample:
    """All processes of the service: resident bytes, open descriptors, threads."""
    totals: Counter[str] = Counter({"memory": 0, "descriptors": 0, "threads": 0})
    for each in _family(pid):
        with suppress(OSError):  # it ended just now
            status = dict(line.split(":", 1) for line in Path(f"/proc/{each}/status").read_text().splitlines())
            totals["memory"] += int(status["VmRSS"].split()[0]) * 1024
            totals["threads"] += int(status["Threads"])
            totals["descriptors"] += sum(1 for _ in Path(f"/proc/{each}/fd").iterdir())
    return Sample(time.monotonic() - began, totals)


def _family(pid: int) -> Sequence[int]:
    found = [pid]
    for each in found:
        with suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def soak(target: Service, *, seconds: float, rate: float) -> bool:
    """Whether everything was answered as it must be and nothing has grown for long."""
    load, samples, began = Soak(target, rate), [], time.monotonic()
    threads, told = load.start(), 0.0
    try:
        while time.monotonic() - began < seconds and not load.wrong:
            time.sleep(min(SAMPLE_S, seconds / 10))
            samples.append(sample(target.running.pid, began))
            if samples[-1].at - told >= TOLD_S:
                told = samples[-1].at
                _tell(samples[-1], sum(load.asked.values()))
    finally:
        load.end(threads)
    return _verdict(load, samples)


def _tell(now: Sample, asked: int) -> None:
    figures = now.figures
    print(
        f"  {now.at / 60:6.1f} min  {asked:9,} requests  {figures['memory'] / 2**20:7.1f} MiB  "
        f"{figures['descriptors']:4} descriptors  {figures['threads']:3} threads",
        flush=True,
    )


def _verdict(load: Soak, samples: Sequence[Sample]) -> bool:
    _tell(samples[-1], sum(load.asked.values()))
    print("  " + ", ".join(f"{count:,} x {what}" for what, count in sorted(load.asked.items())))
    for wrong in load.wrong:
        print(f"  WRONG: {wrong}")
    warm = [one for one in samples if one.at >= WARM_UP * samples[-1].at]
    good = not load.wrong
    for name in samples[0].figures:
        grown = growth(warm, name)
        good = good and grown <= MOST_GROWTH
        verdict = "met" if grown <= MOST_GROWTH else "NOT MET"
        print(f"  {name:12} {grown:+8.2f} % an hour   [{verdict}: at most {MOST_GROWTH:g} %]")
    return good


def main(words: Sequence[str]) -> int:
    """Exit status 1 where something has grown, or was answered as it must not be."""
    parser = argparse.ArgumentParser(prog="make soak ARGS=...", description=__doc__)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second; 200 unless told")
    asked = parser.parse_args(words)
    if sys.platform != "linux":
        print("make soak needs Linux: it reads /proc")
        return 2
    print(f"machine: {machine.description()}\n{asked.hours:g} h, {asked.rate:g} requests a second, {WORKERS} workers")
    every = set(machine.server_cpus()) | set(machine.generator_cpus())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        exchange = stack.enter_context(sandbox(folder))
        target = stack.enter_context(service(folder, exchange, ("--workers", str(WORKERS)), cpus=every, settings=_ROOM))
        make_wallets(target)
        return 0 if soak(target, seconds=asked.hours * 3600, rate=asked.rate) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
