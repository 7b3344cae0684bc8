"""Decides over orders in a process of its own, on a real data directory, by a clock that does not move by itself.

python spending.py DATA windows WINDOWS NOW: asks in every window for more than is left, and prints what it was granted;
a line on standard input begins each window.
python spending.py DATA for-ever NOW: goes on until it is killed, and writes a byte for each order that is granted.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

from hyperkms.access.authority import Wanted
from hyperkms.access.clients import Role, client
from hyperkms.errors import Refused
from hyperkms.operations.at_hand import Signer
from hyperkms.operations.parts import Parts
from hyperkms.operations.settle import decide_for
from hyperkms.operations.signer import resolve
from hyperkms.wallet import Network, WalletId
from support.books import Book, order, orders
from support.in_process import Here, here

WALLET = WalletId("spender")
PERIOD_MS = 3_600_000
LIMIT = 100
"""USD an hour, and orders an hour."""
WORTH = 7
"""USD of each order."""
ATTEMPTS = LIMIT // WORTH + 2
_ORDER = orders(order(str(WORTH)))
_DESK = client("desk", Role.ADMINISTRATOR)


def _is_granted(at: Here, signer: Signer) -> bool:
    try:
        decide_for(at.parts, signer, Wanted(_ORDER, None, None, at.now), Network.TESTNET)
    except Refused as refused:
        if refused.code != "policy-refused":
            raise
        return False
    return True


def in_windows(at: Here, signer: Signer, windows: int) -> None:
    """Windows two periods apart, so that each begins with nothing spent; every attempt has a later clock."""
    begin = at.now
    os.write(1, b"ready\n")
    for window in range(windows):
        sys.stdin.readline()
        at.now = begin + window * 2 * PERIOD_MS
        granted = 0
        for _ in range(ATTEMPTS):
            at.now += 1
            granted += _is_granted(at, signer)
        os.write(1, b"%d\n" % granted)


def for_ever(at: Here, signer: Signer) -> None:
    """A byte after each order that was granted, and before the next is asked for."""
    while True:
        if _is_granted(at, signer):
            os.write(1, b".")


def main(data: str, how: str, *numbers: str) -> None:
    """As the first lines say."""
    with here(Path(data)) as at:
        at.parts = _with_book(at)
        at.now = int(numbers[-1])
        signer = resolve(at.parts, _DESK, WALLET, None, operation="sign-action")
        if how == "windows":
            in_windows(at, signer, int(numbers[0]))
        else:
            for_ever(at, signer)


def _with_book(at: Here) -> Parts:
    return replace(at.parts, prices=dict.fromkeys(at.parts.prices, Book()))


if __name__ == "__main__":
    main(*sys.argv[1:])
