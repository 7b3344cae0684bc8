"""Latency of hyperkms.client beside requests.Session and the official SDK's own signing.

    python -m bench.client_latency --url http://127.0.0.1:3000 --key KEY --wallet bot-1 [--rounds 40] [--calls 50]

The wallet is a secp256k1 wallet of the network `--network`. Each round does the same number of calls with each
contender, one after the other, so that whatever else the machine does meets all of them. It prints the median, the
90th percentile and the ratios; it does not judge. The SDK signs the same order with a throw-away key of its own.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import requests
from eth_account import Account
from hyperliquid.utils.signing import sign_l1_action

from hyperkms.client import AsyncSigningClient, Idempotency, Options, SigningClient

ORDER: dict[str, Any] = {
    "type": "order",
    "orders": [{"a": 0, "b": True, "p": "60000", "s": "0.001", "r": False, "t": {"limit": {"tif": "Gtc"}}}],
    "grouping": "na",
}
OK = 200


def main() -> None:
    """Measure, and print a table or JSON."""
    asked = _arguments()
    options = Options(idempotency=Idempotency(asked.idempotency))
    with (
        SigningClient(asked.url, asked.key, options=options) as client,
        requests.Session() as session,
        asyncio.Runner() as runner,
        ExitStack() as more,
    ):
        remote = AsyncSigningClient(asked.url, asked.key, options=options)
        contenders = {
            "SigningClient": lambda: _synchronous(client, asked),
            "AsyncSigningClient": lambda: runner.run(_asynchronous(remote, asked)),
            "official SDK, local key": lambda: _official(asked),
        }
        if asked.unix:
            near = more.enter_context(SigningClient(asked.unix, asked.key, options=options))
            contenders["SigningClient, Unix socket"] = lambda: _synchronous(near, asked)
        if not asked.url.startswith("unix:"):
            contenders["requests.Session"] = lambda: _requests(session, asked)
        times = _rounds(contenders, asked.rounds)
        runner.run(remote.close())
    _print(times, as_json=asked.json)


def _rounds(contenders: dict[str, Callable[[], list[float]]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for contend in contenders.values():  # connections are made and code is warm before anything counts
        contend()
    for _ in range(rounds):
        for name, contend in contenders.items():
            times[name] += contend()
    return times


def _synchronous(client: SigningClient, asked: argparse.Namespace) -> list[float]:
    times = []
    for _ in range(asked.calls):
        started = time.perf_counter()
        client.sign_action(asked.wallet, ORDER, network=asked.network)
        times.append(time.perf_counter() - started)
    return times


async def _asynchronous(client: AsyncSigningClient, asked: argparse.Namespace) -> list[float]:
    times = []
    for _ in range(asked.calls):
        started = time.perf_counter()
        await client.sign_action(asked.wallet, ORDER, network=asked.network)
        times.append(time.perf_counter() - started)
    return times


def _requests(session: requests.Session, asked: argparse.Namespace) -> list[float]:
    body = {"walletId": asked.wallet, "action": ORDER, "network": asked.network}
    url, headers = f"{asked.url}/hyperliquid/sign", {"X-API-Key": asked.key}
    times = []
    for _ in range(asked.calls):
        started = time.perf_counter()
        answer = session.post(url, json=body, headers=headers, timeout=10)
        signed = answer.json()
        times.append(time.perf_counter() - started)
        if answer.status_code != OK:
            raise SystemExit(f"the service answered {answer.status_code}: {signed}")
    return times


def _official(asked: argparse.Namespace) -> list[float]:
    wallet, times = Account.create(), []
    for _ in range(asked.calls):
        started = time.perf_counter()
        sign_l1_action(wallet, ORDER, None, time.time_ns() // 1_000_000, None, asked.network == "mainnet")
        times.append(time.perf_counter() - started)
    return times


def _print(times: dict[str, list[float]], *, as_json: bool) -> None:
    figures = {
        name: {"p50_us": statistics.median(all_) * 1e6, "p90_us": statistics.quantiles(all_, n=10)[8] * 1e6}
        for name, all_ in times.items()
    }
    if as_json:
        print(json.dumps(figures, indent=1))
        return
    ours = figures["SigningClient"]["p50_us"]
    for name, figure in figures.items():
        ratio = figure["p50_us"] / ours
        print(
            f"{name:25} p50 {figure['p50_us']:8.0f} us   p90 {figure['p90_us']:8.0f} us   {ratio:5.2f} x SigningClient"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--unix", help="the same service as unix:PATH, for one more contender")
    parser.add_argument("--key", required=True, help="an API key that may sign for the wallet")
    parser.add_argument("--wallet", required=True)
    parser.add_argument("--network", choices=["testnet", "mainnet"], default="testnet")
    parser.add_argument("--idempotency", choices=[kind.value for kind in Idempotency], default="automatic")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=50, help="calls of each contender a round")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
