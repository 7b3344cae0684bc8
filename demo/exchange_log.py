"""The sandbox's own log, which says whose signature it recovered: the second opinion on what the demo reports."""

from collections.abc import Collection, Iterable
from typing import Any

import requests

from demo.errors import ExchangeFailed, LogDisagrees
from demo.replies import Line, outcomes_of

TIMEOUT_S = 10


def read_log(sandbox_url: str) -> Any:
    """Every post so far, oldest first: {posted, signer, answer{status, body}}."""
    try:
        answer = requests.get(f"{sandbox_url}/sandbox/log", timeout=TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()["entries"]
    except requests.RequestException as error:
        raise ExchangeFailed(f"the log of the sandbox at {sandbox_url} cannot be read") from error


def confirm(entries: Iterable[Any], lines: Iterable[Line], address: str) -> int:
    """The number of posts that the exchange accepted, all signed by `address` and all of them in `lines`.

    LogDisagrees if another signer was recovered for one, or if log and lines differ in what was accepted.
    """
    signers = {entry["posted"]["nonce"]: entry["signer"] for entry in entries if _accepted(entry)}
    for nonce, signer in signers.items():
        if signer != address:
            raise LogDisagrees(f"the exchange recovered {signer} for nonce {nonce}; the wallet is {address}")
    reported = {line.nonce for line in lines if line.accepted}
    if reported != set(signers):
        words = f"the exchange accepted {len(signers)} posts, and the table shows {len(reported)}"
        raise LogDisagrees(f"{words}: they are not the same")
    return len(signers)


def confirm_each(entries: Iterable[Any], lines: Iterable[Line], addresses: Collection[str]) -> int:
    """The same of several wallets, each with nonces of its own; LogDisagrees for any other signer too."""
    entries, lines = list(entries), list(lines)
    for entry in filter(_accepted, entries):
        if entry["signer"] not in addresses:
            raise LogDisagrees(f"the exchange recovered {entry['signer']}, which is no wallet of the demo")
    return sum(
        confirm(
            [entry for entry in entries if entry["signer"] == address],
            [line for line in lines if line.signer == address],
            address,
        )
        for address in addresses
    )


def _accepted(entry: Any) -> bool:
    reply = entry["answer"]["body"]
    return isinstance(reply, dict) and any(outcome.accepted for outcome in outcomes_of(reply))
